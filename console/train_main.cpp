#include "actors/actor_types.hpp"
#include "actors/device_check.hpp"
#include "actors/fault_plan.hpp"
#include "actors/machine_memory.hpp"
#include "console/commands.hpp"
#include "console/job/job_end.hpp"
#include "console/job_key.hpp"
#include "console/job_runner.hpp"
#include "console/resume.hpp"
#include "console/view/selection.hpp"
#include "gpt2/store/storage.hpp"
#include "runtime/clock.hpp"
#include "runtime/job_protocol.hpp"
#include "runtime/node.hpp"
#include "runtime/observe/log.hpp"
#include "runtime/transport/zmq_transport.hpp"
#include "scheduler/child_process.hpp"
#include "scheduler/descriptor.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <utility>

/// train, head and kill.
namespace troupe::console {
namespace {

constexpr runtime::Duration kKillDeadline = std::chrono::seconds(3);

void write_config(const RunFolder& folder, const actors::JobConfig& job) {
  if (const std::string error = gpt2::replace_file(folder.config(), actors::render_job_config(job)); !error.empty()) {
    throw std::runtime_error(error);
  }
}

JobOptions job_options(const ParsedCommand& command) {
  const bool resume = command.has("resume");
  std::vector<std::string> overrides(command.positional.begin() + (command.positional.empty() ? 0 : 1),
                                     command.positional.end());
  std::string config = command.argument(0);
  if (resume && config.find('=') != std::string::npos) {
    overrides.insert(overrides.begin(), config);
    config.clear();
  } else if (config.find('=') != std::string::npos && !std::filesystem::exists(config)) {
    throw CommandError(ExitCode::usage, "a job file is missing before " + config + ": troupe " + command.command +
                                            " CONFIG.toml " + config);
  }
  JobOptions options;
  if (config.empty()) {
    if (!resume)
      throw CommandError(ExitCode::usage, "a job file is missing: troupe " + command.command + " CONFIG.toml");
    config = find_run_folder(command.get("run-dir")).config().string();
  }
  options.job = actors::load_job_config(config, overrides);
  options.faults = command.all("inject");
  for (const std::string& fault : options.faults) {
    const auto rule = actors::parse_fault_rule(fault);
    if (!rule) throw CommandError(ExitCode::usage, rule.failure().text);
  }
  if (command.has("quiet")) options.talk = JobOptions::Talk::quiet;
  if (command.wants_json()) options.output = JobOptions::Output::json;
  return options;
}

int tell_nothing_to_do(const JobOptions& options, const Resumption& found) {
  std::cerr << "nothing left to do: the run is at step " << found.step << ", and the job ends at step "
            << found.total_steps << "; for more: train.steps=N\n";
  const actors::TrainingEnd end{actors::TrainingEnd::Kind::finished, found.step, ""};
  // A head that was killed after its last checkpoint could not say so.
  const runtime::SteadyClock clock;
  scheduler::EventLog events(options.folder.events(), clock);
  const auto head = read_head_info(options.folder);
  if (head && head->state == "running") record_end(options, end, *head, events);
  return tell_end(options, end);
}

/// Looks at the job's devices, in a process that ends with it: what libraries start there (threads, the state of a GPU)
/// must not be in this one, of which the job's processes are forks. The exit status; what is wrong has been said.
int check_apart(const JobOptions& options) {
  std::cout.flush();
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error(scheduler::system_failure("cannot fork").text);
  if (child == 0) {
    actors::check_job(options.job, options.faults);  // what it throws ends this process as it would end the command
    _exit(to_int(ExitCode::ok));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  throw std::runtime_error(scheduler::describe_exit(status, 0).within("looking at the job").text);
}

int run(const ParsedCommand& command, JobOptions options) {
  // Everything that can be wrong with the job is said before a folder is made for it.
  if (const int status = check_apart(options); status != to_int(ExitCode::ok)) return status;
  // A head over several machines computes nothing itself.
  if (options.agent == JobOptions::Agent::embedded) {
    actors::check_machine_memory(options.job, actors::machine_memory());
    // Whoever reads the run folder later, eval or --resume, may stand in another folder. (A head over several machines
    // leaves the path as it is: each node counts it from its own working directory.)
    options.job.data.path = std::filesystem::absolute(options.job.data.path).lexically_normal();
  }
  const std::string wanted = command.get("run-dir");
  options.folder = command.has("resume") ? find_run_folder(wanted) : make_run_folder(wanted);
  // By its own name: runs/latest is another run's as soon as one is started.
  options.folder.root = std::filesystem::canonical(options.folder.root);
  const RunLock leading(options.folder);
  if (command.has("resume")) {
    // Before the job's config takes the place of the run's own.
    const Resumption resumption = prepare_resume(options);
    if (resumption.step >= resumption.total_steps) return tell_nothing_to_do(options, resumption);
  }
  write_config(options.folder, options.job);
  // Here, and not where the job is led: a head that takes the place of a dead one inherits when the faults began.
  actors::set_fault_environment(options.faults, options.folder.root);
  return run_job(options);
}

/// One actor, whom the head knows best, or those of a group.
std::vector<std::string> names_to_kill(const RunFolder& folder, const std::string& text) {
  if (!is_group_text(text)) return {text};
  std::vector<std::string> names;
  for (const ActorView& each : select_actors(only_job_actors(look_at_run(folder)), text)) names.push_back(each.name);
  return names;
}

}  // namespace

int run_train(const ParsedCommand& command) {
  return run(command, job_options(command));
}

int run_head(const ParsedCommand& command) {
  JobOptions options = job_options(command);
  use_key(command, MissingKey::make);
  options.listen = command.address("listen", "tcp://127.0.0.1:7700", ParsedCommand::Address::listen);
  options.key = key_file();
  warn_when_open(options.listen);
  options.nodes_wanted = static_cast<std::uint32_t>(command.integer("nodes", 1, 1, 10'000));
  options.agent = JobOptions::Agent::remote;
  return run(command, options);
}

int run_kill(const ParsedCommand& command) {
  runtime::log_to_stderr("off");  // the answer says it all
  const RunFolder folder = find_run_folder(command.get("run-dir"));
  const std::optional<HeadInfo> head = read_head_info(folder);
  if (!head || !is_run_alive(folder)) {
    throw CommandError(ExitCode::unreachable, "no head leads the run in " + folder.root.string() + ": nothing to kill");
  }
  const std::vector<std::string> names = names_to_kill(folder, command.argument(0));
  const SocketFolder sockets;
  runtime::ZmqTransportOptions transport;
  transport.listen =
      head->endpoint.starts_with("tcp://") ? "tcp://127.0.0.1:*" : "ipc://" + (sockets.path() / "console").string();
  if (!head->key.empty() && key_file().empty()) ::setenv("TROUPE_KEY", head->key.c_str(), 1);
  transport.key = key_for(transport.listen);
  transport.node_name = "console";
  transport.job = head->job;
  transport.incarnation = static_cast<std::uint32_t>(getpid());
  runtime::Node node({.name = "console"}, runtime::make_threaded_parts(1, runtime::make_zmq_transport(transport)));
  const auto started = node.start();
  if (!started) throw CommandError(ExitCode::unreachable, started.failure().describe());
  node.announce({{std::string(runtime::kHeadName), runtime::kHeadIncarnation}, head->endpoint});
  std::optional<runtime::Failure> failure;
  for (const std::string& name : names) {
    const auto answer = node.request<runtime::Ack>(runtime::kHeadName, runtime::KillActor{name}, kKillDeadline);
    if (answer) {
      std::cerr << "killed " << name << "\n";
    } else if (!failure) {
      failure = answer.failure();
    }
  }
  node.shutdown(kKillDeadline);
  if (!failure) return to_int(ExitCode::ok);
  const bool unknown = failure->kind == runtime::FailureKind::unknown;
  throw CommandError(unknown ? ExitCode::not_found : ExitCode::unreachable, failure->text);
}

}  // namespace troupe::console
