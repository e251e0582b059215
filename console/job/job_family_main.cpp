#include "actors/actor_types.hpp"
#include "console/exit_codes.hpp"
#include "console/job/job_end.hpp"
#include "console/job_runner.hpp"
#include "console/worker_processes.hpp"
#include "runtime/clock.hpp"
#include "runtime/supervision/restart_policy.hpp"
#include "runtime/transport/shm_arena.hpp"
#include "scheduler/event_log.hpp"
#include "scheduler/forked_child.hpp"
#include "scheduler/state_folder.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// The process that a person started: it forks the head and the node agent, starts them again when they are killed, and
/// tells how the job ended. It has one thread, opens no socket and computes nothing.
namespace troupe::console {
namespace {

using actors::TrainingEnd;
using scheduler::Descriptor;
using scheduler::ProcessHandle;

// An agent takes 8 s at most, with workers that do not end by themselves.
constexpr std::chrono::seconds kAgentPatience{10};
constexpr std::string_view kLocalNode = "local";

std::uint64_t new_job_number() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number)
    throw std::runtime_error("the kernel gives no random number");
  return number | 1;  // 0 means "no job"
}

/// Ctrl-C and SIGTERM are read as they come: blocked here, and in every process that is forked from here.
Descriptor open_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal_number : {SIGINT, SIGTERM}) sigaddset(&signals, signal_number);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  Descriptor descriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!descriptor.is_open()) throw std::runtime_error(scheduler::system_failure("cannot wait for signals").text);
  return descriptor;
}

// ---- what a head tells at its end: a text in memory that both processes have
// -----------------------------------------

void write_outcome(int descriptor, const nlohmann::json& outcome) {
  const std::string text = outcome.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  (void)!pwrite(descriptor, text.data(), text.size(), 0);  // read as what it is: no outcome
}

/// In the head's process.
int be_head(const JobOptions& options, const Lead& lead) {
  try {
    const TrainingEnd end = lead_job(options, lead);
    write_outcome(scheduler::kKeptDescriptor,
                  {{"end", static_cast<int>(end.kind)}, {"step", end.step}, {"text", end.text}});
  } catch (const CommandError& error) {
    write_outcome(scheduler::kKeptDescriptor, {{"error", error.what()}, {"code", to_int(error.code())}});
  } catch (const std::exception& error) {
    write_outcome(scheduler::kKeptDescriptor, {{"error", error.what()}, {"code", to_int(ExitCode::failed)}});
  }
  return to_int(ExitCode::ok);
}

/// In the agent's process, whose standard error is its log.
int be_agent(const AgentSetup& setup) {
  try {
    return run_agent(setup);
  } catch (const std::exception& error) {
    std::cerr << "troupe: " << error.what() << "\n";
    return to_int(ExitCode::failed);
  }
}

/// Nothing when the head left none. Throws CommandError with the words of a head that could not lead.
std::optional<TrainingEnd> read_outcome(int descriptor) {
  std::string text(static_cast<std::size_t>(std::max<off_t>(lseek(descriptor, 0, SEEK_END), 0)), '\0');
  if (pread(descriptor, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return std::nullopt;
  const nlohmann::json outcome = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!outcome.is_object()) return std::nullopt;
  if (outcome.contains("error")) {
    throw CommandError(static_cast<ExitCode>(outcome["code"].get<int>()), outcome["error"].get<std::string>());
  }
  return TrainingEnd{static_cast<TrainingEnd::Kind>(outcome["end"].get<int>()), outcome["step"].get<std::uint32_t>(),
                     outcome["text"].get<std::string>()};
}

// ---- the processes
// ---------------------------------------------------------------------------------------------------

/// A process that is started again when it was killed.
struct Kin {
  std::string name;
  std::optional<ProcessHandle> running;
  std::uint32_t starts = 0;
  std::optional<runtime::TimePoint> start_at;  // when it does not run
  std::vector<runtime::TimePoint> failures;
};

/// The job's processes, from the first start to the last end.
class JobFamily final {
public:
  JobFamily(const JobOptions& options, Lead lead)
      : options_(options), lead_(std::move(lead)), outcome_(memfd_create("troupe-outcome", MFD_CLOEXEC)) {
    if (!outcome_.is_open()) throw std::runtime_error(scheduler::system_failure("cannot make memory").text);
  }
  ~JobFamily() {
    end(head_);
    if (agent_.running) stop_agent();
  }
  JobFamily(const JobFamily&) = delete;
  JobFamily& operator=(const JobFamily&) = delete;

  /// Returns when the head has, or cannot be helped any more. Throws what a head could not do at all.
  TrainingEnd run() {
    head_.start_at = clock_.now();
    if (options_.agent == JobOptions::Agent::embedded) agent_.start_at = clock_.now();
    while (!end_) {
      start_due();
      wait();
    }
    if (agent_.running) stop_agent();
    return *end_;
  }

private:
  void start_due();
  void start_head();
  void start_agent();
  void wait();
  void signalled();
  void head_ended();
  void agent_ended();
  void start_again(Kin& kin, const runtime::Failure& cause);
  void stop_agent();
  static void end(Kin& kin);
  [[nodiscard]] int milliseconds_to_next_start() const;

  const JobOptions& options_;
  Lead lead_;
  const Descriptor outcome_;
  const Descriptor signals_ = open_stop_signals();
  const runtime::SteadyClock clock_;
  const runtime::RestartLimits limits_;
  Kin head_{"the head", {}, 0, {}, {}};
  Kin agent_{"the node agent", {}, 0, {}, {}};
  std::vector<int> stops_;  // signals that asked for an end, in order
  std::optional<TrainingEnd> end_;
};

void JobFamily::start_due() {
  const runtime::TimePoint now = clock_.now();
  if (head_.start_at && now >= *head_.start_at) start_head();
  if (agent_.start_at && now >= *agent_.start_at) start_agent();
}

void JobFamily::start_head() {
  head_.start_at.reset();
  lead_.incarnation = ++head_.starts;
  if (ftruncate(outcome_.get(), 0) != 0)
    throw std::runtime_error(scheduler::system_failure("cannot clear memory").text);
  auto started =
      scheduler::fork_child({"troupe head", {}, outcome_.get(), [this] { return be_head(options_, lead_); }});
  if (!started) throw std::runtime_error(started.failure().text);
  head_.running = *started;
  // Blocked in it until it waits for them.
  for (const int signal_number : stops_) kill(head_.running->pid, signal_number);
}

void JobFamily::start_agent() {
  agent_.start_at.reset();
  AgentSetup setup;
  setup.name = kLocalNode;
  setup.incarnation = ++agent_.starts;
  setup.listen = "ipc://" + (lead_.sockets / ("node." + std::to_string(setup.incarnation))).string();
  setup.workers = "ipc://" + lead_.sockets.string();
  setup.head = local_head_endpoint(lead_.sockets);
  setup.job = lead_.job;
  setup.pages = options_.folder.status_pages();
  auto started =
      scheduler::fork_child({"troupe node", options_.folder.log("node"), -1, [setup] { return be_agent(setup); }});
  if (!started) throw std::runtime_error(started.failure().text);
  agent_.running = *started;
}

int JobFamily::milliseconds_to_next_start() const {
  std::optional<runtime::TimePoint> next = head_.start_at;
  if (agent_.start_at && (!next || *agent_.start_at < *next)) next = agent_.start_at;
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.now()).count();
  return static_cast<int>(std::max<decltype(left)>(left, 0));
}

void JobFamily::wait() {
  const auto descriptor_of = [](const Kin& kin) { return kin.running ? kin.running->descriptor : -1; };
  std::array<pollfd, 3> waits{pollfd{signals_.get(), POLLIN, 0}, pollfd{descriptor_of(head_), POLLIN, 0},
                              pollfd{descriptor_of(agent_), POLLIN, 0}};
  if (poll(waits.data(), waits.size(), milliseconds_to_next_start()) < 0 && errno != EINTR) {
    throw std::runtime_error(scheduler::system_failure("cannot wait").text);
  }
  if (waits[0].revents != 0) signalled();
  if (waits[1].revents != 0) head_ended();
  if (waits[2].revents != 0 && !end_) agent_ended();
}

void JobFamily::signalled() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    stops_.push_back(static_cast<int>(info.ssi_signo));
    if (stops_.size() > 2) {
      // The head has not ended after the second, which it obeys at once unless it is stopped itself.
      end_ = TrainingEnd{TrainingEnd::Kind::stopped, 0,
                         "a third signal: killed, what came after the newest complete checkpoint is lost"};
      return end(head_);
    }
    if (head_.running) kill(head_.running->pid, stops_.back());
  }
}

void JobFamily::head_ended() {
  const runtime::Failure cause = scheduler::reap_process(*std::exchange(head_.running, std::nullopt), 0);
  end_ = read_outcome(outcome_.get());
  if (end_) return;
  // No other process writes to the file now.
  warn_if_failing([this, &cause] {
    scheduler::EventLog(options_.folder.events(), clock_)
        .record("head_down", {{"incarnation", head_.starts}, {"cause", cause.text}});
  });
  start_again(head_, cause);
}

void JobFamily::agent_ended() {
  start_again(agent_, scheduler::reap_process(*std::exchange(agent_.running, std::nullopt), 0));
}

void JobFamily::start_again(Kin& kin, const runtime::Failure& cause) {
  const runtime::TimePoint now = clock_.now();
  kin.failures.push_back(now);
  const runtime::RestartDecision decision = runtime::decide_restart(kin.failures, now, limits_);
  const std::string what = kin.name + " is down: " + cause.text;
  if (!decision.restart_after) {
    end_ = TrainingEnd{TrainingEnd::Kind::failed, 0, what + "; " + decision.reason};
    return end(head_);
  }
  // Over the head's progress line, which is on a terminal.
  std::cerr << (isatty(STDERR_FILENO) != 0 ? "\r\x1b[K" : "") << what << "; it is started again\n";
  kin.start_at = now + *decision.restart_after;
}

/// In good order, with all that it has started.
void JobFamily::stop_agent() {
  kill(agent_.running->pid, SIGTERM);
  pollfd ended{agent_.running->descriptor, POLLIN, 0};
  const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kAgentPatience);
  while (poll(&ended, 1, static_cast<int>(patience.count())) < 0 && errno == EINTR) {
  }
  end(agent_);
}

void JobFamily::end(Kin& kin) {
  if (!kin.running) return;
  kill(kin.running->pid, SIGKILL);
  (void)scheduler::reap_process(*std::exchange(kin.running, std::nullopt), 0);
}

}  // namespace

int run_job(const JobOptions& options) {
  // Until something runs that wants an end of its own, a stop signal simply ends the process.
  actors::JobPlan plan = actors::plan_job(options.job);
  const gpt2::DataOrder order(plan.training_samples(), options.job.data.seed);
  const std::filesystem::path memory = runtime::shared_memory_directory();
  runtime::sweep_all_arenas(memory);  // what runs that were cut off have left
  std::filesystem::remove(options.folder.head_log());
  TrainingEnd end;
  const std::uint64_t job = new_job_number();
  {
    const SocketFolder sockets;
    JobFamily family(options, {std::move(plan), order, job, sockets.path(), 0});
    end = family.run();
  }
  runtime::sweep_arenas(memory, job);
  scheduler::sweep_state_folders(memory);
  const runtime::SteadyClock clock;
  scheduler::EventLog events(options.folder.events(), clock);
  record_end(options, end, read_head_info(options.folder).value_or(HeadInfo{}), events);
  return tell_end(options, end);
}

}  // namespace troupe::console
