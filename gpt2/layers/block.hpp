#pragma once

#include "gpt2/layers/attention.hpp"
#include "gpt2/layers/torch.hpp"
#include "gpt2/stage_plan.hpp"

#include <cstdint>

namespace troupe::gpt2 {

/// The view of one parameter in a flat buffer (weights or gradient), in the parameter's own shape.
at::Tensor parameter_view(const at::Tensor& flat, const ParameterInfo& info);

struct NormWeights {
  at::Tensor weight;  ///< (C)
  at::Tensor bias;    ///< (C)
};

struct LinearWeights {
  at::Tensor weight;  ///< (in, out)
  at::Tensor bias;    ///< (out)
};

/// Views of `prefix`.weight and `prefix`.bias.
NormWeights norm_views(const ParameterTable& table, const at::Tensor& flat, const std::string& prefix);

struct NormForward {
  at::Tensor output;   ///< (N, C)
  at::Tensor input;    ///< (N, C)
  at::Tensor mean;     ///< (N, 1)
  at::Tensor inverse;  ///< (N, 1), 1 / standard deviation
};

/// Layer norm with epsilon 1e-5 (Ba et al. 2016) of x (N, C).
NormForward norm_forward(const at::Tensor& x, const NormWeights& weights);

/// Gradient of the input; those of the weights are written to `gradients`.
at::Tensor norm_backward(const at::Tensor& output_gradient, const NormForward& kept, const NormWeights& weights,
                         const NormWeights& gradients);

/// A block's parameters, or its gradients: views of a flat buffer.
struct BlockWeights {
  NormWeights ln_1;
  LinearWeights qkv;         ///< (C, 3C)
  LinearWeights projection;  ///< (C, C)
  NormWeights ln_2;
  LinearWeights expansion;    ///< (C, 4C)
  LinearWeights contraction;  ///< (4C, C)
};

BlockWeights block_views(const ParameterTable& table, const at::Tensor& flat, std::int64_t layer);

/// Dropout masks of a block, each undefined without dropout.
struct BlockMasks {
  at::Tensor attention;           ///< (B*H, T, T)
  at::Tensor attention_residual;  ///< (N, C)
  at::Tensor mlp_residual;        ///< (N, C)
};

/// What a block keeps between forward and backward.
struct BlockKept {
  NormForward ln_1;
  AttentionKept attention;
  at::Tensor attended;  ///< (N, C)
  NormForward ln_2;
  at::Tensor expanded;   ///< (N, 4C), before GELU
  at::Tensor activated;  ///< (N, 4C), after GELU
  BlockMasks masks;
};

struct BlockForward {
  at::Tensor output;  ///< (N, C)
  BlockKept kept;
};

/// One pre-norm transformer block of GPT-2: x += attention(ln_1(x)); x += mlp(ln_2(x)), GELU in its tanh form.
/// BL-1  Gradients agree with automatic differentiation of the same formula.
BlockForward block_forward(const at::Tensor& x, const BlockWeights& weights, const AttentionShape& shape,
                           const BlockMasks& masks);

/// Gradient of the block's input (N, C) from that of its output; the parameters' gradients are written (not added) to
/// `gradients`.
at::Tensor block_backward(const at::Tensor& output_gradient, const BlockKept& kept, const BlockWeights& weights,
                          const BlockWeights& gradients, const AttentionShape& shape);

}  // namespace troupe::gpt2
