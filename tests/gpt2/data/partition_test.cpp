#include "gpt2/data/partition.hpp"

#include "gpt2/data/data_error.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>

namespace troupe::gpt2 {
namespace {

constexpr std::array kModes{PartitionMode::sequential, PartitionMode::strided, PartitionMode::shuffled,
                            PartitionMode::balanced};

/// MNIST's training labels by count, mixed up.
std::vector<std::string> mnist_labels() {
  constexpr std::array<int, 10> kCounts{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
  std::vector<std::string> labels;
  for (std::size_t digit = 0; digit < kCounts.size(); ++digit) {
    labels.insert(labels.end(), static_cast<std::size_t>(kCounts[digit]), std::to_string(digit));
  }
  std::shuffle(labels.begin(), labels.end(), std::mt19937(1));
  return labels;
}

PartitionRequest request_of(std::uint64_t count, std::uint32_t parts, PartitionMode mode) {
  PartitionRequest request;
  request.count = count;
  request.parts = parts;
  request.mode = mode;
  if (mode == PartitionMode::balanced) {
    for (std::uint64_t i = 0; i < count; ++i) request.labels.push_back(i % 3 == 0 ? "a" : "b");
  }
  return request;
}

std::string partition_refusal(const PartitionRequest& request) {
  try {
    (void)partition(request);
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Partition, PT1_EveryItemIsInExactlyOnePart) {
  for (const PartitionMode mode : kModes) {
    for (const std::uint64_t count : {4U, 7U, 100U, 1001U}) {
      const PartitionResult result = partition(request_of(count, 4, mode));
      std::vector<std::uint64_t> all;
      for (const auto& part : result.parts) {
        EXPECT_TRUE(std::is_sorted(part.begin(), part.end()));
        all.insert(all.end(), part.begin(), part.end());
      }
      std::sort(all.begin(), all.end());
      ASSERT_EQ(all.size(), count) << to_string(mode);
      for (std::uint64_t i = 0; i < count; ++i) ASSERT_EQ(all[i], i);
    }
  }
}

TEST(Partition, PT2_SizesDifferByAtMostOne) {
  for (const PartitionMode mode : kModes) {
    for (const std::uint64_t count : {5U, 7U, 100U, 1001U}) {
      std::vector<std::size_t> sizes;
      for (const auto& part : partition(request_of(count, 5, mode)).parts) sizes.push_back(part.size());
      const auto [low, high] = std::minmax_element(sizes.begin(), sizes.end());
      EXPECT_LE(*high - *low, 1U) << to_string(mode) << " of " << count;
    }
  }
}

TEST(Partition, PT2_GroupsStayTogetherWithinTheBound) {
  PartitionRequest request = request_of(1000, 4, PartitionMode::shuffled);
  for (int i = 0; i < 1000; ++i) request.groups.push_back("speaker" + std::to_string(i % 97));
  const PartitionResult result = partition(request);
  std::set<std::string> seen;
  for (const auto& part : result.parts) {
    EXPECT_NEAR(static_cast<double>(part.size()), 250.0, 25.0);
    std::set<std::string> here;
    for (const std::uint64_t item : part) here.insert(request.groups[item]);
    for (const std::string& group : here) EXPECT_TRUE(seen.insert(group).second) << group << " was cut";
  }
}

TEST(Partition, PT3_MnistOverFourParts) {
  PartitionRequest request;
  request.labels = mnist_labels();
  request.parts = 4;
  request.mode = PartitionMode::balanced;
  ASSERT_EQ(request.labels.size(), 60000U);
  const PartitionResult result = partition(request);
  for (const auto& part : result.parts) EXPECT_EQ(part.size(), 15000U);
  ASSERT_EQ(result.labels.size(), 10U);
  for (const PartitionResult::Label& label : result.labels) {
    const auto [low, high] = std::minmax_element(label.counts.begin(), label.counts.end());
    EXPECT_LE(*high - *low, 1U) << "label " << label.name;
  }
  EXPECT_LE(result.largest_label_deviation, 1U);
  EXPECT_NE(partition_table(result).find("15000"), std::string::npos);
  EXPECT_NE(partition_json(result).find("15000"), std::string::npos);
}

TEST(Partition, PT4_APureFunctionOfTheRequest) {
  for (const PartitionMode mode : kModes) {
    PartitionRequest request = request_of(500, 4, mode);
    const auto parts = partition(request).parts;
    EXPECT_EQ(partition(request).parts, parts);
    request.seed = 2;
    const bool seeded = mode == PartitionMode::shuffled || mode == PartitionMode::balanced;
    EXPECT_EQ(partition(request).parts != parts, seeded) << to_string(mode);
  }
}

TEST(Partition, SequentialRunsAndStridesAreWhatTheySay) {
  EXPECT_EQ(partition(request_of(7, 3, PartitionMode::strided)).parts[1], (std::vector<std::uint64_t>{1, 4}));
  const auto runs = partition(request_of(9, 3, PartitionMode::sequential)).parts;
  EXPECT_EQ(runs[1], (std::vector<std::uint64_t>{3, 4, 5}));
}

TEST(Partition, RefusesWhatCannotBeDone) {
  EXPECT_NE(partition_refusal(request_of(3, 0, PartitionMode::shuffled)), "accepted");
  EXPECT_NE(partition_refusal(request_of(3, 4, PartitionMode::shuffled)).find("4"), std::string::npos);
  PartitionRequest unlabelled = request_of(10, 2, PartitionMode::shuffled);
  unlabelled.mode = PartitionMode::balanced;
  EXPECT_NE(partition_refusal(unlabelled).find("label"), std::string::npos);
  PartitionRequest lumpy = request_of(10, 2, PartitionMode::shuffled);
  lumpy.groups.assign(10, "everybody");
  EXPECT_NE(partition_refusal(lumpy), "accepted");
  EXPECT_THROW((void)parse_partition_mode("random"), DataError);
}

}  // namespace
}  // namespace troupe::gpt2
