#pragma once

#include "gpt2/layers/torch.hpp"
#include "gpt2/stage_plan.hpp"

#include <cstdint>
#include <vector>

namespace troupe::gpt2 {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
};

/// AdamW (Loshchilov and Hutter 2019): bias-corrected moments, decoupled decay of matrices only, everything flat fp32.
/// AW-1  Follows a double-precision computation of the same formula to fp32 accuracy.
/// AW-2  Elementwise: an element's result depends on its own values alone, never on its place or the layout.
/// AW-3  Vectors (biases, layer norms) are not decayed.
/// AW-5  ahead() is where `updates` more steps along the present moments would end; for 0 the same bits.
class AdamW {
public:
  AdamW(const ParameterTable& table, const AdamWOptions& options, c10::Device device);

  /// One step in place on `weights` (flat_size floats) with gradient * gradient_scale at learning rate `rate`.
  void step(const at::Tensor& weights, const at::Tensor& gradient, double rate, double gradient_scale);

  /// A copy of `weights` (flat_size floats) moved on as `updates` steps of rate `rate` along the moments as they are
  /// would move them, without decay: what weights are expected to be when a gradient computed now is used that many
  /// updates later (SpecTrain: Chen, Yang and Cheng 2018, arXiv 1809.02839).
  [[nodiscard]] at::Tensor ahead(const at::Tensor& weights, double rate, std::uint32_t updates) const;

  /// Flat fp32 moments laid out like the weights; copy into them to restore, together with set_steps.
  const at::Tensor& first_moment() const { return first_moment_; }
  const at::Tensor& second_moment() const { return second_moment_; }
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

private:
  struct Corrections;
  Corrections corrections(double rate) const;
  static void step_range(const Corrections& c, float shrink, std::int64_t count, float* w, const float* g, float* m,
                         float* v);

  ParameterTable table_;
  AdamWOptions options_;
  at::Tensor first_moment_;
  at::Tensor second_moment_;
  std::int64_t steps_ = 0;
};

/// Sum of squares of each parameter's gradient, in the order of table.entries, in double and in one fixed order. Add
/// those of all stages in canonical order, a tied copy once, to get the square of the global norm.
/// AW-4  A parameter's sum does not depend on where it lies in the flat buffer.
std::vector<double> parameter_squares(const ParameterTable& table, const at::Tensor& gradient);

/// min(1, clip / (norm + 1e-6)), as torch's clip_grad_norm_; 1 when clip is 0 (no clipping).
double clip_scale(double norm, double clip);

}  // namespace troupe::gpt2
