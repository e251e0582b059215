#include "gpt2/optimizer.hpp"

#include "gpt2/layers/block.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

const ModelConfig kOptimizedModel{.layers = 2, .heads = 1, .width = 5, .context = 3, .vocabulary = 7};

ParameterTable whole_table() {
  return parameters_of(kOptimizedModel, plan_stages(kOptimizedModel, 1)[0]);
}

at::Tensor wave(std::int64_t size, double phase) {
  return (at::arange(size, at::kDouble) * 0.37 + phase).sin().mul_(0.3).to(at::kFloat);
}

TEST(Optimizer, AW1_FollowsADoublePrecisionReference) {
  const ParameterTable table = whole_table();
  const AdamWOptions options;
  AdamW optimizer(table, options, c10::kCPU);
  const at::Tensor weights = wave(table.flat_size, 0.0);
  at::Tensor w = weights.to(at::kDouble), m = at::zeros_like(w), v = at::zeros_like(w), decay = at::zeros_like(w);
  for (const ParameterInfo& info : table.entries) {
    if (info.shape.size() == 2) decay.narrow(0, info.offset, info.size).fill_(options.weight_decay);
  }
  for (int step = 1; step <= 20; ++step) {
    const double rate = 1e-2 / step;
    const at::Tensor gradient = wave(table.flat_size, step);
    optimizer.step(weights, gradient, rate, 0.5);
    const at::Tensor g = gradient.to(at::kDouble) * 0.5;
    m = 0.9 * m + 0.1 * g;
    v = 0.95 * v + 0.05 * g * g;
    const at::Tensor direction = (m / (1 - std::pow(0.9, step))) / ((v / (1 - std::pow(0.95, step))).sqrt() + 1e-8);
    w = w - rate * decay * w - rate * direction;
  }
  for (const ParameterInfo& info : table.entries) {
    const at::Tensor got = parameter_view(weights, info).to(at::kDouble);
    EXPECT_TRUE(at::allclose(got, parameter_view(w, info), 1e-5, 1e-6)) << info.name;
  }
  EXPECT_EQ(optimizer.steps(), 20);
}

TEST(Optimizer, AW5_AheadIsWhereFurtherStepsAlongTheMomentsEnd) {
  const ParameterTable table = whole_table();
  AdamW optimizer(table, {.weight_decay = 0.0}, c10::kCPU);
  const at::Tensor weights = wave(table.flat_size, 0.0);
  EXPECT_TRUE(at::equal(optimizer.ahead(weights, 1e-2, 3), weights)) << "no moments yet";
  for (int step = 0; step < 5; ++step) optimizer.step(weights, wave(table.flat_size, step), 1e-2, 1.0);
  const at::Tensor before = weights.clone();
  EXPECT_TRUE(at::equal(optimizer.ahead(weights, 1e-2, 0), before));
  const at::Tensor first = optimizer.first_moment().to(at::kDouble), second = optimizer.second_moment().to(at::kDouble);
  const at::Tensor direction = (first / (1 - std::pow(0.9, 5))) / ((second / (1 - std::pow(0.95, 5))).sqrt() + 1e-8);
  const at::Tensor expected = before.to(at::kDouble) - 2 * 1e-2 * direction;
  EXPECT_TRUE(at::allclose(optimizer.ahead(weights, 1e-2, 2).to(at::kDouble), expected, 1e-5, 1e-6));
  EXPECT_TRUE(at::equal(weights, before)) << "a look, not a step";
  EXPECT_EQ(optimizer.steps(), 5);
}

TEST(Optimizer, AW2_ResultsDoNotDependOnTheLayout) {
  const ParameterTable whole = whole_table();
  AdamW all(whole, {}, c10::kCPU);
  const at::Tensor weights = wave(whole.flat_size, 0.0), gradient = wave(whole.flat_size, 1.0);
  const at::Tensor before = weights.clone();
  all.step(weights, gradient, 1e-2, 0.7);
  for (const StageSlice& slice : plan_stages(kOptimizedModel, 2)) {
    const ParameterTable table = parameters_of(kOptimizedModel, slice);
    AdamW part(table, {}, c10::kCPU);
    const at::Tensor w = at::zeros({table.flat_size}), g = at::zeros({table.flat_size});
    for (const ParameterInfo& info : table.entries) {
      parameter_view(w, info).copy_(parameter_view(before, whole.find(info.name)));
      parameter_view(g, info).copy_(parameter_view(gradient, whole.find(info.name)));
    }
    part.step(w, g, 1e-2, 0.7);
    for (const ParameterInfo& info : table.entries) {
      EXPECT_TRUE(at::equal(parameter_view(w, info), parameter_view(weights, whole.find(info.name)))) << info.name;
    }
  }
}

TEST(Optimizer, AW3_OnlyMatricesDecay) {
  const ParameterTable table = whole_table();
  AdamW optimizer(table, {}, c10::kCPU);
  const at::Tensor weights = at::ones({table.flat_size});
  optimizer.step(weights, at::zeros({table.flat_size}), 0.5, 1.0);
  for (const ParameterInfo& info : table.entries) {
    const double expected = info.shape.size() == 2 ? 0.95 : 1.0;
    EXPECT_TRUE(parameter_view(weights, info).eq(static_cast<float>(expected)).all().item<bool>()) << info.name;
  }
}

TEST(Optimizer, AW4_SquaresAreAccurateAndDoNotDependOnThePlace) {
  const ParameterTable whole = whole_table();
  const at::Tensor gradient = wave(whole.flat_size, 2.0);
  const auto squares = parameter_squares(whole, gradient);
  ASSERT_EQ(squares.size(), whole.entries.size());
  const ParameterTable last = parameters_of(kOptimizedModel, plan_stages(kOptimizedModel, 2)[1]);
  const at::Tensor moved = at::zeros({last.flat_size});
  for (const ParameterInfo& info : last.entries) {
    parameter_view(moved, info).copy_(parameter_view(gradient, whole.find(info.name)));
  }
  const auto same = parameter_squares(last, moved);
  for (std::size_t i = 0; i < last.entries.size(); ++i) {
    const auto index = static_cast<std::size_t>(whole.find(last.entries[i].name).canonical);
    EXPECT_EQ(same[i], squares[index]) << last.entries[i].name;
    const at::Tensor exact = parameter_view(gradient, whole.entries[index]).to(at::kDouble);
    EXPECT_NEAR(squares[index], (exact * exact).sum().item<double>(), 1e-12);
  }
}

TEST(Optimizer, ClippingScalesDownOnly) {
  EXPECT_DOUBLE_EQ(clip_scale(0.5, 1.0), 1.0);
  EXPECT_NEAR(clip_scale(4.0, 1.0), 0.25, 1e-6);
  EXPECT_DOUBLE_EQ(clip_scale(1e9, 0.0), 1.0);
}

TEST(Optimizer, AGradientOfAnotherSizeIsRefused) {
  const ParameterTable table = whole_table();
  AdamW optimizer(table, {}, c10::kCPU);
  EXPECT_THROW(optimizer.step(at::zeros({table.flat_size}), at::zeros({3}), 1e-3, 1.0), std::runtime_error);
}

}  // namespace
}  // namespace troupe::gpt2
