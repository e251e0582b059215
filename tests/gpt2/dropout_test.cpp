#include "gpt2/layers/dropout.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

namespace troupe::gpt2 {
namespace {

constexpr DropoutKey kKey{42, 3, 1, DropoutSite::attention};

at::Tensor draw(const DropoutKey& key, const std::vector<std::uint64_t>& samples, double p = 0.1) {
  return dropout_mask(key, samples, {4, 30, 30}, p);
}

std::uint64_t hash_of(const at::Tensor& mask) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  const float* values = mask.const_data_ptr<float>();
  for (std::int64_t i = 0; i < mask.numel(); ++i) hash = (hash ^ (values[i] > 0.0F ? 1U : 0U)) * 0x100000001B3u;
  return hash;
}

TEST(Dropout, DM1_ASamplesMaskDoesNotDependOnItsPlaceInTheBatch) {
  const std::uint64_t far = (1ULL << 40) + 9;
  const at::Tensor all = draw(kKey, {7, far, 11, 12});
  EXPECT_TRUE(at::equal(draw(kKey, {far})[0], all[1]));
  EXPECT_TRUE(at::equal(draw(kKey, {12, 7})[0], all[3]));
  EXPECT_FALSE(at::equal(draw(kKey, {9})[0], all[1]));  // the high half of the id counts
}

TEST(Dropout, DM1_MasksNeverChangeBetweenVersions) {
  // From a Philox4x32-10, SplitMix64 finalizer and FNV-1a written in Python from their definitions; the Philox was
  // checked against Random123's kat_vectors first.
  EXPECT_EQ(hash_of(draw(kKey, {7, 8})), 12317589182323933995ULL);
  EXPECT_EQ(hash_of(draw({0, 0, 0, DropoutSite::embedding}, {0}, 0.5)), 18142589584535422864ULL);
}

TEST(Dropout, DM2_EveryPartOfTheKeyCounts) {
  const at::Tensor mask = draw(kKey, {7});
  EXPECT_FALSE(at::equal(draw({43, 3, 1, DropoutSite::attention}, {7}), mask));
  EXPECT_FALSE(at::equal(draw({42, 4, 1, DropoutSite::attention}, {7}), mask));
  EXPECT_FALSE(at::equal(draw({42, 3, 2, DropoutSite::attention}, {7}), mask));
  EXPECT_FALSE(at::equal(draw({42, 3, 1, DropoutSite::mlp_residual}, {7}), mask));
  EXPECT_FALSE(at::equal(draw(kKey, {8}), mask));
}

TEST(Dropout, DM2_UnrelatedMasksAgreeAsOftenAsChanceDoes) {
  const at::Tensor a = draw(kKey, {7}, 0.5).gt(0);
  for (const DropoutKey& key : {DropoutKey{43, 3, 1, DropoutSite::attention}, {42, 4, 1, DropoutSite::attention}}) {
    EXPECT_NEAR(draw(key, {7}, 0.5).gt(0).eq(a).to(at::kDouble).mean().item<double>(), 0.5, 0.04);
  }
}

TEST(Dropout, ValuesAreZeroOrTheInverseOfTheKeptShare) {
  const at::Tensor mask = draw(kKey, {1, 2, 3, 4, 5, 6, 7, 8}, 0.2);
  const at::Tensor kept = mask.gt(0);
  EXPECT_NEAR(kept.to(at::kDouble).mean().item<double>(), 0.8, 0.01);
  EXPECT_TRUE(mask.masked_select(kept).eq(1.25F).all().item<bool>());
  EXPECT_TRUE(mask.masked_select(kept.logical_not()).eq(0.0F).all().item<bool>());
  EXPECT_EQ(dropout_mask(kKey, {}, {4}, 0.2).numel(), 0);
}

TEST(Dropout, ASharePracticallyOneDropsPracticallyAll) {
  for (const double p : {0.9999999, 0.9999999999, 0.99999999999, 0x1.fffffffffffffp-1}) {
    EXPECT_EQ(draw(kKey, {7}, p).count_nonzero().item<std::int64_t>(), 0) << p;
  }
}

}  // namespace
}  // namespace troupe::gpt2
