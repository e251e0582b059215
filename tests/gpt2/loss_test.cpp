#include "gpt2/layers/loss.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

namespace troupe::gpt2 {
namespace {

struct Case {
  at::Tensor logits = at::randn({24, 17}, at::make_generator<at::CPUGeneratorImpl>(5), at::kFloat) * 3;
  at::Tensor targets = at::arange(24, at::kLong).remainder(17);
};

TEST(Loss, CEL1_IgnoredRowsChangeNothingElse) {
  Case with;
  with.targets.narrow(0, 20, 4).fill_(kIgnoredTarget);
  const LossAndGradient loss = cross_entropy_with_gradient(with.logits, with.targets, 0.25);
  const LossAndGradient only =
      cross_entropy_with_gradient(with.logits.narrow(0, 0, 20), with.targets.narrow(0, 0, 20), 0.25);
  EXPECT_NEAR(loss.sums.loss_sum, only.sums.loss_sum, 1e-9);
  EXPECT_EQ(loss.sums.correct, only.sums.correct);
  EXPECT_EQ(loss.sums.valid, 20);
  EXPECT_TRUE(at::equal(loss.logit_gradient.narrow(0, 0, 20), only.logit_gradient));
  EXPECT_TRUE(loss.logit_gradient.narrow(0, 20, 4).eq(0).all().item<bool>());
}

TEST(Loss, CEL1_ABatchWithoutValidTokensHasNoLoss) {
  Case none;
  none.targets.fill_(kIgnoredTarget);
  const LossAndGradient loss = cross_entropy_with_gradient(none.logits, none.targets, 1.0);
  EXPECT_EQ(loss.sums, LossSums{});
  EXPECT_TRUE(loss.logit_gradient.eq(0).all().item<bool>());
}

TEST(Loss, CEL2_SumsAndGradientAgreeWithAutomaticDifferentiation) {
  Case one;
  one.targets[3] = kIgnoredTarget;
  const at::Tensor exact = one.logits.to(at::kDouble).requires_grad_(true);
  const at::Tensor expected = at::cross_entropy_loss(exact, one.targets, {}, at::Reduction::Sum, kIgnoredTarget);
  (expected * 0.125).backward();
  const LossAndGradient loss = cross_entropy_with_gradient(one.logits, one.targets, 0.125);
  EXPECT_NEAR(loss.sums.loss_sum, expected.item<double>(), 1e-4);
  EXPECT_LT((loss.logit_gradient - exact.grad()).abs().max().item<double>(), 1e-7);
  EXPECT_EQ(cross_entropy(one.logits, one.targets), loss.sums);
}

TEST(Loss, CorrectCountsTheLikeliestToken) {
  at::Tensor logits = at::zeros({3, 4});
  logits[0][1] = 5.0;
  logits[1][2] = 5.0;
  logits[2][3] = 5.0;
  EXPECT_EQ(cross_entropy(logits, at::tensor({1, 0, 3}, at::kLong)).correct, 2);
}

TEST(Loss, ATargetOutsideTheVocabularyIsRefused) {
  EXPECT_THROW(cross_entropy(at::zeros({2, 4}), at::tensor({1, 4}, at::kLong)), c10::Error);
  EXPECT_THROW(cross_entropy(at::zeros({2, 4}), at::tensor({1, -7}, at::kLong)), c10::Error);
}

}  // namespace
}  // namespace troupe::gpt2
