#pragma once

#include "gpt2/config.hpp"
#include "gpt2/layers/block.hpp"
#include "gpt2/layers/loss.hpp"
#include "gpt2/layers/torch.hpp"

#include <cstdint>

namespace troupe::gpt2 {

/// Fixed sinusoidal positions (Vaswani et al. 2017, section 3.5), (T, C): sine in even columns, cosine in odd ones.
at::Tensor sinusoidal_positions(std::int64_t tokens, std::int64_t width);

/// wte[token] + positions[0..T): tokens int64 (B, T), table (V, C), positions (context, C) -> (N, C). `mask` (N, C)
/// multiplies the sum and may be undefined.
at::Tensor embed(const at::Tensor& tokens, const at::Tensor& table, const at::Tensor& positions,
                 const at::Tensor& mask);

/// Gradients of the embeddings, views of a flat gradient; positions is undefined when they are not trained.
struct EmbeddingGradients {
  at::Tensor table;      ///< (V, C)
  at::Tensor positions;  ///< (context, C)
};

/// Writes both from the gradient (N, C) of embed's output.
void embed_backward(const at::Tensor& output_gradient, const at::Tensor& tokens, const at::Tensor& mask,
                    const EmbeddingGradients& gradients);

/// The final norm and the output matrix (V, C): logits = ln_f(x) x matrix^T.
struct HeadWeights2D {
  NormWeights norm;
  at::Tensor matrix;
};

/// Of the N rows only the M that have a target are computed: padding costs nothing in the widest layer.
struct HeadKept {
  NormForward norm;           ///< of (M, C)
  at::Tensor logit_gradient;  ///< (M, V)
  at::Tensor rows;            ///< int64 (M), undefined where all rows have a target
  std::int64_t all_rows = 0;  ///< N
};

struct HeadForward {
  LossSums sums;
  HeadKept kept;
};

at::Tensor head_logits(const at::Tensor& x, const HeadWeights2D& weights);

/// Loss only: x (N, C), targets int64 with N elements.
LossSums head_loss(const at::Tensor& x, const at::Tensor& targets, const HeadWeights2D& weights);
HeadForward head_forward(const at::Tensor& x, const at::Tensor& targets, const HeadWeights2D& weights, double scale);

/// Gradient of x (N, C); those of norm and matrix are written to `gradients`.
at::Tensor head_backward(const HeadKept& kept, const HeadWeights2D& weights, const HeadWeights2D& gradients);

}  // namespace troupe::gpt2
