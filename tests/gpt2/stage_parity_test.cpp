#include "gpt2/stage.hpp"

#include "gpt2/numerics.hpp"
#include "tests/support/pipeline_step.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <tuple>

namespace troupe::gpt2 {
namespace {

constexpr std::uint64_t kParitySeed = 21;

ModelConfig parity_config() {
  return {.layers = 4, .heads = 2, .width = 40, .context = 12, .vocabulary = 37, .dropout = 0.1};
}

void expect_same_bits(const tests::StepResult& got, const tests::StepResult& expected) {
  EXPECT_EQ(got.sums, expected.sums);
  for (const auto& [name, gradient] : expected.gradients) {
    ASSERT_TRUE(got.gradients.contains(name)) << name;
    EXPECT_TRUE(at::equal(got.gradients.at(name), gradient)) << name;
    EXPECT_GT(gradient.abs().max().item<double>(), 0.0) << name;
  }
  if (got.gradients.contains("wte.weight (copy)")) {
    EXPECT_TRUE(at::equal(got.gradients.at("wte.weight (copy)"), expected.gradients.at("wte.weight")));
  }
}

class StageParity : public testing::TestWithParam<std::tuple<int, int, Schedule>> {
protected:
  StageParity() { fix_numerics(1); }

  tests::StepLayout layout() const {
    const auto& [stages, replicas, schedule] = GetParam();
    return {stages, replicas, schedule};
  }
};

TEST_P(StageParity, STG1_EveryLayoutGivesTheBitsOfOneStage) {
  const ModelConfig config = parity_config();
  const tests::StepData data = tests::random_step(config, 6, 2);
  expect_same_bits(tests::run_step(config, layout(), data, kParitySeed),
                   tests::run_step(config, {}, data, kParitySeed));
}

TEST_P(StageParity, TG1_LookupAndHeadPartsGiveTheSameBitsOnEveryLayout) {
  ModelConfig config = parity_config();
  const tests::StepData data = tests::random_step(config, 5, 2);
  expect_same_bits(tests::run_step(config, layout(), data, kParitySeed),
                   tests::run_step(config, {}, data, kParitySeed));
  config.head = HeadWeights::untied;
  config.positions = Positions::sinusoidal;
  expect_same_bits(tests::run_step(config, layout(), data, kParitySeed),
                   tests::run_step(config, {}, data, kParitySeed));
}

TEST_P(StageParity, TG1_AMissingOrMisshapenOtherPartIsRefused) {
  const ModelConfig config = parity_config();
  const ParameterTable first = parameters_of(config, plan_stages(config, 2)[0]);
  const at::Tensor gradient = at::zeros({first.gradient_size});
  EXPECT_THROW(fold_tied(first, gradient, {}), std::runtime_error);
  EXPECT_THROW(fold_tied(first, gradient, at::zeros({3})), std::runtime_error);
  EXPECT_THROW(fold_tied(first, at::zeros({3}), {}), std::runtime_error);
}

INSTANTIATE_TEST_SUITE_P(Layouts, StageParity,
                         testing::Combine(testing::Values(1, 2, 4), testing::Values(1, 2, 3),
                                          testing::Values(Schedule::gpipe, Schedule::one_f_one_b)));

}  // namespace
}  // namespace troupe::gpt2
