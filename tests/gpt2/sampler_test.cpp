#include "gpt2/sampler.hpp"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

const ModelConfig kSampledModel{.layers = 1, .heads = 2, .width = 16, .context = 8, .vocabulary = 20};
const std::vector<std::int64_t> kPrompt{3, 1, 4};

Stage whole_model() {
  Stage stage(kSampledModel, plan_stages(kSampledModel, 1)[0], 5);
  stage.weights().mul_(8.0);  // far from uniform
  return stage;
}

TEST(Sampler, SMP1_DependsOnTheSeedAlone) {
  const Stage model = whole_model();
  const SamplerOptions options{.temperature = 1.0, .top_k = 10, .seed = 9, .count = 30};
  const auto tokens = generate(model, kPrompt, options);
  EXPECT_EQ(tokens.size(), 30U);
  EXPECT_EQ(generate(model, kPrompt, options), tokens);
  SamplerOptions other = options;
  other.seed = 10;
  EXPECT_NE(generate(model, kPrompt, other), tokens);
}

TEST(Sampler, SMP2_ColdOrNarrowTakesTheLikeliest) {
  const Stage model = whole_model();
  const auto greedy = generate(model, kPrompt, {.temperature = 0.0, .count = 12});
  EXPECT_EQ(generate(model, kPrompt, {.temperature = 1.0, .top_k = 1, .count = 12}), greedy);
  const at::Tensor logits = model.logits(at::tensor({3, 1, 4}, at::kLong).view({1, 3}))[0][2];
  EXPECT_EQ(greedy[0], logits.argmax().item<std::int64_t>());
}

TEST(Sampler, SMP1_ShareOfATokenIsItsProbability) {
  const Stage model = whole_model();
  const at::Tensor shares = at::softmax(model.logits(at::tensor({3, 1, 4}, at::kLong).view({1, 3}))[0][2] / 2.0, 0);
  std::vector<double> counts(20, 0.0);
  constexpr int kDraws = 2000;
  for (std::uint64_t seed = 0; seed < kDraws; ++seed) {
    ++counts[static_cast<std::size_t>(generate(model, kPrompt, {.temperature = 2.0, .seed = seed, .count = 1})[0])];
  }
  for (std::int64_t token = 0; token < 20; ++token) {
    EXPECT_NEAR(counts[static_cast<std::size_t>(token)] / kDraws, shares[token].item<double>(), 0.05) << token;
  }
}

TEST(Sampler, WhatCannotBeContinuedIsRefused) {
  const Stage model = whole_model();
  EXPECT_THROW(generate(model, {}, {}), std::runtime_error);
  EXPECT_THROW(generate(model, {20}, {}), std::runtime_error);
  EXPECT_THROW(generate(model, kPrompt, {.temperature = -1.0}), std::runtime_error);
}

}  // namespace
}  // namespace troupe::gpt2
