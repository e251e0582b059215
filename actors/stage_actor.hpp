#pragma once

#include "actors/collective/collective.hpp"
#include "actors/fault_plan.hpp"
#include "actors/job_plan.hpp"
#include "actors/recovery/recovery_protocol.hpp"
#include "actors/recovery/sent_log.hpp"
#include "actors/recovery/snapshot_file.hpp"
#include "actors/stage_inbox.hpp"
#include "actors/stage_protocol.hpp"
#include "actors/trainer_protocol.hpp"
#include "gpt2/schedule.hpp"
#include "runtime/actor.hpp"
#include "runtime/context.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

class StageModel;

/// Which stage of which replica, of which job.
struct StageRole {
  JobConfig job;
  std::uint32_t replica = 0;
  std::uint32_t stage = 0;
  std::filesystem::path memory = {};  ///< the node's folder for states that outlive processes; empty = none is kept
};

/// One stage of one replica: forward and backward by the schedule, gradients summed over the replicas, the update once
/// the trainer commits.
///
///   idle --1--> computing --2--> reducing --3--> tying --4--> voted --5--> idle or computing
///                                                  (with a parameter server: computing --2--> pushed --6--> ...)
///
///   1 RunSteps, or the step after a commit      2 the schedule's last action    3 summed over replicas
///   4 the other end of the tied weight sent its part (at once when there is none)
///   5 Commit: optimizer applied                 6 FreshWeights copied
///
/// Thread-safety: single owner thread, pinned (LibTorch keeps thread-local state).
/// Ownership:     owns its slice of the model, the optimizer's moments and the messages waiting.
/// Errors:        throws when the model or a checkpoint is unfit; the process ends and is started again.
/// Restart:       comes back empty, waits for LoadState; its state of one of the last two steps lies in its node's
/// memory
///                (SnapshotFile), and what it had received is in the logs of those who sent it (SentLog).
///
/// SG-1  Messages are picked by (step, micro-batch, kind) in the schedule's order, whatever the order of arrival.
/// SG-2  Decisions of older epochs change nothing, nor do messages from before all began from one step, nor those that
///       come again.
/// SG-3  The optimizer runs only after Commit for exactly that (epoch, step).
/// SG-4  Evaluation happens only between steps, with the weights of the border it was asked for: those that a
/// checkpoint
///       of that border holds, also where replicas train out of step.
/// SG-5  A vote for a step says that the state before it is sealed in the node's memory (where there is one).
/// SG-6  A restarted stage sends, for a step that it computes again, the same messages as before.
class StageActor final : public runtime::Actor {
public:
  StageActor(StageRole role, FaultPlan faults);
  ~StageActor() override;

  runtime::Behavior behavior() override;

private:
  enum class State { idle, computing, reducing, tying, voted, pushed };

  void load(const LoadState& message, runtime::Context& context);
  void run(const RunSteps& message, runtime::Context& context);
  void inputs(const BatchInputs& message, runtime::Context& context);
  void targets(const BatchTargets& message, runtime::Context& context);
  void activations(const ForwardActivations& message, runtime::Context& context);
  void gradients(const BackwardGradients& message, runtime::Context& context);
  void slice_sums(const SliceSums& message, runtime::Context& context);
  void slice_total(const SliceTotal& message, runtime::Context& context);
  void gather_offer(const GatherOffer& message, runtime::Context& context);
  void communicator_id(const CommunicatorId& message, runtime::Context& context);
  void communicator_entered(const CommunicatorEntered& message, runtime::Context& context);
  void poll_collective(const PollCollective& message, runtime::Context& context);
  void tied_gradient(const TiedGradient& message, runtime::Context& context);
  void commit(const Commit& message, runtime::Context& context);
  void fresh_weights(const FreshWeights& message, runtime::Context& context);
  void border_weights(const BorderWeights& message, runtime::Context& context);
  void save(const SaveShard& message, runtime::Context& context);
  void regroup(const Regroup& message, runtime::Context& context);
  void resume(const Resume& message, runtime::Context& context);
  void lend_state(const LendState& message, runtime::Context& context);
  void go_on(const Continue& message, runtime::Context& context);

  [[nodiscard]] std::string restore(const LoadState& message);
  struct Loan;
  void borrow_state(const LoadState& message, runtime::Context& context);
  void borrow_part(std::uint32_t part, std::shared_ptr<Loan> loan, runtime::Context& context);
  [[nodiscard]] StateLoaded begin_at(const LoadState& message, runtime::Context& context);
  void open_snapshots();
  void know(const std::vector<std::uint32_t>& incarnations);
  void tell_differences(runtime::Context& context);
  void begin_step(runtime::Context& context);
  void end_step(std::uint32_t until, runtime::Context& context);
  void advance(runtime::Context& context);
  [[nodiscard]] bool do_forward(std::uint32_t micro_batch, runtime::Context& context);
  [[nodiscard]] bool do_backward(std::uint32_t micro_batch, runtime::Context& context);
  void evaluate_ready(runtime::Context& context);
  void reduce(runtime::Context& context);
  void push(runtime::Context& context);
  void tie(runtime::Context& context);
  void vote(runtime::Context& context);
  void enter(runtime::Phase phase, std::uint32_t micro_batch, runtime::Context& context);
  void at(FaultPoint point, std::uint32_t step, runtime::Context& context) const;
  void seal_state(runtime::Context& context);
  [[nodiscard]] bool is_first() const { return role_.stage == 0; }
  [[nodiscard]] bool is_last() const { return role_.stage + 1 == role_.job.layout.stages; }

  const StageRole role_;
  const FaultPlan faults_;
  const std::vector<gpt2::Action> schedule_;
  const std::unique_ptr<StageModel> model_;
  SentLog sent_;
  const std::unique_ptr<Collective> collective_;
  std::unique_ptr<SnapshotFile> snapshots_;  // none: the node has no room, or the job wants none
  std::string digest_;                       // of the state at step_, when it was sealed
  enum class Holds { nothing, state } holds_ = Holds::nothing;
  StageReport::Inputs inputs_ = StageReport::Inputs::missing;  // since it began at a step, until it is told to run

  StageInbox inbox_;
  State state_ = State::idle;
  std::uint32_t step_ = 0;
  std::uint32_t until_ = 0;
  std::optional<RunSteps> next_run_;  // from a border not reached yet: weights may be slower than the trainer's word
  std::size_t next_action_ = 0;
  std::vector<MicroBatchLoss> losses_;
  std::map<std::uint32_t, TensorBytes> tied_;  // by step: the other end's part
  std::uint64_t weights_version_ = 0;
  std::optional<std::uint32_t> border_;  // ps_async: the border whose BorderWeights came last
  runtime::Duration busy_{0};
  FaultPlan::Incarnations incarnations_;
  FaultDuty damage_ = FaultDuty::none;  // what a fault on purpose wants done to this step's gradient
  enum class Replay { none, first_action } replay_ = Replay::none;
};

}  // namespace troupe::actors
