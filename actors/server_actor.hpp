#pragma once

#include "actors/config/job_config.hpp"
#include "actors/fault_plan.hpp"
#include "actors/server_protocol.hpp"
#include "actors/stage_model.hpp"
#include "actors/stage_protocol.hpp"
#include "runtime/actor.hpp"
#include "runtime/context.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

/// The parameter server: holds the master weights and the optimizer of every stage; workers push gradients and get
/// weights.
///
/// ps_sync: waits for all pushes of a step, adds them in the same fixed tree as the all-reduce, votes, applies at
/// Commit, sends weights to all. ps_async: applies each replica's gradient as soon as its last stage's push is in, with
/// the learning rate of that replica's step, and sends weights to that replica alone; to all at a border before a
/// validation. What that replica gets to compute on is where the master weights are expected to be once its gradient is
/// used: ahead by an update of each replica (gpt2::AdamW::ahead), the others' because they come between, its own as in
/// Nesterov's momentum (DANA: Hakimi et al. 2019, arXiv 1907.11612).
///
/// Thread-safety: single owner thread, pinned (LibTorch keeps thread-local state).
/// Ownership:     owns one StageModel a stage: weights and moments; no activations.
/// Errors:        throws for tensors of the wrong size and unfit checkpoints; the process ends and is started again.
/// Restart:       comes back empty, waits for LoadState.
///
/// PS-1  ps_sync gives the same bits as the all-reduce, for every number of replicas and stages.
/// PS-2  ps_async records for every update how many others were applied between the fetch of its weights and its use.
/// PS-3  A checkpoint of a step holds exactly the updates of the steps up to it: at any other time it is refused.
/// PS-4  What is saved, and shared at a border, are the master weights, never the expected ones; a replica alone gets
///       the master weights too.
class ServerActor final : public runtime::Actor {
public:
  ServerActor(const JobConfig& job, std::uint32_t total_steps, FaultPlan faults);

  runtime::Behavior behavior() override;

private:
  using Pushes = std::map<std::pair<std::uint32_t, std::uint32_t>, PushGradients>;  // by (stage, replica)

  void load(const LoadState& message, runtime::Context& context);
  void pushed(const PushGradients& message, runtime::Context& context);
  void commit(const Commit& message, runtime::Context& context);
  void share(const ShareWeights& message, runtime::Context& context);
  void save(const SaveShard& message, runtime::Context& context);

  void sum_step(const Pushes& pushes, runtime::Context& context);
  void apply_replica(const Pushes& pushes, runtime::Context& context);
  void set_gradients(const Pushes& pushes, std::uint32_t first_micro_batch, std::uint32_t micro_batches);
  void fold_tied();
  void send_committed(std::uint32_t replica, const Commit& message, runtime::Context& context);
  void send_expected(const PushGradients& applied, double rate, runtime::Context& context);
  [[nodiscard]] std::vector<ParameterSquare> squares() const;
  [[nodiscard]] std::string find_misfit(std::uint32_t epoch, std::uint32_t step) const;

  const JobConfig job_;
  const std::uint32_t total_steps_;
  const FaultPlan faults_;
  std::vector<std::unique_ptr<StageModel>> models_;  // by stage

  std::uint32_t epoch_ = 0;
  std::uint32_t loaded_ = 0;                                            // steps in the state of LoadState
  std::uint32_t step_ = 0;                                              // ps_sync: committed steps
  std::uint64_t version_ = 0;                                           // updates applied in this epoch
  std::map<std::uint32_t, Pushes> steps_;                               // ps_sync: by step
  std::map<std::pair<std::uint32_t, std::uint32_t>, Pushes> replicas_;  // ps_async: by (replica, step)
};

}  // namespace troupe::actors
