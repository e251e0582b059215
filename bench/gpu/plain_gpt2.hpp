#pragma once

#include "gpt2/config.hpp"

#include <ATen/ATen.h>

#include <vector>

namespace troupe::bench {

/// The peer: GPT-2 written the ordinary way, with LibTorch's differentiable operators, its fused attention and its
/// fused AdamW. Learned positions, tied head, no dropout.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns weights, gradients and moments.
/// Errors:        c10::Error.
/// Restart:       none.
class PlainGpt2 final {
public:
  PlainGpt2(const gpt2::ModelConfig& config, c10::Device device);

  /// Adds the gradient of a micro-batch, tokens and targets (B, T); returns the sum of its token losses.
  double forward_backward(const at::Tensor& tokens, const at::Tensor& targets, double inverse_tokens);
  /// Clips to a norm of 1, updates, and clears the gradients.
  void update(double rate);

private:
  struct Block {
    at::Tensor norm1_weight, norm1_bias, qkv_weight, qkv_bias, project_weight, project_bias;
    at::Tensor norm2_weight, norm2_bias, fc_weight, fc_bias, out_weight, out_bias;
  };
  at::Tensor parameter(at::IntArrayRef shape);
  at::Tensor block(const at::Tensor& x, const Block& weights) const;
  at::Tensor norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const;

  const gpt2::ModelConfig config_;
  const c10::Device device_;
  std::vector<at::Tensor> parameters_, first_moments_, second_moments_, steps_;
  at::Tensor embedding_, positions_, last_weight_, last_bias_;
  std::vector<Block> blocks_;
};

}  // namespace troupe::bench
