#include "gpt2/learning_rate.hpp"

#include <gtest/gtest.h>

namespace troupe::gpt2 {
namespace {

constexpr LearningRate kCosine{LearningRateShape::cosine, 1.0, 0.1, 10, 110};

TEST(LearningRate, LR1_WarmUpRisesFromOneShareToTheRate) {
  EXPECT_DOUBLE_EQ(learning_rate(kCosine, 0), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(kCosine, 4), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(kCosine, 9), 1.0);
}

TEST(LearningRate, LR2_CosineAndLinearFallToTheMinimumAndStay) {
  EXPECT_DOUBLE_EQ(learning_rate(kCosine, 10), 1.0);
  EXPECT_NEAR(learning_rate(kCosine, 60), 0.55, 1e-12);
  EXPECT_NEAR(learning_rate(kCosine, 35), 0.1 + 0.9 * 0.8535533905932737, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate(kCosine, 110), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(kCosine, 1000), 0.1);
  LearningRate linear = kCosine;
  linear.shape = LearningRateShape::linear;
  EXPECT_NEAR(learning_rate(linear, 35), 0.775, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate(linear, 110), 0.1);
}

TEST(LearningRate, LR2_ConstantStays) {
  const LearningRate constant{LearningRateShape::constant, 0.5, 0.0, 0, 10};
  EXPECT_DOUBLE_EQ(learning_rate(constant, 0), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(constant, 99), 0.5);
}

TEST(LearningRate, LR2_WarmUpAsLongAsTheRunIsFinite) {
  EXPECT_DOUBLE_EQ(learning_rate({LearningRateShape::cosine, 1.0, 0.25, 5, 5}, 5), 0.25);
}

}  // namespace
}  // namespace troupe::gpt2
