#pragma once

#include "gpt2/layers/torch.hpp"

#include <cstdint>

namespace troupe::gpt2 {

/// Targets with this value carry no loss and no gradient.
inline constexpr std::int64_t kIgnoredTarget = -100;

/// Sums over the valid tokens of a batch. loss_sum is in nats and is not divided by anything.
struct LossSums {
  double loss_sum = 0.0;
  std::int64_t correct = 0;  ///< no other token has a higher logit
  std::int64_t valid = 0;

  LossSums& operator+=(const LossSums& other);
  bool operator==(const LossSums&) const = default;
};

struct LossAndGradient {
  LossSums sums;
  at::Tensor logit_gradient;  ///< (N, V)
};

/// Cross entropy of logits (N, V) against targets (N), int64 in [0, V) or kIgnoredTarget.
/// CEL-1  Ignored targets change neither the sums nor any gradient but their own row's, which is 0.
/// Throws c10::Error when a target is out of range.
LossSums cross_entropy(const at::Tensor& logits, const at::Tensor& targets);

/// The same, and the gradient of loss_sum * scale.
/// CEL-2  The gradient is scaled here once and nowhere else.
LossAndGradient cross_entropy_with_gradient(const at::Tensor& logits, const at::Tensor& targets, double scale);

}  // namespace troupe::gpt2
