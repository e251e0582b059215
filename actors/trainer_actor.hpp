#pragma once

#include "actors/checkpoint_keeper.hpp"
#include "actors/fault_plan.hpp"
#include "actors/job_plan.hpp"
#include "actors/recovery/decision_log.hpp"
#include "actors/recovery/regrouping.hpp"
#include "actors/run_recorder.hpp"
#include "actors/stage_protocol.hpp"
#include "actors/step_tally.hpp"
#include "actors/trainer_protocol.hpp"
#include "gpt2/data/data_order.hpp"
#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/job_protocol.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

/// How a run ended.
struct TrainingEnd {
  enum class Kind { finished, stopped, failed } kind = Kind::failed;
  std::uint32_t step = 0;
  std::string text;  ///< why it stopped or failed
};

/// What a progress bar wants to know, after every step and every change of an actor.
struct TrainingProgress {
  std::uint32_t step = 0;
  std::uint32_t total_steps = 0;
  std::uint32_t epoch = 0;
  double loss = 0.0;
  double accuracy = 0.0;
  double tokens_per_second = 0.0;
  double seconds_left = 0.0;
  std::optional<double> validation_loss;
  std::string news;                    ///< a line to print once; empty = none
  std::map<std::string, bool> actors;  ///< name -> is it up
};

/// Callbacks out of the actor world; called from the trainer's turn, so they must be quick.
struct TrainingListener {
  std::function<void(const TrainingProgress&)> on_progress;
  std::function<void(const TrainingEnd&)> on_end;
};

/// What the trainer is made of.
struct TrainerParts {
  JobConfig job;
  JobPlan plan;
  gpt2::DataOrder order;  ///< for the ledger
  std::filesystem::path run_directory;
  FaultPlan faults;
  std::uint64_t job_number = 0;  ///< a trainer that returns to the same job goes on from its decisions
};

/// Drives the steps of a job: regroup, run to the next border, evaluate, save, and again. A step is decided here: on
/// the disk (commits.log) when every vote is in, before anybody applies it.
///
///   waiting --1--> regrouping --2--> running --3--> evaluating --4--> saving --5--> running ... --6--> ended
///      ^               |               |               |               |
///      +------ 7 ------+------ 7 ------+------ 7 ------+------ 7 ------+
///
/// 1 every actor is up: new epoch    2 all hold what they go on from (Regrouping): RunSteps to the next border
/// 3 border reached    4 validation summed    5 checkpoint published (or failed: training goes on)    6 last border
/// 7 an actor was lost
///
/// Thread-safety: single owner thread.
/// Ownership:     owns recorder, tally, decisions and checkpoint keeper.
/// Errors:        a loss or norm that is not finite twice, replicas that differ again, a file of the run folder or a
///                last checkpoint that cannot be written: the run ends as failed, with the reason. An actor that fails
///                to load, or answers nothing before the deadline, is killed: its restart, or the head's report after
///                too many, follows.
/// Restart:       a new trainer of the same job goes on from commits.log and from what the stages hold; one of a new
/// job
///                (train --resume) from the newest complete checkpoint and the files of the run folder.
///
/// TA-1  A step is committed when every vote is in, once.
/// TA-2  Votes from before all began from one step are ignored, and parts of validations of other epochs.
/// TA-3  After a loss the same steps are repeated with the same data; their metrics are compared with the first time.
/// TA-4  Nobody hears of a commit that is not durable; whoever votes again for a committed step hears it again.
/// TA-5  A border begins when every stage has reached it, also those that do a step again.
class TrainerActor final : public runtime::Actor {
public:
  TrainerActor(TrainerParts parts, TrainingListener listener);

  runtime::Behavior behavior() override;
  void on_start(runtime::Context& context) override;

private:
  enum class State { waiting, regrouping, running, evaluating, saving, ended };

  void all_up(const runtime::AllUp& message, runtime::Context& context);
  void actor_lost(const runtime::ActorLost& message, runtime::Context& context);
  void job_failed(const runtime::JobFailed& message, runtime::Context& context);
  void placement_waits(const runtime::PlacementWaits& message, runtime::Context& context);
  void stage_voted(const StepVote& message, runtime::Context& context);
  void server_voted(const ServerVote& message, runtime::Context& context);
  void async_applied(const AsyncApplied& message, runtime::Context& context);
  void evaluation_part(const EvaluationPart& message, runtime::Context& context);
  void stop_asked(const StopTraining& message, runtime::Context& context);
  void tell_losses(const TellLosses& message, runtime::Context& context);

  void replay_differs(const ReplayDiffers& message, runtime::Context& context);

  [[nodiscard]] Regrouping::Listener regrouping_listener();
  void go_on_from_decisions();
  void regroup(runtime::Context& context);
  [[nodiscard]] FoundCheckpoint find_checkpoint(runtime::Context& context);
  void whole(const Regrouping::Outcome& outcome, runtime::Context& context);
  void take_up(const Regrouping::Outcome& outcome, runtime::Context& context);
  void go_back(const Regrouping::Outcome& outcome, runtime::Context& context);
  void tell_recovery(const Regrouping::Outcome& outcome, runtime::Context& context);
  void run(const Regrouping::Outcome* outcome, runtime::Context& context);
  using Place = std::pair<std::uint32_t, std::uint32_t>;  // (replica, stage)
  void voted_again(const StepVote& message, runtime::Context& context);
  void tell_commit_again(const Place& place, runtime::Context& context);
  [[nodiscard]] bool is_sound(const StepResult& result, runtime::Context& context);
  void states_differ(std::uint32_t stage, const StepResult& result, runtime::Context& context);
  void name_culprits(const StepResult& result, runtime::Context& context);
  void run_to_next_border(runtime::Context& context);
  void commit_complete_steps(runtime::Context& context);
  void commit(const StepResult& result, runtime::Context& context);
  void at_border(runtime::Context& context);
  void evaluate(runtime::Context& context);
  void evaluated(runtime::Context& context);
  void save_or_go_on(runtime::Context& context);
  void saved(const SaveOutcome& outcome, runtime::Context& context);
  void go_on(runtime::Context& context);
  void give_up_on(const runtime::ActorId& actor, const std::string& why, runtime::Context& context);
  void end(TrainingEnd::Kind kind, const std::string& text, runtime::Context& context);

  void record(const StepResult& result, double learning_rate, runtime::Context& context);
  [[nodiscard]] LedgerLine ledger_line() const;
  /// Updates of the optimizer in the state of `step`.
  [[nodiscard]] std::uint64_t updates_at(std::uint32_t step) const;
  void at(FaultPoint point, runtime::Context& context) const;
  [[nodiscard]] bool is_poison(const runtime::ActorLost& message, runtime::Context& context);
  void tell(const std::string& news);
  void tell_event(const std::string& event, const std::string& fields, runtime::Context& context);
  [[nodiscard]] bool is_current(std::uint32_t epoch, State state) const { return epoch == epoch_ && state == state_; }
  [[nodiscard]] std::vector<std::string> stages() const;
  [[nodiscard]] std::vector<runtime::ActorId> parameter_owners() const;
  /// The incarnation that this epoch works with.
  [[nodiscard]] runtime::ActorId living(std::string_view name) const;

  const TrainerParts parts_;
  const TrainingListener listener_;
  RunRecorder recorder_;
  StepTally tally_;
  CheckpointKeeper checkpoints_;
  DecisionLog decisions_;
  Regrouping regrouping_;

  State state_ = State::waiting;
  std::uint32_t epoch_ = 0;  // of the membership
  std::uint32_t step_ = 0;   // committed steps
  std::uint32_t until_ = 0;  // end of the range being run
  Border border_;
  std::vector<runtime::ActorId> up_;                                    // in the order of the job's actors
  std::uint32_t since_ = 0;                                             // epoch in which all began from one step
  enum class BorderWork { none, due } border_work_ = BorderWork::none;  // due: step_ is a border that is not done
  enum class Returned { no, yes } returned_ = Returned::no;  // yes: another process may have done this border
  std::set<Place> behind_;                // stages that have not applied the last commit, and will vote for it again
  std::set<Place> voted_meanwhile_;       // those that voted for it while it was found out who is where
  std::optional<std::uint32_t> back_to_;  // where all have to go, until they are there
  std::optional<Commit> last_commit_told_;
  struct Loss {
    std::string actor;
    std::string what;  // who, and why
    enum class Told { no, yes } told = Told::no;
  };
  std::vector<Loss> lost_;                         // since when all were there
  std::map<std::string, runtime::Doing> crashes_;  // what each actor was doing when it last broke by itself
  std::optional<runtime::TimePoint> lost_at_;      // the first of them
  std::optional<std::uint32_t> repeated_step_;     // a step that was repeated since it came out wrong
  std::map<std::uint32_t, std::vector<std::string>> suspects_;  // digests by stage that differed between replicas
  std::map<std::uint32_t, MicroBatchLoss> validation_;          // by batch
  enum class Improved { no, yes } improved_ = Improved::no;
  std::string stop_reason_;  // not empty: stop at the next border
  std::optional<runtime::TimePoint> started_;
  runtime::TimePoint last_commit_{};
  std::optional<runtime::TimePoint> epoch_began_;  // empty when an earlier process began it
  std::uint32_t loaded_step_ = 0;
  std::uint64_t loaded_updates_ = 0;  // of the optimizer, in the state of loaded_step_
  TrainingProgress progress_;
};

}  // namespace troupe::actors
