#include "gpt2/optimizer.hpp"

#include "gpt2/layers/vector_math.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <stdexcept>
#include <string>

namespace troupe::gpt2 {

/// The step's factors, rounded to fp32 once.
struct AdamW::Corrections {
  float gradient_scale;
  float keep1, take1;   // beta1, 1 - beta1
  float keep2, take2;   // beta2, 1 - beta2
  float rate1;          // rate / (1 - beta1^t)
  float inverse_root2;  // 1 / sqrt(1 - beta2^t)
  float epsilon;
  float shrink;  // 1 - rate * weight_decay
};

namespace {

constexpr std::size_t kLanes = 8;

double sum_of_squares(std::span<const float> values) {
  std::array<double, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      sums[lane] += value * value;
    }
  }
  for (std::size_t lane = 0; i < values.size(); ++i, ++lane) {
    const double value = values[i];
    sums[lane] += value * value;
  }
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

void check_flat(const at::Tensor& flat, std::int64_t size, const char* what) {
  if (flat.numel() < size || !flat.is_contiguous()) {
    throw std::runtime_error(std::string(what) + " must be flat with at least " + std::to_string(size) +
                             " floats, not " + std::to_string(flat.numel()));
  }
}

}  // namespace

AdamW::AdamW(const ParameterTable& table, const AdamWOptions& options, c10::Device device)
    : table_(table),
      options_(options),
      first_moment_(at::zeros({table.flat_size}, at::TensorOptions(at::kFloat).device(device))),
      second_moment_(at::zeros_like(first_moment_)) {}

AdamW::Corrections AdamW::corrections(double rate) const {
  const auto steps = static_cast<double>(steps_);
  Corrections c{};
  c.keep1 = static_cast<float>(options_.beta1);
  c.take1 = static_cast<float>(1.0 - options_.beta1);
  c.keep2 = static_cast<float>(options_.beta2);
  c.take2 = static_cast<float>(1.0 - options_.beta2);
  c.rate1 = static_cast<float>(rate / (1.0 - std::pow(options_.beta1, steps)));
  c.inverse_root2 = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(options_.beta2, steps)));
  c.epsilon = static_cast<float>(options_.epsilon);
  c.shrink = static_cast<float>(1.0 - rate * options_.weight_decay);
  return c;
}

TROUPE_WIDEST_VECTORS void AdamW::step_range(const Corrections& c, float shrink, std::int64_t count,
                                             float* __restrict w, const float* __restrict g, float* __restrict m,
                                             float* __restrict v) {
  const Corrections k = c;  // a copy: the compiler cannot know that the loop does not write into `c`
  for (std::int64_t i = 0; i < count; ++i) {
    const float scaled = g[i] * k.gradient_scale;
    m[i] = k.keep1 * m[i] + k.take1 * scaled;
    v[i] = k.keep2 * v[i] + k.take2 * (scaled * scaled);
    w[i] = w[i] * shrink - k.rate1 * m[i] / (std::sqrt(v[i]) * k.inverse_root2 + k.epsilon);
  }
}

void AdamW::step(const at::Tensor& weights, const at::Tensor& gradient, double rate, double gradient_scale) {
  check_flat(weights, table_.flat_size, "weights");
  check_flat(gradient, table_.flat_size, "gradient");
  ++steps_;
  Corrections c = corrections(rate);
  c.gradient_scale = static_cast<float>(gradient_scale);
  for (const ParameterInfo& info : table_.entries) {
    const float shrink = info.decay == Decay::yes ? c.shrink : 1.0F;
    if (!weights.is_cpu()) {
      const at::Tensor w = weights.narrow(0, info.offset, info.size);
      const at::Tensor g = gradient.narrow(0, info.offset, info.size) * c.gradient_scale;
      const at::Tensor m = first_moment_.narrow(0, info.offset, info.size);
      const at::Tensor v = second_moment_.narrow(0, info.offset, info.size);
      m.mul_(c.keep1).add_(g, c.take1);
      v.mul_(c.keep2).addcmul_(g, g, c.take2);
      w.mul_(shrink).addcdiv_(m, v.sqrt().mul_(c.inverse_root2).add_(c.epsilon), -c.rate1);
      continue;
    }
    step_range(c, shrink, info.size, weights.mutable_data_ptr<float>() + info.offset,
               gradient.const_data_ptr<float>() + info.offset, first_moment_.mutable_data_ptr<float>() + info.offset,
               second_moment_.mutable_data_ptr<float>() + info.offset);
  }
}

at::Tensor AdamW::ahead(const at::Tensor& weights, double rate, std::uint32_t updates) const {
  check_flat(weights, table_.flat_size, "weights");
  at::Tensor moved = weights.clone();
  if (updates == 0 || steps_ == 0) return moved;
  const Corrections c = corrections(rate);
  const at::Tensor root = second_moment_.sqrt().mul_(c.inverse_root2).add_(c.epsilon);
  moved.narrow(0, 0, table_.flat_size).addcdiv_(first_moment_, root, -static_cast<double>(c.rate1) * updates);
  return moved;
}

std::vector<double> parameter_squares(const ParameterTable& table, const at::Tensor& gradient) {
  check_flat(gradient, table.flat_size, "gradient");
  const at::Tensor on_host = gradient.narrow(0, 0, table.flat_size).cpu();
  const float* values = on_host.const_data_ptr<float>();
  std::vector<double> squares;
  squares.reserve(table.entries.size());
  for (const ParameterInfo& info : table.entries) {
    squares.push_back(sum_of_squares({values + info.offset, static_cast<std::size_t>(info.size)}));
  }
  return squares;
}

double clip_scale(double norm, double clip) {
  return clip > 0.0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0;
}

}  // namespace troupe::gpt2
