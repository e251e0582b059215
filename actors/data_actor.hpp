#pragma once

#include "actors/data_protocol.hpp"
#include "actors/fault_plan.hpp"
#include "actors/job_plan.hpp"
#include "actors/sample_source.hpp"
#include "runtime/actor.hpp"
#include "runtime/context.hpp"

#include <cstdint>
#include <memory>

namespace troupe::actors {

/// Feeds one replica: tokens to its first stage, targets to its last, sample ids to all, for every micro-batch of a
/// step.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the data set it reads from.
/// Errors:        data that cannot be read throws at start, with path and reason.
/// Restart:       keeps nothing: what a step holds is a pure function of (seed, step), so a new one repeats the old
///                one.
///
/// DA-1  Any incarnation, at any time, sends the same micro-batches for a step.
/// DA-2  At most two steps are on their way before the stages begin them.
class DataActor final : public runtime::Actor {
public:
  DataActor(const JobConfig& job, std::uint32_t replica, FaultPlan faults);

  runtime::Behavior behavior() override;

private:
  void serve_steps(const ServeSteps& message, runtime::Context& context);
  void step_begun(const StepBegun& message, runtime::Context& context);
  void serve_evaluation(const ServeEvaluation& message, runtime::Context& context);

  void serve_ahead(runtime::Context& context);
  void send_step(std::uint32_t step, runtime::Context& context);
  void send_batch(std::uint32_t step, std::uint32_t micro_batch, const SampleBatch& batch, runtime::Context& context);

  const JobConfig job_;
  const std::uint32_t replica_;
  const FaultPlan faults_;
  const SampleSource source_;
  const JobPlan plan_;
  std::uint32_t epoch_ = 0;
  std::uint32_t next_ = 0;   // step to send next
  std::uint32_t begun_ = 0;  // steps up to and including this one have begun at the first stage, or are next
  std::uint32_t until_ = 0;
};

}  // namespace troupe::actors
