#include "gpt2/layers/loss.hpp"

namespace troupe::gpt2 {
namespace {

struct Scored {
  LossSums sums;
  at::Tensor log_probabilities;  // (N, V)
  at::Tensor valid;              // (N, 1)
  at::Tensor index;              // (N, 1), 0 where ignored
};

Scored score(const at::Tensor& logits, const at::Tensor& targets) {
  Scored scored;
  const at::Tensor column = targets.view({-1, 1});                             // (N, 1)
  scored.valid = column.ne(kIgnoredTarget);                                    // (N, 1)
  scored.index = at::where(scored.valid, column, at::zeros_like(column));      // (N, 1)
  scored.log_probabilities = at::_log_softmax(logits, 1, false);               // (N, V)
  const at::Tensor chosen = scored.log_probabilities.gather(1, scored.index);  // (N, 1)
  const at::Tensor best = scored.log_probabilities.amax(1, true);              // (N, 1)
  const at::Tensor losses = at::where(scored.valid, chosen, at::zeros_like(chosen)).to(at::kDouble);
  scored.sums.loss_sum = -losses.sum().item<double>();
  scored.sums.correct = chosen.ge(best).logical_and(scored.valid).sum().item<std::int64_t>();
  scored.sums.valid = scored.valid.sum().item<std::int64_t>();
  return scored;
}

}  // namespace

LossSums& LossSums::operator+=(const LossSums& other) {
  loss_sum += other.loss_sum;
  correct += other.correct;
  valid += other.valid;
  return *this;
}

LossSums cross_entropy(const at::Tensor& logits, const at::Tensor& targets) {
  return score(logits, targets).sums;
}

LossAndGradient cross_entropy_with_gradient(const at::Tensor& logits, const at::Tensor& targets, double scale) {
  Scored scored = score(logits, targets);
  at::Tensor gradient = scored.log_probabilities.exp_();                                // (N, V), softmax
  gradient.scatter_add_(1, scored.index, at::full_like(scored.index, -1, at::kFloat));  // softmax - one-hot
  gradient.mul_(scored.valid.to(at::kFloat).mul_(scale));                               // (N, V)
  return {scored.sums, gradient};
}

}  // namespace troupe::gpt2
