#include "actors/device_check.hpp"
#include "actors/stage_model.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <vector>

namespace troupe::actors {
namespace {

constexpr std::uint32_t kMicroBatches = 2;
constexpr std::int64_t kRows = 2;

JobConfig job_on(const std::string& device) {
  JobConfig job;
  job.model = {.layers = 4, .heads = 4, .width = 64, .context = 16, .vocabulary = 256, .dropout = 0.1};
  job.train.global_batch = kMicroBatches * kRows;
  job.train.micro_batch = kRows;
  job.layout.stages = 2;
  job.layout.devices = {device};
  return job;
}

/// Tokens, or targets, of a micro-batch (B, T).
TensorBytes tokens(const JobConfig& job, std::uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return to_bytes(
      at::randint(job.model.vocabulary, {kRows, job.model.context}, generator, at::TensorOptions(at::kLong)));
}

BatchTargets targets(const JobConfig& job, std::uint32_t step, std::uint32_t micro_batch) {
  BatchTargets batch{0, step, micro_batch, Purpose::train, {10U * micro_batch, 10U * micro_batch + 1}, 0, {}};
  batch.valid_tokens = kMicroBatches * kRows * job.model.context;
  batch.targets = tokens(job, 200 + 10 * step + micro_batch);
  return batch;
}

at::Tensor total_of(const Contribution& contribution) {
  std::vector<at::Tensor> sums;
  for (const auto& sum : contribution.sums) sums.push_back(*sum);
  return sum_blocks(contribution.blocks, sums, kMicroBatches);
}

struct Trained {
  std::vector<double> losses;
  at::Tensor first;  ///< weights of the first stage (N)
  at::Tensor last;
};

/// Some steps of a pipeline of two stages on one device, spoken to in messages as stage actors do.
Trained train(const std::string& device, std::uint32_t steps) {
  const JobConfig job = job_on(device);
  StageModel first(job, 0);
  StageModel last(job, 1);
  first.load("");
  last.load("");
  Trained trained;
  for (std::uint32_t step = 0; step < steps; ++step) {
    for (StageModel* model : {&first, &last}) model->begin_step({step, 0, kMicroBatches, kMicroBatches});
    for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
      const BatchTargets who = targets(job, step, i);
      const TensorBytes activations = first.forward(i, {tokens(job, 100 + 10 * step + i), who});
      trained.losses.push_back(last.forward_loss(i, {activations, who}).loss_sum);
      (void)first.backward(i, last.backward(i, std::nullopt));
    }
    for (StageModel* model : {&first, &last}) model->set_gradient(total_of(model->take_contribution(0)));
    const TensorBytes lookup = first.tied_part();
    first.fold_tied(last.tied_part());
    last.fold_tied(lookup);
    for (StageModel* model : {&first, &last}) model->apply(1e-2, 1.0);
  }
  trained.first = to_tensor(first.weights());
  trained.last = to_tensor(last.weights());
  return trained;
}

/// Needs one GPU, which both stages share.
class StageDevice : public testing::Test {
protected:
  void SetUp() override {
    if (cuda_devices() == 0) GTEST_SKIP() << "no CUDA device here";
  }
};

TEST_F(StageDevice, AStageOnAGpuTrainsAsOnTheCpuWithinRounding) {
  const Trained cpu = train("cpu", 3);
  const Trained gpu = train("cuda:0", 3);
  ASSERT_EQ(gpu.losses.size(), cpu.losses.size());
  for (std::size_t i = 0; i < cpu.losses.size(); ++i) EXPECT_NEAR(gpu.losses[i], cpu.losses[i], 1e-4 * cpu.losses[i]);
  // Adam's first steps are as large as the rate whatever the gradient, so that rounding of a tiny gradient shows.
  EXPECT_LT((gpu.first - cpu.first).abs().mean().item<double>(), 1e-4);
  EXPECT_LT((gpu.last - cpu.last).abs().mean().item<double>(), 1e-4);
}

TEST_F(StageDevice, AGpuGivesTheSameBitsAgain) {
  const Trained once = train("cuda:0", 3);
  const Trained again = train("cuda:0", 3);
  EXPECT_EQ(once.losses, again.losses);
  EXPECT_TRUE(at::equal(once.first, again.first));
  EXPECT_TRUE(at::equal(once.last, again.last));
}

TEST_F(StageDevice, TheTrainingMovesTheWeights) {
  const Trained before = train("cuda:0", 0);
  const Trained after = train("cuda:0", 1);
  EXPECT_GT((after.first - before.first).abs().max().item<double>(), 1e-3);
}

}  // namespace
}  // namespace troupe::actors
