#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/supervision/restart_policy.hpp"
#include "runtime/watch.hpp"
#include "scheduler/actor_record.hpp"
#include "scheduler/event_log.hpp"
#include "scheduler/failure_detector.hpp"
#include "scheduler/head_log.hpp"
#include "scheduler/placement.hpp"
#include "scheduler/scheduler_protocol.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// A job as the head sees it: names of actors, and text it hands through unread.
struct JobSpec {
  std::uint64_t job = 0;
  std::uint32_t term = 1;           ///< of this job's processes: what is said of those of another is not heard
  std::vector<std::string> actors;  ///< in the order in which they are started
  std::string driver;               ///< actor beside the head, of its incarnation: hears AllUp, ActorLost, JobFailed
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

/// How often a node tells the head that it lives.
inline constexpr runtime::Duration kNodeHeartbeat = std::chrono::milliseconds(300);

/// So long a head that has returned waits for a node that the one before it knew. Longer than the lease, counted from
/// a later moment: when it gives up an actor, that one has ended.
inline constexpr std::chrono::seconds kReturnPatience{12};

/// Places the job's actors on nodes, hears of their deaths, starts them again, or gives up with one root-cause block.
/// The decisions are pure functions (placement, restart_policy, failure_detector); this applies them.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the records; borrows the event log and the head log.
/// Errors:        a node that cannot start an actor counts as a failure of that actor; a node that was given up as lost
///                and beats again is told to register anew; a head log that cannot be written is a failure of the head.
/// Restart:       the next head, of a higher incarnation, reads the log, and adopts what still runs as it was.
///
/// HD-1  Incarnations are minted here alone, written down before they are used, and never reused, also not by a head
///       that follows.
/// HD-2  An actor whose restarts exceed the limits ends the job with one report that names the first cause.
/// HD-3  The driver hears AllUp after every change, and only when every actor is up and every process knows where the
///       others live: what an actor then sends finds its way.
/// HD-4  The driver hears of a death before any request of its own to the dead actor fails by it.
/// HD-5  What is said of or by the processes of another head changes nothing: their incarnations are not this head's.
/// HD-6  When two processes that live have lost their link, one of them is ended, so that nobody waits for what was
///       lost: the one that is reported, and of two that report each other the one reported first.
/// HD-7  A head that returns adopts the actors that its nodes still hold, as they are: nobody who lives is started
///       again. Who is missing has died, and who is not known ends. The driver hears AllUp when that is settled.
class HeadActor final : public runtime::Actor {
public:
  /// `log` outlives it, and says what the heads before it have done.
  HeadActor(JobSpec spec, EventLog& events, HeadLog& log);

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

  struct Telling {  // an update that a member has not confirmed
    runtime::ActorId actor;
    std::shared_ptr<const DirectoryUpdate> update;
    runtime::TimePoint until;                                 // when it is deaf
    runtime::TimePoint at;                                    // when it is told again
    runtime::Duration wait = std::chrono::milliseconds(300);  // of the next try; each waits twice as long
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
  void who_leads(const WhoLeads& message, runtime::Context& context);
  void tick(const HeadTick& message, runtime::Context& context);

  // After a return: what the head before has left.
  void recall(runtime::Context& context);
  void recall(const HeadRecord& before);
  [[nodiscard]] std::vector<runtime::ActorId> adopt(const RegisterNode& message, const std::string& why_missing,
                                                    runtime::Context& context);
  void give_up_awaited(runtime::Context& context);
  [[nodiscard]] runtime::DirectoryEntry head_entry(runtime::Context& context) const;
  [[nodiscard]] runtime::DirectoryEntry driver_entry(runtime::Context& context) const;
  [[nodiscard]] DirectoryUpdate everybody(runtime::Context& context) const;

  void place_waiting(runtime::Context& context);
  void tell_waiting(const std::string& why, runtime::Context& context);
  void start_actor(ActorRecord& record, const std::string& node, runtime::Context& context);
  void lost(ActorRecord& record, const runtime::Failure& cause, runtime::Context& context,
            const runtime::Doing& doing = {});
  void kill_blamed(const ActorRecord& record, Pending& pending, runtime::Context& context);
  void lose_node(const std::string& node, const runtime::Failure& cause, runtime::Context& context);
  void fail_job(const ActorRecord& culprit, const std::string& reason, runtime::Context& context);
  void tell_members(const DirectoryUpdate& update, runtime::Context& context);
  void tell_member(const Telling& telling, runtime::Context& context);
  void member_answered(Telling telling, const runtime::Result<Ack>& answer, runtime::Context& context);
  void tell_again(runtime::Context& context);
  void tell_driver_if_whole(runtime::Context& context);
  [[nodiscard]] std::vector<NodeCapacity> capacities() const;
  [[nodiscard]] ActorRecord* find(const runtime::ActorId& actor);

  const JobSpec spec_;
  EventLog& events_;
  HeadLog& log_;
  std::map<std::string, NodeRow> nodes_;
  std::set<std::string> awaited_;       // nodes of the head before, that have not registered with this one yet
  runtime::TimePoint awaited_until_{};  // when they are given up
  std::vector<ActorRecord> records_;
  std::map<std::string, Pending> pending_;                    // by actor name
  std::map<std::string, runtime::DirectoryEntry> members_;    // by actor name
  std::size_t unconfirmed_ = 0;                               // directory updates not yet answered
  std::vector<Telling> untold_;                               // of those: no answer to the last try
  enum class Change { told, untold } change_ = Change::told;  // whether the driver heard AllUp since the last start
  FailureDetector detector_;
  runtime::TimePoint last_tick_{};
  runtime::TimePoint waiting_since_{};  // actors have had no place since then
  std::string waiting_told_;            // the reason last told
  enum class Job { running, failed, ending } job_ = Job::running;
};

}  // namespace troupe::scheduler
