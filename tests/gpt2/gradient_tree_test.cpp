#include "gpt2/gradient_tree.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace troupe::gpt2 {
namespace {

constexpr std::int64_t kFloats = 37;

/// Values of very different sizes, so that another order of addition shows in the bits.
at::Tensor gradient_of(std::uint32_t index) {
  at::Tensor gradient = at::empty({kFloats}, at::kFloat);
  for (std::int64_t i = 0; i < kFloats; ++i) {
    const auto mixed = static_cast<double>((index + 1) * 2654435761U + static_cast<std::uint32_t>(i) * 40503U);
    gradient[i] = mixed * 1e-9 * (i % 3 == 0 ? 1e4 : 1e-3) * (index % 2 == 0 ? 1.0 : -0.7);
  }
  return gradient;
}

std::vector<GradientBlock> blocks_of(std::uint32_t total, std::uint32_t first, std::uint32_t count) {
  GradientTree tree(kFloats, c10::kCPU);
  tree.begin(total, first, count);
  for (std::uint32_t i = 0; i < count; ++i) tree.add(first + i, gradient_of(first + i));
  return tree.take_blocks();
}

/// The definition, from the top down.
at::Tensor defined_sum(std::uint32_t begin, std::uint32_t width, std::uint32_t total) {
  if (width == 1) return gradient_of(begin);
  const at::Tensor left = defined_sum(begin, width / 2, total);
  return begin + width / 2 < total ? left + defined_sum(begin + width / 2, width / 2, total) : left;
}

at::Tensor combined(std::uint32_t total, std::uint32_t cuts) {
  std::vector<GradientBlock> blocks;
  std::uint32_t first = 0;
  for (std::uint32_t end = 1; end <= total; ++end) {
    if (end < total && (cuts >> (end - 1) & 1U) == 0) continue;
    for (auto& block : blocks_of(total, first, end - first)) blocks.push_back(std::move(block));
    first = end;
  }
  return combine_blocks(std::move(blocks), total);
}

TEST(GradientTree, GT1_EveryCutOfEveryTotalGivesTheDefinedSum) {
  for (std::uint32_t total = 1; total <= 12; ++total) {
    const at::Tensor expected = defined_sum(0, 16, total);
    for (std::uint32_t cuts = 0; cuts < (1U << (total - 1)); ++cuts) {
      ASSERT_TRUE(at::equal(combined(total, cuts), expected)) << "total " << total << " cuts " << cuts;
    }
  }
}

TEST(GradientTree, GT1_TheOrderWouldShowInTheBits) {
  at::Tensor sequential = gradient_of(0);
  for (std::uint32_t i = 1; i < 12; ++i) sequential = sequential + gradient_of(i);
  EXPECT_FALSE(at::equal(sequential, defined_sum(0, 16, 12)));
}

TEST(GradientTree, GT1_ARangeEndsWithItsLargestNodes) {
  const auto blocks = blocks_of(16, 3, 9);
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(blocks[0].first, 3U);
  EXPECT_EQ(blocks[0].count, 1U);
  EXPECT_EQ(blocks[1].first, 4U);
  EXPECT_EQ(blocks[1].count, 4U);
  EXPECT_EQ(blocks[2].first, 8U);
  EXPECT_EQ(blocks[2].count, 4U);
}

TEST(GradientTree, GT2_TheOrderOfAddDoesNotMatter) {
  GradientTree tree(kFloats, c10::kCPU);
  tree.begin(7, 0, 7);
  for (const std::uint32_t index : {6U, 1U, 4U, 0U, 3U, 5U, 2U}) tree.add(index, gradient_of(index));
  const auto blocks = tree.take_blocks();
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_TRUE(at::equal(blocks[0].sum, defined_sum(0, 8, 7)));
}

TEST(GradientTree, GT3_IndicesOutsideTwiceOrMissingAreErrors) {
  GradientTree tree(kFloats, c10::kCPU);
  EXPECT_THROW(tree.begin(4, 2, 3), std::runtime_error);
  tree.begin(8, 2, 3);
  EXPECT_THROW(tree.add(1, gradient_of(1)), std::runtime_error);
  EXPECT_THROW(tree.add(5, gradient_of(5)), std::runtime_error);
  tree.add(2, gradient_of(2));
  tree.add(3, gradient_of(3));
  EXPECT_THROW(tree.add(2, gradient_of(2)), std::runtime_error);
  EXPECT_THROW(tree.take_blocks(), std::runtime_error);
}

TEST(GradientTree, GT3_BlocksWithAHoleOrAnOverlapAreErrors) {
  auto hole = blocks_of(8, 0, 2);
  for (auto& block : blocks_of(8, 4, 4)) hole.push_back(std::move(block));
  EXPECT_THROW(combine_blocks(std::move(hole), 8), std::runtime_error);
  auto twice = blocks_of(8, 0, 8);
  twice.push_back(blocks_of(8, 4, 4)[0]);
  EXPECT_THROW(combine_blocks(std::move(twice), 8), std::runtime_error);
  std::vector<GradientBlock> uneven{{0, 1, gradient_of(0)}, {1, 2, gradient_of(1)}, {3, 1, gradient_of(3)}};
  EXPECT_THROW(combine_blocks(std::move(uneven), 4), std::runtime_error);
  EXPECT_THROW(combine_blocks({}, 4), std::runtime_error);
}

TEST(GradientTree, GT3_AStepAfterAnAbandonedOneStartsClean) {
  GradientTree tree(kFloats, c10::kCPU);
  tree.begin(4, 0, 4);
  tree.add(0, gradient_of(5));
  tree.begin(2, 0, 2);
  for (const std::uint32_t index : {0U, 1U}) {
    at::Tensor buffer = tree.buffer();
    tree.add(index, buffer.copy_(gradient_of(index)));
  }
  EXPECT_TRUE(at::equal(tree.take_blocks()[0].sum, defined_sum(0, 2, 2)));
}

}  // namespace
}  // namespace troupe::gpt2
