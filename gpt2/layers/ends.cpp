#include "gpt2/layers/ends.hpp"

#include <cmath>

namespace troupe::gpt2 {
namespace {

/// The rows that have a target, int64 (M); undefined where all have one.
at::Tensor rows_with_target(const at::Tensor& targets) {
  const at::Tensor rows = targets.ne(kIgnoredTarget).nonzero().view({-1});
  return rows.numel() == targets.numel() ? at::Tensor() : rows;
}

at::Tensor select_rows(const at::Tensor& values, const at::Tensor& rows) {
  return rows.defined() ? values.index_select(0, rows) : values;
}

}  // namespace

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

LossSums head_loss(const at::Tensor& x, const at::Tensor& targets, const HeadWeights2D& weights) {
  const at::Tensor flat = targets.reshape({-1});  // (N)
  const at::Tensor rows = rows_with_target(flat);
  return cross_entropy(head_logits(select_rows(x, rows), weights), select_rows(flat, rows));
}

HeadForward head_forward(const at::Tensor& x, const at::Tensor& targets, const HeadWeights2D& weights, double scale) {
  const at::Tensor flat = targets.reshape({-1});  // (N)
  HeadForward head;
  head.kept.all_rows = x.size(0);
  head.kept.rows = rows_with_target(flat);
  head.kept.norm = norm_forward(select_rows(x, head.kept.rows), weights.norm);  // (M, C)
  const at::Tensor logits = at::mm(head.kept.norm.output, weights.matrix.t());  // (M, V)
  LossAndGradient loss = cross_entropy_with_gradient(logits, select_rows(flat, head.kept.rows), scale);
  head.sums = loss.sums;
  head.kept.logit_gradient = loss.logit_gradient;  // (M, V)
  return head;
}

at::Tensor head_backward(const HeadKept& kept, const HeadWeights2D& weights, const HeadWeights2D& gradients) {
  at::Tensor matrix_gradient = gradients.matrix;
  at::mm_out(matrix_gradient, kept.logit_gradient.t(), kept.norm.output);            // (V, M) x (M, C) -> (V, C)
  const at::Tensor normed = at::mm(kept.logit_gradient, weights.matrix);             // (M, V) x (V, C) -> (M, C)
  at::Tensor some = norm_backward(normed, kept.norm, weights.norm, gradients.norm);  // (M, C)
  if (!kept.rows.defined()) return some;
  return at::zeros({kept.all_rows, some.size(1)}, some.options()).index_copy_(0, kept.rows, some);  // (N, C)
}

}  // namespace troupe::gpt2
