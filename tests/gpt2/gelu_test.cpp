#include "gpt2/layers/gelu.hpp"

#include "gpt2/layers/vector_math.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

namespace troupe::gpt2 {
namespace {

TEST(Gelu, VM1_ExponentialIsAccurate) {
  for (double x = -87.0; x <= 88.0; x += 0.00731) {
    const auto rounded = static_cast<float>(x);
    const double exact = std::exp(static_cast<double>(rounded));
    ASSERT_NEAR(vector_exp(rounded) / exact, 1.0, 2e-7) << x;
  }
  EXPECT_EQ(vector_exp(0.0F), 1.0F);
  EXPECT_EQ(vector_exp(-std::numeric_limits<float>::infinity()), 0.0F);
  EXPECT_TRUE(std::isfinite(vector_exp(1e30F)));
}

TEST(Gelu, GE1_ValueAndGradientAgreeWithTheTanhForm) {
  const at::Tensor x = at::linspace(-10.0, 10.0, 40001);
  const at::Tensor exact = x.to(at::kDouble).requires_grad_(true);
  const at::Tensor expected = at::gelu(exact, "tanh");
  expected.sum().backward();
  EXPECT_LT((gelu_forward(x) - expected.detach()).abs().max().item<double>(), 1e-6);
  const at::Tensor gradient = at::full_like(x, 1.0);
  gelu_backward_in_place(gradient, x);
  EXPECT_LT((gradient - exact.grad()).abs().max().item<double>(), 1e-6);
}

TEST(Gelu, GE1_FarFromZeroItIsTheIdentityOrZero) {
  const at::Tensor x = at::tensor({-1e30F, -100.0F, 100.0F, 1e10F});
  const at::Tensor y = gelu_forward(x);
  EXPECT_NEAR(y[0].item<float>() + y[1].item<float>(), 0.0F, 1e-6F);
  EXPECT_EQ(y[2].item<float>(), 100.0F);
  EXPECT_EQ(y[3].item<float>(), 1e10F);
}

/// Shortest of many tries: other work on the machine only makes single ones longer.
template <class Work>
std::chrono::nanoseconds shortest(Work&& work) {
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 40; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin));
  }
  return best;
}

TEST(Gelu, ItsLoopsAreVectorizedAndFasterThanTheLibrarys) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitized loops are slow";
#endif
  at::set_num_threads(1);
  const at::Tensor x = at::linspace(-6.0, 6.0, 1 << 19), gradient = at::ones_like(x);
  // Left scalar by the compiler they took three times as long as the library's.
  EXPECT_LT(shortest([&] { (void)gelu_forward(x); }), shortest([&] { (void)at::gelu(x, "tanh"); }));
  EXPECT_LT(shortest([&] { gelu_backward_in_place(gradient, x); }),
            shortest([&] { (void)at::gelu_backward(gradient, x, "tanh"); }));
}

}  // namespace
}  // namespace troupe::gpt2
