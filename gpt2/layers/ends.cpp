#include "gpt2/layers/ends.hpp"

#include <cmath>

namespace troupe::gpt2 {

at::Tensor sinusoidal_positions(std::int64_t tokens, std::int64_t width) {
  at::Tensor table = at::empty({tokens, width}, at::kFloat);
  float* value = table.mutable_data_ptr<float>();
  for (std::int64_t position = 0; position < tokens; ++position) {
    for (std::int64_t column = 0; column < width; ++column) {
      const double exponent = static_cast<double>(column / 2 * 2) / static_cast<double>(width);
      const double angle = static_cast<double>(position) / std::pow(10000.0, exponent);
      *value++ = static_cast<float>(column % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return table;
}

at::Tensor embed(const at::Tensor& tokens, const at::Tensor& table, const at::Tensor& positions,
                 const at::Tensor& mask) {
  at::Tensor sum =
      table.index_select(0, tokens.reshape({-1})).view({tokens.size(0), tokens.size(1), table.size(1)});  // (B, T, C)
  sum.add_(positions.narrow(0, 0, tokens.size(1)));                                                       // (B, T, C)
  at::Tensor rows = sum.view({-1, table.size(1)});                                                        // (N, C)
  return mask.defined() ? rows.mul_(mask) : rows;
}

void embed_backward(const at::Tensor& output_gradient, const at::Tensor& tokens, const at::Tensor& mask,
                    const EmbeddingGradients& gradients) {
  const at::Tensor rows = mask.defined() ? output_gradient * mask : output_gradient;  // (N, C)
  // Sorted by token inside, so the sum has one order on every device, which index_add does not promise.
  gradients.table.copy_(
      at::embedding_dense_backward(rows, tokens.reshape({-1}), gradients.table.size(0), -1, false));  // (V, C)
  if (!gradients.positions.defined()) return;
  gradients.positions.zero_();
  at::Tensor used = gradients.positions.narrow(0, 0, tokens.size(1));  // (T, C)
  at::sum_out(used, rows.view({tokens.size(0), tokens.size(1), -1}), at::IntArrayRef{0}, false);
}

at::Tensor head_logits(const at::Tensor& x, const HeadWeights2D& weights) {
  return at::mm(norm_forward(x, weights.norm).output, weights.matrix.t());  // (N, C) x (C, V) -> (N, V)
}

HeadForward head_forward(const at::Tensor& x, const at::Tensor& targets, const HeadWeights2D& weights, double scale) {
  HeadForward head;
  head.kept.norm = norm_forward(x, weights.norm);                               // (N, C)
  const at::Tensor logits = at::mm(head.kept.norm.output, weights.matrix.t());  // (N, V)
  LossAndGradient loss = cross_entropy_with_gradient(logits, targets.reshape({-1}), scale);
  head.sums = loss.sums;
  head.kept.logit_gradient = loss.logit_gradient;  // (N, V)
  return head;
}

at::Tensor head_backward(const HeadKept& kept, const HeadWeights2D& weights, const HeadWeights2D& gradients) {
  at::Tensor matrix_gradient = gradients.matrix;
  at::mm_out(matrix_gradient, kept.logit_gradient.t(), kept.norm.output);  // (V, N) x (N, C) -> (V, C)
  const at::Tensor normed = at::mm(kept.logit_gradient, weights.matrix);   // (N, V) x (V, C) -> (N, C)
  return norm_backward(normed, kept.norm, weights.norm, gradients.norm);   // (N, C)
}

}  // namespace troupe::gpt2
