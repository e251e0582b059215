#pragma once

#include "gpt2/layers/torch.hpp"

#include <cstdint>

namespace troupe::gpt2 {

/// B samples of T tokens; H heads of D floats each, H * D = C. N = B * T rows.
struct AttentionShape {
  std::int64_t batch;
  std::int64_t tokens;
  std::int64_t heads;
  std::int64_t head_width;

  std::int64_t rows() const { return batch * tokens; }
  std::int64_t width() const { return heads * head_width; }
};

/// What backward needs: q, k, v as (B*H, T, D), the softmax (B*H, T, T), and the dropout mask like it or undefined.
struct AttentionKept {
  at::Tensor query;
  at::Tensor key;
  at::Tensor value;
  at::Tensor softmax;
  at::Tensor mask;
};

struct AttentionForward {
  at::Tensor output;  ///< (N, C)
  AttentionKept kept;
};

/// Causal self attention (Vaswani et al. 2017, masked; scale 1 / sqrt(D)) of qkv (N, 3C), split q|k|v, heads
/// contiguous. `mask` multiplies the softmax and may be undefined.
/// AT-1  A position's output depends on no later position.
AttentionForward attention_forward(const at::Tensor& qkv, const AttentionShape& shape, const at::Tensor& mask);

/// Gradient of qkv, (N, 3C), from that of the output, (N, C).
at::Tensor attention_backward(const at::Tensor& output_gradient, const AttentionKept& kept,
                              const AttentionShape& shape);

}  // namespace troupe::gpt2
