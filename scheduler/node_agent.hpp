#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/watch.hpp"
#include "scheduler/process_care.hpp"
#include "scheduler/process_watch.hpp"
#include "scheduler/scheduler_protocol.hpp"
#include "scheduler/state_folder.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// How a worker process of this node is started: the program and where its endpoint is.
struct NodeAgentOptions {
  std::string node;               ///< this node's name
  std::uint32_t slots = 0;        ///< actors it may hold; 0 = any number
  std::filesystem::path program;  ///< started as "<program> worker", with the job on standard input
  ForkServer* server = nullptr;   ///< forks workers instead, if there is one; outlives the agent
  std::string listen;             ///< where workers listen: "ipc:///dir" (one socket a worker) or "tcp://host"
  std::uint64_t arena_job = 0;    ///< shared-memory segments of this job are swept after a death
  runtime::Duration grace = std::chrono::seconds(3);  ///< between SIGTERM and SIGKILL
  HangLimits hangs;                                   ///< when an actor that gets no further is killed
  runtime::Duration lease = kHeadLease;               ///< so long what runs goes on without a head
};

/// The incarnation of a node's agent that starts at `now`, in tenths of a second since 2025: it grows over restarts,
/// also on a machine that keeps no state, and fits until 2038.
///
/// NI-1  Of two agents of a node that start kNodeIncarnationTick or more apart, the later has the higher incarnation.
[[nodiscard]] std::uint32_t node_incarnation(std::chrono::system_clock::time_point now);
inline constexpr std::chrono::milliseconds kNodeIncarnationTick{100};

/// An agent's process ended; told by the watching thread to the agent itself.
struct ProcessEnded {
  static constexpr std::string_view kName = "agent.process_ended";
  std::int64_t process = 0;
  runtime::Failure cause;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(process, cause);
  }
};

struct AgentTick {
  static constexpr std::string_view kName = "agent.tick";
  template <class Archive>
  void serialize(Archive&) {}
};

/// The head's hand on a node: registers, beats, starts actor processes, sees them die, reports why.
///
/// Thread-safety: single owner thread; the process watch reports by message.
/// Ownership:     owns the processes it started; they die with this process.
/// Errors:        a process that cannot be started is a failed reply; a head to which the link is lost, or that does
/// not
///                know this node, is registered with anew, with what runs. When there is none for longer than the
///                lease, or it ended in good order or failed, all processes end.
/// Restart:       a restarted agent holds no processes; the head places them anew.
///
/// NA-1  The head hears of every ended process exactly once, with exception text when the actor left one, else exit
///       status or signal.
/// NA-2  Without a head nothing runs on for longer than the lease.
/// NA-3  An agent that registers names every process it holds, and what ended unreported; what the head does not adopt
///       is killed before the agent takes another order.
/// NA-4  An actor that hangs, or whose process a signal has stopped for long, is killed, and the head hears why.
/// NA-5  Every process that ends while its job runs leaves a post-mortem in the run folder, of which an event tells.
class NodeAgent final : public runtime::Actor {
public:
  /// Removes what a dead process left behind (shared memory, sockets).
  using Sweep = std::function<void()>;

  NodeAgent(NodeAgentOptions options, runtime::Node& node, Sweep sweep);

  runtime::Behavior behavior() override;
  void on_start(runtime::Context& context) override;
  void on_stop(runtime::Context& context) override;

private:
  struct Running {
    runtime::ActorId actor;
    std::filesystem::path run_directory;
    std::uint32_t term = 0;
    enum class Offer { unknown, made } offer = Offer::unknown;  // whether the head was asked to adopt it
  };

  void spawn(const SpawnActor& message, runtime::Context& context);
  void kill_process(const KillProcess& message, runtime::Context& context);
  void join_again(const JoinAgain& message, runtime::Context& context);
  void stop_all(const StopAll& message, runtime::Context& context);
  void process_ended(const ProcessEnded& message, runtime::Context& context);
  void tick(const AgentTick& message, runtime::Context& context);
  void someone_down(const runtime::ActorDown& message, runtime::Context& context);

  [[nodiscard]] std::string state_folder(const std::string& run_directory);
  void register_with_head(runtime::Context& context);
  void registered(const Registered& answer, runtime::Context& context);
  void seek_head(runtime::Context& context);
  void leave_head(runtime::Context& context);
  void signal_all(int signal_number);
  void bury(pid_t process, const ActorExited& report, runtime::Context& context);
  void answer_stops(runtime::Context& context);

  const NodeAgentOptions options_;
  const Sweep sweep_;
  std::map<pid_t, Running> running_;
  std::string run_;                      // whose states_ are
  std::unique_ptr<StateFolder> states_;  // none: no actor was started, or there is no room
  ProcessCare care_;
  std::vector<runtime::ReplyTo> stops_;        // StopAll requests waiting for the last process
  std::optional<runtime::TimePoint> kill_at_;  // when SIGTERM was not enough
  std::optional<runtime::TimePoint> lease_;    // what runs may go on until then, though no head is joined
  std::vector<ActorExited> unreported_;        // ended while no head was joined
  enum class Link { searching, asked, joined } link_ = Link::searching;
  enum class Job { running, ended } job_ = Job::running;  // of the head that was joined last
  std::string register_failure_;                          // why the last registration failed, told once
  runtime::TimePoint last_beat_{};
  runtime::Duration beat_every_ = std::chrono::milliseconds(500);
  std::unique_ptr<ProcessWatch> watch_;  // last: its thread calls back until it is destroyed
};

}  // namespace troupe::scheduler
