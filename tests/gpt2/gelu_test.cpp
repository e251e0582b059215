#include "gpt2/layers/gelu.hpp"

#include "gpt2/layers/vector_math.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace troupe::gpt2
