#include "console/command_table.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace troupe::console {
namespace {

using Words = std::vector<std::string>;

/// The message of the CommandError, or "accepted".
std::string refusal(const Words& words) {
  try {
    (void)parse_command(words);
  } catch (const CommandError& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "accepted";
}

TEST(CommandTable, ReadsArgumentsOptionsAndFlagsInAnyOrder) {
  const ParsedCommand parsed =
      parse_command(Words{"train", "--run-dir", "runs/a", "job.toml", "train.steps=5", "--inject=kill9 x @step=1",
                          "--resume", "train.lr=1e-3", "--inject", "kill9 y @step=2", "-o", "json"});
  EXPECT_EQ(parsed.command, "train");
  EXPECT_EQ(parsed.positional, (Words{"job.toml", "train.steps=5", "train.lr=1e-3"}));
  EXPECT_EQ(parsed.get("run-dir"), "runs/a");
  EXPECT_EQ(parsed.all("inject"), (Words{"kill9 x @step=1", "kill9 y @step=2"}));
  EXPECT_TRUE(parsed.has("resume"));
  EXPECT_FALSE(parsed.has("quiet"));
  EXPECT_TRUE(parsed.wants_json());
}

TEST(CommandTable, TheLastOfRepeatedOptionsWins) {
  EXPECT_EQ(parse_command(Words{"ps", "--run-dir=a", "--run-dir", "b"}).all("run-dir"), Words{"b"});
}

TEST(CommandTable, AValueMayBeGluedToALetter) {
  for (const Words& words : {Words{"events", "-n3"}, Words{"events", "-n", "3"}, Words{"events", "--lines=3"}}) {
    EXPECT_EQ(parse_command(words).integer("lines", 0, 0, 9), 3);
  }
}

TEST(CommandTable, DashesEndOptionsAndADashIsAnArgument) {
  EXPECT_EQ(parse_command(Words{"tokenize", "-"}).positional, Words{"-"});
  EXPECT_EQ(parse_command(Words{"tokenize", "--", "--decode"}).positional, Words{"--decode"});
}

TEST(CommandTable, WordsThatDoNotFitAreRefusedWithAHint) {
  struct Case {
    Words words;
    const char* part;
  };
  const std::vector<Case> cases = {
      {{}, "commands:"},
      {{"trian"}, "unknown command trian (did you mean train?)"},
      {{"zzzzzz"}, "commands: train, head"},
      {{"digest"}, "digest needs CHECKPOINT\nusage: troupe digest CHECKPOINT"},
      {{"train", "a", "--rundir", "b"}, "unknown option --rundir (did you mean --run-dir?)"},
      {{"train", "a", "--resume=yes"}, "--resume takes no value"},
      {{"train", "a", "--run-dir"}, "--run-dir needs a value: --run-dir DIR"},
      {{"train", "a", "--run-dir", "--resume"}, "--run-dir needs a value"},
      {{"ps", "-o", "yaml"}, "-o yaml is not allowed: it takes text, json"},
      {{"events", "extra"}, "events takes no argument \"extra\""},
      {{"show"}, "show needs ACTOR"},
      {{"show", "a", "b"}, "show takes no argument \"b\""},
      {{"node"}, "node needs --join ADDR"},
      {{"partition", "--count", "9"}, "partition needs --parts P"},
      {{"partition", "--parts", "3", "--mode", "random"}, "--mode random is not allowed: it takes sequential"},
      {{"ps", "-x"}, "unknown option -x"},
      {{"events", "-fn"}, "unknown option -fn"},
      {{"ps", "-all"}, "unknown option -all (did you mean --all?)"},
  };
  for (const Case& one : cases) {
    EXPECT_NE(refusal(one.words).find(one.part), std::string::npos) << refusal(one.words);
  }
}

TEST(CommandTable, HiddenCommandsAreNotSuggested) {
  EXPECT_EQ(refusal({"workerr"}).find("worker?"), std::string::npos);
  EXPECT_EQ(render_help("").find("  worker"), std::string::npos);
  EXPECT_EQ(parse_command(Words{"worker", "stage/r0.s0"}).command, "worker");
}

TEST(CommandTable, HelpIsAskedForInManyWays) {
  for (const Words& words : {Words{"help"}, Words{"--help"}, Words{"-h"}}) {
    EXPECT_EQ(parse_command(words).command, "help");
    EXPECT_TRUE(parse_command(words).positional.empty());
  }
  for (const Words& words :
       {Words{"help", "train"}, Words{"train", "--help"}, Words{"train", "x", "-h", "--nonsense"}}) {
    EXPECT_EQ(parse_command(words).command, "help");
    EXPECT_EQ(parse_command(words).argument(0), "train");
  }
  EXPECT_EQ(parse_command(Words{"--version"}).command, "version");
  EXPECT_THROW((void)render_help("trian"), CommandError);
}

TEST(CommandTable, CT1_EveryRowIsListedAndParsed) {
  std::set<std::string> names;
  for (const CommandSpec& command : command_table()) {
    EXPECT_TRUE(names.insert(command.name).second) << command.name << " is there twice";
    EXPECT_FALSE(command.help.empty()) << command.name;
    const bool is_listed = render_help("").find("  " + command.name + " ") != std::string::npos;
    EXPECT_EQ(is_listed, command.listed == CommandSpec::Listed::yes) << command.name;
    Words words{command.name};
    for (const ArgumentSpec& argument : command.arguments) words.push_back("given-" + argument.name);
    for (const OptionSpec& option : command.options) {
      words.push_back("--" + option.name);
      if (!option.value.empty()) words.push_back(option.words.empty() ? "7" : option.words.front());
      EXPECT_NE(render_help(command.name).find("--" + option.name), std::string::npos) << option.name;
    }
    const ParsedCommand parsed = parse_command(words);
    EXPECT_EQ(parsed.command, command.name);
    EXPECT_EQ(parsed.positional.size(), command.arguments.size());
    EXPECT_EQ(parsed.options.size(), command.options.size());
  }
}

TEST(CommandTable, CT2_TheReferenceInDocsIsTheTable) {
  const auto docs = std::filesystem::path(__FILE__).parent_path() / "../../docs/commands.md";
  std::ifstream file(docs);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_NE(text.str().find(render_command_reference()), std::string::npos)
      << "docs/commands.md is out of date; its reference must read:\n\n"
      << render_command_reference();
}

/// The refusal of an option's value, or the value.
template <class Read>
std::string read_or_refuse(const std::string& option, const std::string& text, const Read& read) {
  try {
    return read(ParsedCommand{"node", {}, {{option, {text}}}});
  } catch (const CommandError& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
}

TEST(CommandTable, AddressesAreTcpWithHostAndPort) {
  using Address = ParsedCommand::Address;
  const auto join = [](const ParsedCommand& parsed) { return parsed.address("join", "", Address::connect); };
  const auto listen = [](const ParsedCommand& parsed) { return parsed.address("listen", "", Address::listen); };
  for (const char* good : {"tcp://10.0.0.1:7700", "tcp://node-two:1", "tcp://[::1]:65535"}) {
    EXPECT_EQ(read_or_refuse("join", good, join), good);
    EXPECT_EQ(read_or_refuse("listen", good, listen), good);
  }
  EXPECT_EQ(read_or_refuse("listen", "tcp://0.0.0.0:*", listen), "tcp://0.0.0.0:*");
  for (const char* bad : {"foo", "10.0.0.1:7700", "tcp://10.0.0.1", "tcp://:7700", "tcp://a:0", "tcp://a:65536",
                          "tcp://a:7x", "ipc:///tmp/x", "tcp://a:*"}) {
    EXPECT_EQ(read_or_refuse("join", bad, join),
              std::string("--join ") + bad + " is not allowed: it takes tcp://HOST:PORT");
  }
  EXPECT_EQ(read_or_refuse("join", "", join), "--join '' is not allowed: it takes tcp://HOST:PORT");
}

TEST(CommandTable, NodeNamesHaveNoLettersThatActorNamesGiveAMeaning) {
  const auto name = [](const ParsedCommand& parsed) { return parsed.node_name("name", "host"); };
  for (const char* good : {"a", "node-2", "gpu_1.rack"}) EXPECT_EQ(read_or_refuse("name", good, name), good);
  for (const std::string& bad : {std::string("a/b"), std::string("a b"), std::string("ä"), std::string(65, 'x')}) {
    EXPECT_NE(read_or_refuse("name", bad, name).find("1 to 64 letters, digits"), std::string::npos) << bad;
  }
}

TEST(CommandTable, NumbersOutOfRangeNameOptionTextAndRange) {
  const auto refused = [](const std::string& text) -> std::string {
    const ParsedCommand parsed{"generate", {}, {{"count", {text}}}};
    try {
      return std::to_string(parsed.integer("count", 200, 1, 1000));
    } catch (const CommandError& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refused("17"), "17");
  for (const char* text : {"0", "1001", "many", "1.5", "7 ", "99999999999999999999"}) {
    EXPECT_EQ(refused(text), std::string("--count ") + text + " is not allowed: it takes an integer from 1 to 1000");
  }
  const ParsedCommand nan{"generate", {}, {{"temperature", {"nan"}}}};
  EXPECT_THROW((void)nan.number("temperature", 1, 0, 10), CommandError);
  EXPECT_EQ(nan.number("absent", 0.25, 0, 1), 0.25);
  EXPECT_EQ(ParsedCommand{}.argument(3, "otherwise"), "otherwise");
}

}  // namespace
}  // namespace troupe::console
