#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/supervision/restart_policy.hpp"
#include "runtime/watch.hpp"
#include "scheduler/actor_record.hpp"
#include "scheduler/event_log.hpp"
#include "scheduler/failure_detector.hpp"
#include "scheduler/placement.hpp"
#include "scheduler/scheduler_protocol.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// A job as the head sees it: names of actors, and text it hands through unread.
struct JobSpec {
  std::uint64_t job = 0;
  std::uint32_t term = 1;           ///< this head's own number: a head before or after it has another
  std::vector<std::string> actors;  ///< in the order in which they are started
  std::string driver;               ///< local actor that hears AllUp, ActorLost, JobFailed
  std::uint32_t nodes_wanted = 1;   ///< placement begins when so many have joined
  std::filesystem::path run_directory;
  std::string job_text;
  runtime::RestartLimits limits;
};

struct HeadTick {
  static constexpr std::string_view kName = "head.tick";
  template <class Archive>
  void serialize(Archive&) {}
};

/// Places the job's actors on nodes, hears of their deaths, starts them again, or gives up with one root-cause block.
/// The decisions are pure functions (placement, restart_policy, failure_detector); this applies them.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the records; borrows the event log.
/// Errors:        a node that cannot start an actor counts as a failure of that actor; a node that was given up as lost
///                and beats again is told to end what it runs and to register anew.
/// Restart:       its records are lost; a new head is a new job from the newest checkpoint.
///
/// HD-1  Incarnations are minted here alone and never reused.
/// HD-2  An actor whose restarts exceed the limits ends the job with one report that names the first cause.
/// HD-3  The driver hears AllUp after every change, and only when every actor is up and every process knows where the
///       others live: what an actor then sends finds its way.
/// HD-4  The driver hears of a death before any request of its own to the dead actor fails by it.
/// HD-5  What is said of or by the processes of another head changes nothing: their incarnations are not this head's.
/// HD-6  When two processes that live have lost their link, one of them is ended, so that nobody waits for what was
/// lost:
///       the one that is reported, and of two that report each other the one reported first.
class HeadActor final : public runtime::Actor {
public:
  HeadActor(JobSpec spec, EventLog& events);

  runtime::Behavior behavior() override;
  void on_start(runtime::Context& context) override;

private:
  struct NodeRow {
    runtime::DirectoryEntry agent;
    std::uint32_t slots = 0;
  };
  struct Pending {  // when something has to be looked at again
    runtime::TimePoint restart_at{};
    runtime::TimePoint ready_by{};
    enum class Ear { hears, deaf } ear = Ear::hears;  // deaf: it did not confirm an update, and is being killed
    runtime::TimePoint kill_at{};                     // when blame was given, and the process has not ended by itself
    std::optional<PeerLost> blame;                    // the first report that this incarnation cannot be reached
  };

  void register_node(const RegisterNode& message, runtime::Context& context);
  void heartbeat(const NodeHeartbeat& message, runtime::Context& context);
  void worker_ready(const WorkerReady& message, runtime::Context& context);
  void actor_exited(const ActorExited& message, runtime::Context& context);
  [[nodiscard]] std::string why_not_known(const std::string& name) const;
  void kill_actor(const KillActor& message, runtime::Context& context);
  void end_job(const EndJob& message, runtime::Context& context);
  void record_event(const RecordEvent& message, runtime::Context& context);
  void peer_lost(const PeerLost& message, runtime::Context& context);
  void tick(const HeadTick& message, runtime::Context& context);

  void place_waiting(runtime::Context& context);
  void tell_waiting(const std::string& why, runtime::Context& context);
  void start_actor(ActorRecord& record, const std::string& node, runtime::Context& context);
  void lost(ActorRecord& record, const runtime::Failure& cause, runtime::Context& context);
  void kill_blamed(const ActorRecord& record, Pending& pending, runtime::Context& context);
  void lose_node(const std::string& node, const runtime::Failure& cause, runtime::Context& context);
  void fail_job(const ActorRecord& culprit, const std::string& reason, runtime::Context& context);
  void tell_members(const DirectoryUpdate& update, runtime::Context& context);
  void member_told(const runtime::ActorId& actor, const runtime::Result<Ack>& answer, runtime::Context& context);
  void tell_driver_if_whole(runtime::Context& context);
  [[nodiscard]] std::vector<NodeCapacity> capacities() const;
  [[nodiscard]] ActorRecord* find(const runtime::ActorId& actor);

  const JobSpec spec_;
  EventLog& events_;
  std::map<std::string, NodeRow> nodes_;
  std::vector<ActorRecord> records_;
  std::map<std::string, Pending> pending_;                    // by actor name
  std::map<std::string, runtime::DirectoryEntry> members_;    // by actor name
  std::size_t unconfirmed_ = 0;                               // directory updates not yet answered
  enum class Change { told, untold } change_ = Change::told;  // whether the driver heard AllUp since the last start
  FailureDetector detector_;
  runtime::TimePoint last_tick_{};
  runtime::TimePoint waiting_since_{};  // actors have had no place since then
  std::string waiting_told_;            // the reason last told
  enum class Job { running, failed, ending } job_ = Job::running;
};

}  // namespace troupe::scheduler
