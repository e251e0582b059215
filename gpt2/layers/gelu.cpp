#include "gpt2/layers/gelu.hpp"

#include "gpt2/layers/vector_math.hpp"

#include <cstdint>

namespace troupe::gpt2 {
namespace {

constexpr float kCubic = 0.044715F;
constexpr float kSlope = 1.5957691216057308F;  // 2 * sqrt(2 / pi)
constexpr std::int64_t kGrain = 32768;         // elements a thread takes at least
constexpr auto kTanhForm = "tanh";

TROUPE_WIDEST_VECTORS void forward_range(const float* __restrict x, float* __restrict y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float u = kSlope * (x[i] + kCubic * x[i] * x[i] * x[i]);
    y[i] = x[i] / (1.0F + vector_exp(-u));
  }
}

TROUPE_WIDEST_VECTORS void backward_range(const float* __restrict x, float* __restrict gradient, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float square = x[i] * x[i];
    const float u = kSlope * (x[i] + kCubic * square * x[i]);
    const float exponential = vector_exp(-u);
    const float sigmoid = 1.0F / (1.0F + exponential);
    const float slope = kSlope * (1.0F + 3.0F * kCubic * square);
    // 1 - sigmoid as a product: the difference would lose its digits where sigmoid is near 1 and slope is large.
    gradient[i] *= sigmoid + x[i] * sigmoid * (exponential * sigmoid) * slope;
  }
}

}  // namespace

at::Tensor gelu_forward(const at::Tensor& x) {
  if (!x.is_cpu()) return at::gelu(x, kTanhForm);
  at::Tensor y = at::empty_like(x);
  const float* from = x.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  at::parallel_for(0, x.numel(), kGrain,
                   [&](std::int64_t begin, std::int64_t end) { forward_range(from + begin, to + begin, end - begin); });
  return y;
}

void gelu_backward_in_place(const at::Tensor& gradient, const at::Tensor& x) {
  at::Tensor result = gradient;
  if (!x.is_cpu()) {
    at::gelu_backward_out(result, gradient, x, kTanhForm);
    return;
  }
  const float* from = x.const_data_ptr<float>();
  float* to = result.mutable_data_ptr<float>();
  at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    backward_range(from + begin, to + begin, end - begin);
  });
}

}  // namespace troupe::gpt2
