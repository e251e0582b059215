#include "console/command_table.hpp"

namespace troupe::console {
namespace {

using Count = ArgumentSpec::Count;
using Repeat = OptionSpec::Repeat;
using Need = OptionSpec::Need;

OptionSpec option(std::string name, std::string value, std::string help) {
  return {std::move(name), "", std::move(value), std::move(help), {}, Repeat::once, Need::optional};
}

OptionSpec flag(std::string name, std::string help) {
  return option(std::move(name), "", std::move(help));
}

OptionSpec required(OptionSpec spec) {
  spec.need = Need::required;
  return spec;
}

OptionSpec lettered(std::string letter, OptionSpec spec) {
  spec.letter = std::move(letter);
  return spec;
}

OptionSpec one_of(std::vector<std::string> words, OptionSpec spec) {
  spec.words = std::move(words);
  return spec;
}

OptionSpec run_dir() {
  return option("run-dir", "DIR", "run folder (else $TROUPE_RUN_DIR, else runs/latest)");
}

OptionSpec new_run_dir() {
  return option("run-dir", "DIR", "run folder to make (else runs/<time>)");
}

OptionSpec output() {
  return lettered("o", one_of({"text", "json"}, option("output", "FORMAT", "text (default) or json, on stdout")));
}

OptionSpec inject() {
  OptionSpec spec = option(
      "inject", "RULE",
      "fault on purpose: 'kill9 stage/r0.s1 @step=20,phase=backward' or 'kill9 random every=3s' (docs/commands.md)");
  spec.repeat = Repeat::many;
  return spec;
}

ArgumentSpec config() {
  return {"CONFIG", Count::optional, "job file, see docs/configuration.md; --resume needs none"};
}
ArgumentSpec overrides() {
  return {"section.key=value", Count::many, "keys to set instead of the file's"};
}
ArgumentSpec trained() {
  return {"PATH", Count::one, "run folder or checkpoint folder"};
}

std::vector<CommandSpec> job_commands() {
  const OptionSpec resume =
      flag("resume", "go on from the newest valid checkpoint of --run-dir; keys given are changed (docs/commands.md)");
  return {
      {"train",
       "train a model on this machine",
       "Starts the job's actors as processes of this machine and trains to the end. An actor that dies is started "
       "again.\n"
       "SIGINT or SIGTERM: writes a checkpoint and ends with status 75; --resume goes on from there.\n"
       "A second signal ends the job at once: --resume then goes on from the newest complete checkpoint.",
       {config(), overrides()},
       {new_run_dir(), resume, inject(), output(),
        flag("quiet", "no progress line on stderr; validations and restarts are still told")}},
      {"head",
       "lead a job over several machines",
       "Waits for nodes (troupe node --join) and trains on them. Prints the command that joins.",
       {config(), overrides()},
       {option("listen", "ADDR", "where nodes join, tcp://HOST:PORT (default tcp://127.0.0.1:7700)"),
        option("nodes", "N", "start when so many nodes have joined (default 1)"),
        option("key", "FILE", "who has this key may join, and nobody else; made when there is none"), new_run_dir(),
        resume, inject(), output(),
        flag("quiet", "no progress line on stderr; validations and restarts are still told")}},
      {"node",
       "join a head and run its actors here",
       "",
       {},
       {required(option("join", "ADDR", "the head's address, tcp://HOST:PORT")),
        option("name", "NAME", "name of this node (default: the host's name)"),
        option("listen", "ADDR", "where this node's actors listen (default tcp://127.0.0.1:*)"),
        option("slots", "N", "actors it may hold; 0 = any number (default 0)"),
        option("key", "FILE", "the head's key, when it has one")}},
      {"worker",
       "one actor of a job; started by a node",
       "",
       {{"ACTOR", Count::optional, "its name, for process lists"}},
       {},
       CommandSpec::Listed::no},
  };
}

std::vector<CommandSpec> run_commands() {
  const ArgumentSpec actor{"ACTOR", Count::one,
                           "name as `troupe ps` shows it, such as stage/r0.s1; or a group, as for ps"};
  const ArgumentSpec actors{"ACTORS", Count::optional,
                            "a name, or a group: stages, data, 'stages(replica=0..1, stage=1)'"};
  const OptionSpec follow = lettered("f", flag("follow", "go on as lines are written, until the run is over"));
  const OptionSpec lines = lettered("n", option("lines", "N", "only the last N lines"));
  return {
      {"ps",
       "list the actors of a run, dead ones too",
       "Reads the pages that actors leave in the run folder: asks nobody, never waits, works after a crash.",
       {actors},
       {run_dir(), flag("all", "also the runtime's own actors"), output()}},
      {"show",
       "all about an actor, or each of a group, with past incarnations and last messages",
       "",
       {actor},
       {run_dir(), output()}},
      {"kill",
       "kill the process of an actor, or of each of a group; the job starts it again",
       "",
       {actor},
       {run_dir()}},
      {"logs", "what the process of an actor, or of each of a group, wrote", "", {actor}, {run_dir(), follow, lines}},
      {"events", "what happened in a run", "", {}, {run_dir(), follow, lines, output()}},
      {"report", "write the run's report.html again", "", {}, {run_dir()}},
  };
}

std::vector<CommandSpec> model_commands() {
  return {
      {"generate",
       "write text with a trained model",
       "",
       {trained()},
       {option("prompt", "TEXT", "text to go on from"), option("count", "N", "tokens to write (default 200)"),
        option("temperature", "X", "0 = always the likeliest token (default 0.8)"),
        option("top-k", "K", "choose among the K likeliest; 0 = all (default 40)"),
        option("seed", "S", "of the choice (default 1)"), output()}},
      {"eval",
       "loss and accuracy of a trained model",
       "",
       {trained()},
       {option("data", "FILE", "text to judge it on (default: the job's validation samples)"), output()}},
      {"digest",
       "one sum over a checkpoint's tensors, the same for every layout",
       "",
       {{"CHECKPOINT", Count::one, "checkpoint folder, or a run folder for its newest"}},
       {output()}},
  };
}

std::vector<CommandSpec> data_commands() {
  return {
      {"tokenize",
       "text to tokens, or back",
       "Prints one line of numbers; --decode reads numbers and prints text; --out writes a token file that data.path "
       "of a job\n"
       "may name instead of the text, made for data.format = --format.",
       {{"FILE", Count::optional, "file to read; '-' or nothing = standard input"}},
       {one_of({"bytes", "gpt2"}, option("tokenizer", "NAME", "bytes (default) or gpt2")),
        flag("decode", "numbers to text"), option("out", "FILE", "write a token file instead"),
        one_of({"stream", "lines"}, option("format", "FORMAT", "of the token file: stream (default) or lines")),
        output()}},
      {"partition",
       "cut a data set into parts",
       "",
       {},
       {option("count", "N", "number of samples"),
        option("labels", "FILE", "a label a line, and a group behind it if wanted; instead of --count"),
        required(option("parts", "P", "number of parts")),
        one_of({"sequential", "strided", "shuffled", "balanced"},
               option("mode", "MODE", "sequential, strided, shuffled (default) or balanced")),
        option("bound", "B", "how far a size may be from the mean where groups stay whole (default 0.1)"),
        option("seed", "S", "of the shuffle (default 1)"),
        option("out", "DIR", "write part-N.txt and report.json there"), output()}},
  };
}

std::vector<CommandSpec> other_commands() {
  return {
      {"doctor", "check this machine for what a run needs", "", {}, {output()}},
      {"simulate",
       "run the runtime on a simulated network, with faults, seed by seed",
       "Checks the promises about messages, requests and restarts at every event (docs/simulation.md). Status 1 when\n"
       "one is broken: prints the seed, the fewest faults it takes, and the command that shows it message by message.",
       {},
       {option("seeds", "A..B", "these seeds, on every processor (default 1..1000)"),
        option("scenario", "FILE", "what is simulated, instead of a mixture by the seed"),
        option("seed", "S", "this one alone"), option("faults", "LIST", "of that seed's faults only these, as 1,4"),
        flag("trace", "print all that happens in it")}},
      {"version", "version and build", "", {}, {output()}},
      {"help", "this list, or all about one command", "", {{"COMMAND", Count::optional, "command to explain"}}, {}},
  };
}

}  // namespace

std::vector<CommandSpec> command_table() {
  std::vector<CommandSpec> all;
  for (auto part : {job_commands, run_commands, model_commands, data_commands, other_commands}) {
    for (CommandSpec& command : part()) all.push_back(std::move(command));
  }
  return all;
}

}  // namespace troupe::console
