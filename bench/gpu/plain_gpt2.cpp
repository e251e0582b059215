#include "bench/gpu/plain_gpt2.hpp"

#include <c10/core/GradMode.h>

namespace troupe::bench {

PlainGpt2::PlainGpt2(const gpt2::ModelConfig& config, c10::Device device) : config_(config), device_(device) {
  const std::int64_t c = config.width;
  embedding_ = parameter({config.vocabulary, c});
  positions_ = parameter({config.context, c});
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    blocks_.push_back({parameter({c}), parameter({c}), parameter({3 * c, c}), parameter({3 * c}), parameter({c, c}),
                       parameter({c}), parameter({c}), parameter({c}), parameter({4 * c, c}), parameter({4 * c}),
                       parameter({c, 4 * c}), parameter({c})});
  }
  last_weight_ = parameter({c});
  last_bias_ = parameter({c});
}

at::Tensor PlainGpt2::parameter(at::IntArrayRef shape) {
  const at::TensorOptions options = at::TensorOptions(at::kFloat).device(device_);
  const at::Tensor value = (at::randn(shape, options) * 0.02).requires_grad_(true);
  parameters_.push_back(value);
  first_moments_.push_back(at::zeros(shape, options));
  second_moments_.push_back(at::zeros(shape, options));
  steps_.push_back(at::zeros({}, options));
  return value;
}

at::Tensor PlainGpt2::norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) const {
  return at::layer_norm(x, {config_.width}, weight + 1.0, bias);
}

at::Tensor PlainGpt2::block(const at::Tensor& x, const Block& w) const {
  const std::int64_t batch = x.size(0), tokens = x.size(1);
  const at::Tensor qkv = at::linear(norm(x, w.norm1_weight, w.norm1_bias), w.qkv_weight, w.qkv_bias)
                             .view({batch, tokens, 3, config_.heads, config_.width / config_.heads})
                             .permute({2, 0, 3, 1, 4});  // (3, B, H, T, D)
  const at::Tensor heads = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], {}, 0.0, /*is_causal=*/true);
  const at::Tensor attended = heads.transpose(1, 2).reshape({batch, tokens, config_.width});
  const at::Tensor y = x + at::linear(attended, w.project_weight, w.project_bias);
  const at::Tensor hidden = at::gelu(at::linear(norm(y, w.norm2_weight, w.norm2_bias), w.fc_weight, w.fc_bias), "tanh");
  return y + at::linear(hidden, w.out_weight, w.out_bias);
}

double PlainGpt2::forward_backward(const at::Tensor& tokens, const at::Tensor& targets, double inverse_tokens) {
  at::Tensor x = at::embedding(embedding_, tokens.to(device_)) + positions_.narrow(0, 0, tokens.size(1));
  for (const Block& weights : blocks_) x = block(x, weights);
  const at::Tensor logits = at::linear(norm(x, last_weight_, last_bias_), embedding_).view({-1, config_.vocabulary});
  const at::Tensor loss =
      at::cross_entropy_loss(logits, targets.to(device_).reshape({-1}), {}, at::Reduction::Sum, -100);
  (loss * inverse_tokens).backward();
  return loss.item<double>();
}

void PlainGpt2::update(double rate) {
  const c10::NoGradGuard no_grad;
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& value : parameters_) gradients.push_back(value.grad());
  const double norm = at::stack(at::_foreach_norm(gradients)).norm().item<double>();
  if (norm > 1.0) at::_foreach_mul_(gradients, 1.0 / norm);
  at::_foreach_add_(steps_, 1);
  at::_fused_adamw_(parameters_, gradients, first_moments_, second_moments_, {}, steps_, rate, 0.9, 0.95, 0.1, 1e-8,
                    /*amsgrad=*/false, /*maximize=*/false);
  for (at::Tensor& value : parameters_) value.mutable_grad() = at::Tensor();
}

}  // namespace troupe::bench
