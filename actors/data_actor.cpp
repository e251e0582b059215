#include "actors/data_actor.hpp"

#include <algorithm>
#include <utility>

namespace troupe::actors {
namespace {

// One step being computed and one in the mailbox: enough that no stage ever waits for data.
constexpr std::uint32_t kStepsAhead = 2;

TensorBytes tokens_to_bytes(const std::vector<std::int64_t>& tokens, std::int64_t rows) {
  TensorBytes bytes;
  bytes.type = TensorBytes::Type::int64;
  bytes.shape = {rows, static_cast<std::int64_t>(tokens.size()) / rows};
  bytes.data = runtime::Payload::copy_of(std::as_bytes(std::span(tokens)));
  return bytes;
}

}  // namespace

DataActor::DataActor(const JobConfig& job, std::uint32_t replica, FaultPlan faults)
    : job_(job),
      replica_(replica),
      faults_(std::move(faults)),
      source_(job),
      plan_(job, source_.training_samples(), source_.validation_samples()) {}

runtime::Behavior DataActor::behavior() {
  using runtime::on;
  return {on(this, &DataActor::serve_steps), on(this, &DataActor::step_begun), on(this, &DataActor::serve_evaluation)};
}

void DataActor::serve_steps(const ServeSteps& message, runtime::Context& context) {
  if (message.epoch < epoch_) return;
  epoch_ = message.epoch;
  next_ = message.step;
  begun_ = std::max(message.step, message.begun);
  until_ = message.until;
  serve_ahead(context);
}

void DataActor::step_begun(const StepBegun& message, runtime::Context& context) {
  if (message.epoch != epoch_) return;
  begun_ = std::max(begun_, message.step);
  serve_ahead(context);
}

void DataActor::serve_ahead(runtime::Context& context) {
  while (next_ < until_ && next_ < begun_ + kStepsAhead) send_step(next_++, context);
}

void DataActor::send_step(std::uint32_t step, runtime::Context& context) {
  context.note(runtime::Phase::forward, step + 1, 0);
  const MicroBatches own{plan_.first_micro_batch(replica_), job_.micro_batches_per_replica()};
  // What the loss is divided by: the whole step, or this replica's share where each replica's gradient is an update of
  // its own.
  const bool alone = job_.layout.exchange == Exchange::ps_async;
  const std::int64_t valid_tokens = source_.valid_tokens(step, alone ? own : MicroBatches{0, job_.micro_batches()});
  for (std::uint32_t i = 0; i < own.count; ++i) {
    SampleBatch batch = source_.training_batch(step, own.first + i);
    batch.valid_tokens = valid_tokens;
    send_batch(step, own.first + i, batch, context);
    // In the middle of a step: some of its micro-batches are out, some are not.
    if (i == 0) faults_.reached(context.self().name, context.self().incarnation, step + 1, runtime::Phase::forward);
  }
  context.note(runtime::Phase::idle, step + 1, 0);
}

void DataActor::send_batch(std::uint32_t step, std::uint32_t micro_batch, const SampleBatch& batch,
                           runtime::Context& context) {
  const auto rows = static_cast<std::int64_t>(batch.samples.size());
  const BatchInputs inputs{epoch_, step, micro_batch, batch.purpose, tokens_to_bytes(batch.inputs, rows)};
  (void)context.send_when_room(stage_name(replica_, 0), inputs);  // a dead stage ends the epoch, here and below
  BatchTargets targets{epoch_, step, micro_batch, batch.purpose, batch.samples, batch.valid_tokens, {}};
  for (std::uint32_t stage = 0; stage < job_.layout.stages; ++stage) {
    if (stage + 1 == job_.layout.stages) targets.targets = tokens_to_bytes(batch.targets, rows);
    (void)context.send_when_room(stage_name(replica_, stage), targets);
  }
}

void DataActor::serve_evaluation(const ServeEvaluation& message, runtime::Context& context) {
  if (message.epoch < epoch_) return;
  epoch_ = message.epoch;
  for (std::uint32_t batch = message.first; batch < message.count; batch += message.stride) {
    send_batch(message.step, batch, source_.validation_batch(batch, message.count), context);
  }
}

}  // namespace troupe::actors
