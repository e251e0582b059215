#include "gpt2/layers/attention.hpp"

#include <cmath>
#include <limits>

namespace troupe::gpt2 {
namespace {

double scale_of(const AttentionShape& shape) {
  return 1.0 / std::sqrt(static_cast<double>(shape.head_width));
}

/// (1, T, T): 0 on and below the diagonal, minus infinity above.
at::Tensor causal_bias(const AttentionShape& shape, const at::TensorOptions& options) {
  return at::full({1, shape.tokens, shape.tokens}, -std::numeric_limits<float>::infinity(), options).triu_(1);
}

/// (B*H, T, D) written into the view (B, T, H, D) of a packed tensor.
void unpack_heads(const at::Tensor& packed, const at::Tensor& heads, const AttentionShape& shape) {
  packed.copy_(heads.view({shape.batch, shape.heads, shape.tokens, shape.head_width}).transpose(1, 2));
}

}  // namespace

AttentionForward attention_forward(const at::Tensor& qkv, const AttentionShape& shape, const at::Tensor& mask) {
  const std::int64_t batches = shape.batch * shape.heads;
  const at::Tensor packed = qkv.view({shape.batch, shape.tokens, 3, shape.heads, shape.head_width})
                                .permute({2, 0, 3, 1, 4})
                                .contiguous()
                                .view({3, batches, shape.tokens, shape.head_width});  // (3, B*H, T, D)
  AttentionKept kept{packed[0], packed[1], packed[2], {}, mask};                      // each (B*H, T, D)
  const at::Tensor bias = causal_bias(shape, qkv.options()).expand({batches, shape.tokens, shape.tokens});
  const at::Tensor scores =
      at::baddbmm(bias, kept.query, kept.key.transpose(1, 2), 1.0, scale_of(shape));  // (B*H, T, T)
  kept.softmax = at::_softmax(scores, -1, false);                                     // (B*H, T, T)
  const at::Tensor weights = mask.defined() ? kept.softmax * mask : kept.softmax;     // (B*H, T, T)
  const at::Tensor mixed = at::bmm(weights, kept.value);                              // (B*H, T, D)
  at::Tensor output = at::empty({shape.rows(), shape.width()}, qkv.options());
  unpack_heads(output.view({shape.batch, shape.tokens, shape.heads, shape.head_width}), mixed, shape);
  return {output, kept};
}

at::Tensor attention_backward(const at::Tensor& output_gradient, const AttentionKept& kept,
                              const AttentionShape& shape) {
  const std::int64_t batches = shape.batch * shape.heads;
  const at::Tensor mixed_gradient = output_gradient.view({shape.batch, shape.tokens, shape.heads, shape.head_width})
                                        .transpose(1, 2)
                                        .contiguous()
                                        .view({batches, shape.tokens, shape.head_width});  // (B*H, T, D)
  const at::Tensor weights = kept.mask.defined() ? kept.softmax * kept.mask : kept.softmax;
  const at::Tensor value_gradient = at::bmm(weights.transpose(1, 2), mixed_gradient);  // (B*H, T, D)
  at::Tensor softmax_gradient = at::bmm(mixed_gradient, kept.value.transpose(1, 2));   // (B*H, T, T)
  if (kept.mask.defined()) softmax_gradient.mul_(kept.mask);
  const at::Tensor scores_gradient = at::_softmax_backward_data(softmax_gradient, kept.softmax, -1, at::kFloat);
  scores_gradient.mul_(scale_of(shape));                                                 // (B*H, T, T)
  const at::Tensor query_gradient = at::bmm(scores_gradient, kept.key);                  // (B*H, T, D)
  const at::Tensor key_gradient = at::bmm(scores_gradient.transpose(1, 2), kept.query);  // (B*H, T, D)
  at::Tensor packed =
      at::empty({shape.batch, shape.tokens, 3, shape.heads, shape.head_width}, output_gradient.options());
  unpack_heads(packed.select(2, 0), query_gradient, shape);
  unpack_heads(packed.select(2, 1), key_gradient, shape);
  unpack_heads(packed.select(2, 2), value_gradient, shape);
  return packed.view({shape.rows(), 3 * shape.width()});  // (N, 3C)
}

}  // namespace troupe::gpt2
