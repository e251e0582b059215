#include "actors/config/job_config_checks.hpp"

#include "actors/config/job_config_keys.hpp"
#include "runtime/context.hpp"

#include <algorithm>

namespace troupe::actors {
namespace {

std::string says(std::string_view key, std::int64_t value) {
  return std::string(key) + " = " + std::to_string(value);
}

std::string check_model(const JobConfig& job) {
  if (job.model.width % job.model.heads != 0) {
    return says("model.width", job.model.width) + " is not divisible by " + says("model.heads", job.model.heads) +
           ": each head takes an equal part of the width";
  }
  if (job.model.positions == gpt2::Positions::sinusoidal && job.model.width % 2 != 0) {
    return says("model.width", job.model.width) + " is odd: sinusoidal positions pair a sine with a cosine";
  }
  if (job.data.path.empty()) return R"(data.path is missing: name the text file to train on, such as "data/bible.txt")";
  return {};
}

std::string check_length(const TrainConfig& train) {
  if (train.steps == 0 && train.epochs == 0) {
    return "train.steps and train.epochs are both 0 or missing: set one of them, it says how long to train";
  }
  if (train.steps != 0 && train.epochs != 0) {
    return says("train.steps", train.steps) + " and " + says("train.epochs", train.epochs) +
           " are both set: set the one that does not count to 0";
  }
  if (train.steps != 0 && train.warmup_steps > train.steps) {
    return says("train.warmup_steps", train.warmup_steps) + " is more than " + says("train.steps", train.steps);
  }
  if (train.min_lr > train.lr) {
    return "train.min_lr = " + render_job_value(train.min_lr) +
           " is more than train.lr = " + render_job_value(train.lr);
  }
  return {};
}

std::string check_batch(const JobConfig& job) {
  const std::uint64_t part = std::uint64_t{job.train.micro_batch} * job.layout.replicas;
  if (job.train.global_batch % part == 0) return {};
  const std::uint64_t below = job.train.global_batch / part * part;
  std::string advice = std::to_string(below + part);
  if (below > 0) advice = std::to_string(below) + " or " + advice;
  return says("train.global_batch", job.train.global_batch) + " is not divisible by " +
         says("train.micro_batch", job.train.micro_batch) + " x " + says("layout.replicas", job.layout.replicas) +
         " = " + std::to_string(part) + ": write train.global_batch = " + advice;
}

// What one message can carry (docs/configuration.md): the losses of a step's micro-batches and the squares of a stage's
// parameters travel in a body of 64 KiB; the batches of two steps may wait in a data actor, one for each stage and one
// more.
constexpr std::uint64_t kMaxMicroBatches = 1000;  // of a replica, a step
constexpr std::uint32_t kMaxLayersOfStage = 320;
constexpr std::uint32_t kMaxMicroBatch = 8000;

std::string check_messages(const JobConfig& job) {
  const std::uint64_t micro_batches =
      job.train.global_batch / (std::uint64_t{job.train.micro_batch} * job.layout.replicas);
  if (job.train.micro_batch > kMaxMicroBatch) {
    return says("train.micro_batch", job.train.micro_batch) + ": at most " + std::to_string(kMaxMicroBatch);
  }
  const std::uint64_t most = std::min(
      kMaxMicroBatches, std::uint64_t{runtime::kMaxWaitingSends} / (2 * (job.layout.stages + std::uint64_t{1})));
  if (micro_batches > most) {
    return says("train.global_batch", job.train.global_batch) + " is " + std::to_string(micro_batches) +
           " micro-batches for each replica, at most " + std::to_string(most) +
           ": write a larger train.micro_batch or more layout.replicas";
  }
  const bool served = job.layout.exchange != Exchange::allreduce;  // the parameter server tells of all layers at once
  const auto parts = served ? 1 : job.layout.stages;
  const auto layers = (static_cast<std::uint32_t>(job.model.layers) + parts - 1) / parts;
  if (layers > kMaxLayersOfStage) {
    return says("model.layers", job.model.layers) + (served ? " with a parameter server" : " over the stages") +
           " is " + std::to_string(layers) + " layers in one place, at most " + std::to_string(kMaxLayersOfStage) +
           (served ? "" : ": write more layout.stages");
  }
  return {};
}

std::string check_layout(const JobConfig& job) {
  if (job.layout.stages > job.model.layers) {
    return says("layout.stages", job.layout.stages) + " but " + says("model.layers", job.model.layers) +
           ": every stage needs at least one layer";
  }
  return {};
}

}  // namespace

std::string find_misfit(const JobConfig& job) {
  for (std::string problem :
       {check_model(job), check_length(job.train), check_batch(job), check_layout(job), check_messages(job)}) {
    if (!problem.empty()) return problem;
  }
  return {};
}

}  // namespace troupe::actors
