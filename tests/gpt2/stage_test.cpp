#include "gpt2/stage.hpp"

#include "gpt2/tied.hpp"
#include "tests/support/pipeline_step.hpp"
#include "tests/support/reference_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

constexpr std::uint64_t kStageSeed = 11;

ModelConfig small_config() {
  return {.layers = 2, .heads = 2, .width = 24, .context = 10, .vocabulary = 31};
}

StageSlice whole(const ModelConfig& config) {
  return plan_stages(config, 1)[0];
}

/// Every parameter's gradient of one micro-batch against automatic differentiation in double.
void expect_autograd_agrees(const ModelConfig& config, const tests::StepData& data) {
  Stage stage(config, whole(config), kStageSeed);
  stage.weights().mul_(3.0);  // larger activations than at the start
  const tests::ReferenceModel reference(stage);
  const MicroBatch micro_batch = data.micro_batch(0);
  stage.begin_step(1, 0, 1);
  const double scale = data.inverse_valid_tokens();
  const LossSums sums = stage.forward_loss(micro_batch, data.tokens[0], data.targets[0], scale);
  stage.backward_loss(0);
  const at::Tensor loss = reference.loss(data.tokens[0], data.targets[0], scale, kStageSeed, micro_batch);
  loss.backward();
  EXPECT_NEAR(sums.loss_sum * scale, loss.item<double>(), 1e-5);
  EXPECT_EQ(sums.valid, data.targets.ne(kIgnoredTarget).sum().item<std::int64_t>());
  const at::Tensor flat = fold_tied(stage.parameters(), combine_blocks(stage.take_gradient_blocks(), 1), {});
  for (const ParameterInfo& info : stage.parameters().entries) {
    const at::Tensor expected = reference.at(info.name).grad();
    const double size = expected.abs().max().item<double>();
    const double error = (parameter_view(flat, info) - expected).abs().max().item<double>();
    EXPECT_LE(error, 1e-4 * size + 1e-9) << info.name << " size " << size;
  }
}

void expect_autograd_agrees(const ModelConfig& config) {
  expect_autograd_agrees(config, tests::random_step(config, 1, 3));
}

TEST(Stage, BL1_GradientsAgreeWithAutomaticDifferentiation) {
  expect_autograd_agrees(small_config());
}

TEST(Stage, BL1_GradientsAgreeWithDropout) {
  ModelConfig config = small_config();
  config.dropout = 0.2;
  expect_autograd_agrees(config);
}

TEST(Stage, BL1_GradientsAgreeWithAnUntiedHeadAndFixedPositions) {
  ModelConfig config = small_config();
  config.head = HeadWeights::untied;
  config.positions = Positions::sinusoidal;
  expect_autograd_agrees(config);
}

TEST(Stage, BL1_GradientsAgreeWithPaddingAndWithoutAny) {
  tests::StepData data = tests::random_step(small_config(), 1, 3);
  data.targets.fill_(5);
  expect_autograd_agrees(small_config(), data);
  data.targets[0][1].narrow(0, 4, 6).fill_(kIgnoredTarget);
  data.targets[0][2].fill_(kIgnoredTarget);
  expect_autograd_agrees(small_config(), data);
}

TEST(Stage, STG2_AMicroBatchOfPaddingAloneGivesZeros) {
  const ModelConfig config = small_config();
  tests::StepData data = tests::random_step(config, 1, 3);
  data.targets.fill_(kIgnoredTarget);
  Stage stage(config, whole(config), kStageSeed);
  stage.begin_step(1, 0, 1);
  EXPECT_EQ(stage.forward_loss(data.micro_batch(0), data.tokens[0], data.targets[0], 1.0), LossSums{});
  EXPECT_EQ(stage.evaluate(data.tokens[0], data.targets[0]), LossSums{});
  stage.backward_loss(0);
  const at::Tensor gradient = combine_blocks(stage.take_gradient_blocks(), 1);
  EXPECT_TRUE(at::equal(gradient, at::zeros_like(gradient)));
}

TEST(Stage, AT1_AnOutputDependsOnNoLaterToken) {
  const ModelConfig config = small_config();
  const Stage stage(config, whole(config), kStageSeed);
  const at::Tensor tokens = tests::random_step(config, 1, 2).tokens[0];
  const at::Tensor logits = stage.logits(tokens);
  const at::Tensor changed = tokens.clone();
  changed.select(1, 6).add_(1).remainder_(config.vocabulary);
  const at::Tensor after = stage.logits(changed);
  EXPECT_TRUE(at::equal(after.narrow(1, 0, 6), logits.narrow(1, 0, 6)));
  EXPECT_FALSE(at::equal(after.narrow(1, 6, 4), logits.narrow(1, 6, 4)));
}

TEST(Stage, InitialLossIsThatOfAGuess) {
  const ModelConfig config;
  const Stage stage(config, whole(config), kStageSeed);
  const tests::StepData data = tests::random_step(config, 1, 16);
  const LossSums sums = stage.evaluate(data.tokens[0], data.targets[0]);
  EXPECT_NEAR(sums.loss_sum / static_cast<double>(sums.valid), std::log(256.0) + 128 * 0.02 * 0.02 / 2, 0.02);
}

TEST(Stage, STG2_TheScaleReachesTheGradientOnce) {
  const ModelConfig config = small_config();
  const tests::StepData data = tests::random_step(config, 1, 3);
  std::vector<at::Tensor> gradients;
  for (const double scale : {1.0, 0.25}) {
    Stage stage(config, whole(config), kStageSeed);
    stage.begin_step(1, 0, 1);
    stage.forward_loss(data.micro_batch(0), data.tokens[0], data.targets[0], scale);
    stage.backward_loss(0);
    gradients.push_back(combine_blocks(stage.take_gradient_blocks(), 1));
  }
  EXPECT_TRUE(at::equal(gradients[0] * 0.25, gradients[1]));  // a power of two: exact
}

TEST(Stage, STG3_KeepsWhatWaitsForItsBackwardAndNoMore) {
  const ModelConfig config = small_config();
  const tests::StepData data = tests::random_step(config, 2, 3);
  Stage stage(config, whole(config), kStageSeed);
  stage.begin_step(2, 0, 2);
  for (const std::uint32_t index : {0U, 1U}) {
    stage.forward_loss(data.micro_batch(index), data.tokens[index], data.targets[index], 1.0);
  }
  EXPECT_EQ(stage.kept_micro_batches(), 2);
  EXPECT_THROW(stage.forward_loss(data.micro_batch(1), data.tokens[1], data.targets[1], 1.0), std::runtime_error);
  stage.backward_loss(0);
  EXPECT_EQ(stage.kept_micro_batches(), 1);
  EXPECT_THROW(stage.backward_loss(0), std::runtime_error);
  EXPECT_THROW(stage.begin_step(2, 0, 2), std::runtime_error);
  stage.abort_step();
  EXPECT_EQ(stage.kept_micro_batches(), 0);
  EXPECT_THROW(stage.backward_loss(1), std::runtime_error);
}

TEST(Stage, STG3_AnAbortedStepLeavesNoTrace) {
  const ModelConfig config = small_config();
  const tests::StepData data = tests::random_step(config, 2, 3);
  std::vector<at::Tensor> gradients;
  for (const bool aborted : {true, false}) {
    Stage stage(config, whole(config), kStageSeed);
    if (aborted) {
      stage.begin_step(2, 0, 2);
      stage.forward_loss(data.micro_batch(1), data.tokens[1], data.targets[1], 1.0);
      stage.backward_loss(1);
      stage.abort_step();
    }
    stage.begin_step(1, 0, 1);
    stage.forward_loss(data.micro_batch(0), data.tokens[0], data.targets[0], 1.0);
    stage.backward_loss(0);
    gradients.push_back(combine_blocks(stage.take_gradient_blocks(), 1));
  }
  EXPECT_TRUE(at::equal(gradients[0], gradients[1]));
}

TEST(Stage, STG4_EvaluationKeepsAndDropsNothing) {
  ModelConfig config = small_config();
  const tests::StepData data = tests::random_step(config, 1, 3);
  const Stage plain(config, whole(config), kStageSeed);
  const LossSums expected = plain.evaluate(data.tokens[0], data.targets[0]);
  config.dropout = 0.5;
  const auto slices = plan_stages(config, 2);
  const Stage first(config, slices[0], kStageSeed), last(config, slices[1], kStageSeed);
  EXPECT_EQ(last.evaluate(first.infer(data.tokens[0]), data.targets[0]), expected);
  EXPECT_EQ(first.kept_micro_batches() + last.kept_micro_batches(), 0);
}

TEST(Stage, CallsThatDoNotFitTheStageAreRefused) {
  const ModelConfig config = small_config();
  const tests::StepData data = tests::random_step(config, 1, 3);
  const auto slices = plan_stages(config, 2);
  Stage first(config, slices[0], kStageSeed), last(config, slices[1], kStageSeed);
  EXPECT_THROW(first.forward_loss({}, data.tokens[0], data.targets[0], 1.0), std::runtime_error);
  EXPECT_THROW(first.logits(data.tokens[0]), std::runtime_error);
  EXPECT_THROW(last.forward({}, at::zeros({3, 10, 24})), std::runtime_error);
  EXPECT_THROW(last.evaluate(data.tokens[0], data.targets[0]), std::runtime_error);
  EXPECT_THROW(first.infer(at::zeros({3, 11}, at::kLong)), std::runtime_error);
  EXPECT_THROW(Stage({.heads = 3}, StageSlice{}, kStageSeed), std::runtime_error);
  ModelConfig dropping = config;
  dropping.dropout = 0.1;
  Stage needs_samples(dropping, slices[0], kStageSeed);
  EXPECT_THROW(needs_samples.forward({}, data.tokens[0]), std::runtime_error);
}

}  // namespace
}  // namespace troupe::gpt2
