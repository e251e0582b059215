#pragma once

#include "gpt2/config.hpp"
#include "gpt2/layers/block.hpp"
#include "gpt2/layers/dropout.hpp"
#include "gpt2/layers/ends.hpp"
#include "gpt2/stage.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <map>
#include <string>

namespace troupe::tests {

/// GPT-2 written with differentiable operators only, in double, so that automatic differentiation gives the gradients
/// the hand-written passes must agree with. Shares no forward or backward code with the library.
class ReferenceModel {
public:
  explicit ReferenceModel(const gpt2::Stage& whole) : config_(whole.config()) {
    for (const gpt2::ParameterInfo& info : whole.parameters().entries) {
      const at::Tensor view = gpt2::parameter_view(whole.weights(), info);
      parameters_[info.name] = view.cpu().to(at::kDouble).clone().requires_grad_(true);
    }
  }

  /// Sum of token losses times `scale`; dropout masks are those of `seed` and `micro_batch`.
  at::Tensor loss(const at::Tensor& tokens, const at::Tensor& targets, double scale, std::uint64_t seed,
                  const gpt2::MicroBatch& micro_batch) const {
    const at::Tensor flat = logits(tokens, seed, micro_batch).view({-1, config_.vocabulary});
    return at::cross_entropy_loss(flat, targets.reshape({-1}), {}, at::Reduction::Sum, gpt2::kIgnoredTarget) * scale;
  }

  at::Tensor logits(const at::Tensor& tokens, std::uint64_t seed, const gpt2::MicroBatch& micro_batch) const {
    const std::int64_t batch = tokens.size(0), length = tokens.size(1);
    const Masks masks{seed, micro_batch, config_.dropout};
    const at::Tensor positions = config_.positions == gpt2::Positions::learned
                                     ? at("wpe.weight")
                                     : gpt2::sinusoidal_positions(config_.context, config_.width).to(at::kDouble);
    at::Tensor x = at::embedding(at("wte.weight"), tokens) + positions.narrow(0, 0, length);
    x = x * masks.draw(0, gpt2::DropoutSite::embedding, {length, config_.width});
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
      const std::string name = "h." + std::to_string(layer) + ".";
      const at::Tensor attended =
          attention(norm(x, name + "ln_1"), name + "attn.", {batch, length}, masks.attention(layer, config_, length));
      x = x + attended * masks.draw(layer, gpt2::DropoutSite::attention_residual, {length, config_.width});
      const at::Tensor hidden = at::gelu(linear(norm(x, name + "ln_2"), name + "mlp.c_fc"), "tanh");
      x = x + linear(hidden, name + "mlp.c_proj") *
                  masks.draw(layer, gpt2::DropoutSite::mlp_residual, {length, config_.width});
    }
    const bool tied = config_.head == gpt2::HeadWeights::tied;
    return at::matmul(norm(x, "ln_f"), at(tied ? "wte.weight" : "lm_head.weight").t());
  }

  const at::Tensor& at(const std::string& name) const { return parameters_.at(name); }
  const std::map<std::string, at::Tensor>& parameters() const { return parameters_; }

private:
  struct Masks {
    std::uint64_t seed;
    const gpt2::MicroBatch& micro_batch;
    double p;

    at::Tensor draw(std::int64_t layer, gpt2::DropoutSite site, at::IntArrayRef shape) const {
      if (p == 0.0) return at::ones({1}, at::kDouble);
      const gpt2::DropoutKey key{seed, micro_batch.step, static_cast<std::uint32_t>(layer), site};
      return gpt2::dropout_mask(key, micro_batch.samples, shape, p).to(at::kDouble);
    }

    at::Tensor attention(std::int64_t layer, const gpt2::ModelConfig& config, std::int64_t length) const {
      return draw(layer, gpt2::DropoutSite::attention, {config.heads, length, length});
    }
  };

  struct Size {
    std::int64_t batch;
    std::int64_t length;
  };

  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return at::layer_norm(x, {config_.width}, at(name + ".weight"), at(name + ".bias"), 1e-5);
  }

  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    return at::matmul(x, at(name + ".weight")) + at(name + ".bias");
  }

  at::Tensor attention(const at::Tensor& x, const std::string& name, Size size, const at::Tensor& mask) const {
    const std::int64_t head_width = config_.width / config_.heads;
    const auto parts = linear(x, name + "c_attn").split(config_.width, 2);
    const auto heads = [&](const at::Tensor& part) {
      return part.view({size.batch, size.length, config_.heads, head_width}).transpose(1, 2);
    };
    const at::Tensor scores =
        at::matmul(heads(parts[0]), heads(parts[1]).transpose(2, 3)) / std::sqrt(static_cast<double>(head_width));
    const at::Tensor later = at::ones({size.length, size.length}, at::kBool).triu(1);
    const at::Tensor weights = at::softmax(scores.masked_fill(later, -INFINITY), -1) * mask;
    const at::Tensor mixed = at::matmul(weights, heads(parts[2])).transpose(1, 2);
    return linear(mixed.reshape({size.batch, size.length, config_.width}), name + "c_proj");
  }

  gpt2::ModelConfig config_;
  std::map<std::string, at::Tensor> parameters_;
};

}  // namespace troupe::tests
