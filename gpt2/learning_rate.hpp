#pragma once

#include <cstdint>

namespace troupe::gpt2 {

enum class LearningRateShape { constant, linear, cosine };

/// A learning-rate schedule; lr and min_lr are per step, warmup_steps and total_steps are counts of optimizer steps.
struct LearningRate {
  LearningRateShape shape = LearningRateShape::cosine;
  double lr = 3e-3;
  double min_lr = 0.0;
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 1;
};

/// The rate of `step`, counted from 0.
/// LR-1  Warm-up: step s < warmup_steps has lr * (s + 1) / warmup_steps.
/// LR-2  After it, linear and cosine fall from lr to min_lr, which they reach at total_steps and keep; constant stays.
double learning_rate(const LearningRate& schedule, std::int64_t step);

}  // namespace troupe::gpt2
