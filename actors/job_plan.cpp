#include "actors/job_plan.hpp"

#include <algorithm>
#include <limits>

namespace troupe::actors {

std::string stage_name(std::uint32_t replica, std::uint32_t stage) {
  return "stage/r" + std::to_string(replica) + ".s" + std::to_string(stage);
}

std::string data_name(std::uint32_t replica) {
  return "data/r" + std::to_string(replica);
}

namespace {

/// Steps until `epochs` times `samples` samples were used, rounded up once. Nothing leaves 64 bits: epochs and batch
/// have 32, and so has samples / batch.
std::uint64_t steps_of(std::uint64_t epochs, std::uint64_t samples, std::uint64_t batch) {
  return epochs * (samples / batch) + (epochs * (samples % batch) + batch - 1) / batch;
}

std::uint32_t count_steps(const TrainConfig& train, std::uint64_t samples) {
  if (train.steps > 0) return train.steps;
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const std::uint64_t whole = samples / train.global_batch;
  const std::uint64_t steps = whole > kMost ? whole : steps_of(train.epochs, samples, train.global_batch);
  const std::string epochs = "train.epochs = " + std::to_string(train.epochs);
  if (steps > kMost) {
    throw ConfigError(epochs + " over " + std::to_string(samples) + " samples take more than the " +
                      std::to_string(kMost) + " steps that a job can have: use fewer epochs or a larger " +
                      "train.global_batch");
  }
  if (train.warmup_steps > steps) {
    throw ConfigError("train.warmup_steps = " + std::to_string(train.warmup_steps) + " is more than the " +
                      std::to_string(steps) + " steps of " + epochs);
  }
  return static_cast<std::uint32_t>(steps);
}

}  // namespace

JobPlan::JobPlan(const JobConfig& job, std::uint64_t training_samples, std::uint64_t validation_samples)
    : layout_(job.layout),
      train_(job.train),
      per_replica_(job.micro_batches_per_replica()),
      training_samples_(training_samples),
      validation_samples_(validation_samples) {
  if (training_samples == 0) throw ConfigError("the training data holds no sample");
  if (training_samples < train_.global_batch) {
    throw ConfigError("train.global_batch = " + std::to_string(train_.global_batch) + " but the training data holds " +
                      std::to_string(training_samples) + " samples: use a smaller batch or more data");
  }
  total_steps_ = count_steps(train_, training_samples);
  const std::uint64_t rows = std::min<std::uint64_t>(train_.micro_batch, validation_samples);
  const std::uint64_t batches = rows > 0 ? validation_samples / rows : 0;
  evaluation_batches_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(batches, kEvaluationBatches));
}

std::uint32_t JobPlan::epoch_of(std::uint32_t step) const {
  return static_cast<std::uint32_t>(std::uint64_t{step} * train_.global_batch / training_samples_);
}

std::uint64_t JobPlan::begin_of(std::uint64_t epoch) const {
  return steps_of(epoch, training_samples_, train_.global_batch);
}

Border JobPlan::next_border(std::uint32_t step) const {
  const auto next_multiple = [step](std::uint64_t every) { return (step / every + 1) * every; };
  const std::uint64_t epoch_end = begin_of(std::uint64_t{epoch_of(step)} + 1);
  std::uint64_t nearest = std::min<std::uint64_t>(total_steps_, epoch_end);
  if (train_.eval_every > 0) nearest = std::min(nearest, next_multiple(train_.eval_every));
  if (train_.checkpoint_every > 0) nearest = std::min(nearest, next_multiple(train_.checkpoint_every));
  Border border;
  border.step = static_cast<std::uint32_t>(nearest);  // at most total_steps_
  const bool last = border.step == total_steps_;
  if (border.step == epoch_end) border.epoch_end = Border::EpochEnd::yes;
  if (last || border.step == epoch_end || (train_.eval_every > 0 && border.step % train_.eval_every == 0)) {
    border.evaluate = Border::Evaluate::yes;
  }
  if (last || (train_.checkpoint_every > 0 && border.step % train_.checkpoint_every == 0)) {
    border.save = Border::Save::yes;
  }
  return border;
}

std::uint32_t JobPlan::first_micro_batch(std::uint32_t replica) const {
  return replica * per_replica_;
}

std::vector<std::string> JobPlan::names_of(const LayoutConfig& layout) {
  std::vector<std::string> names;
  for (std::uint32_t replica = 0; replica < layout.replicas; ++replica) {
    for (std::uint32_t stage = 0; stage < layout.stages; ++stage) names.push_back(stage_name(replica, stage));
  }
  for (std::uint32_t replica = 0; replica < layout.replicas; ++replica) names.push_back(data_name(replica));
  if (layout.exchange != Exchange::allreduce) names.emplace_back(kServerName);
  return names;
}

gpt2::LearningRate learning_rate_rule(const JobConfig& job, std::uint32_t total_steps) {
  gpt2::LearningRate rule;
  switch (job.train.schedule) {
    case RateSchedule::constant:
      rule.shape = gpt2::LearningRateShape::constant;
      break;
    case RateSchedule::linear:
      rule.shape = gpt2::LearningRateShape::linear;
      break;
    case RateSchedule::cosine:
      rule.shape = gpt2::LearningRateShape::cosine;
      break;
  }
  rule.lr = job.train.lr;
  rule.min_lr = job.train.min_lr;
  rule.warmup_steps = job.train.warmup_steps;
  rule.total_steps = total_steps;
  return rule;
}

}  // namespace troupe::actors
