#include "gpt2/data/data_order.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::gpt2 {
namespace {

TEST(DataOrder, DO1_EverySampleOfAnEpochComesExactlyOnce) {
  for (const std::uint64_t samples : {1U, 2U, 3U, 7U, 64U, 65U, 1000U}) {
    const DataOrder order(samples, 5);
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      const std::vector<std::uint64_t> used = order.samples(epoch * samples, samples);
      const std::set<std::uint64_t> distinct(used.begin(), used.end());
      EXPECT_EQ(distinct.size(), samples);
      EXPECT_EQ(*distinct.rbegin(), samples - 1);
    }
  }
}

TEST(DataOrder, DO1_EpochsDifferInOrder) {
  const DataOrder order(1000, 5);
  EXPECT_NE(order.samples(0, 1000), order.samples(1000, 1000));
  EXPECT_EQ(order.epoch_at(999), 0U);
  EXPECT_EQ(order.epoch_at(1000), 1U);
}

TEST(DataOrder, DO2_APureFunctionOfSeedAndPosition) {
  const DataOrder order(1000, 5);
  const std::vector<std::uint64_t> run = order.samples(900, 200);  // over the end of an epoch
  for (std::uint64_t i = 0; i < run.size(); ++i) EXPECT_EQ(DataOrder(1000, 5).sample_at(900 + i), run[i]);
  EXPECT_NE(DataOrder(1000, 6).samples(900, 200), run);
}

TEST(DataOrder, NeighboursInTheOrderAreStrangersInTheData) {
  const std::vector<std::uint64_t> used = DataOrder(10000, 1).samples(0, 10000);
  int near = 0;
  for (std::size_t i = 1; i < used.size(); ++i) near += used[i] == used[i - 1] + 1 ? 1 : 0;
  EXPECT_LT(near, 20);  // one is expected of a random permutation
}

}  // namespace
}  // namespace troupe::gpt2
