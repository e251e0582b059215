#include "gpt2/learning_rate.hpp"

#include <cmath>
#include <numbers>

namespace troupe::gpt2 {

double learning_rate(const LearningRate& schedule, std::int64_t step) {
  if (step < schedule.warmup_steps) {
    return schedule.lr * static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps);
  }
  if (schedule.shape == LearningRateShape::constant) return schedule.lr;
  if (step >= schedule.total_steps) return schedule.min_lr;
  const double progress = static_cast<double>(step - schedule.warmup_steps) /
                          static_cast<double>(schedule.total_steps - schedule.warmup_steps);
  const double left = schedule.shape == LearningRateShape::linear ? 1.0 - progress
                                                                  : 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
  return schedule.min_lr + (schedule.lr - schedule.min_lr) * left;
}

}  // namespace troupe::gpt2
