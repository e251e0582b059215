#include "actors/collective/nccl_collective.hpp"

#include "actors/device_check.hpp"
#include "tests/support/collective_member.hpp"

#include <gtest/gtest.h>

namespace troupe::tests {
namespace {

const c10::Device kGpu(c10::kCUDA, 0);

/// Needs one GPU; NCCL takes one rank of a group on it, so the other members of a group are only spoken for.
class NcclCollective : public testing::Test {
protected:
  void SetUp() override {
    if (actors::cuda_devices() == 0) GTEST_SKIP() << "no CUDA device here";
  }
  void add(CollectiveNode& node, const SumCase& what, runtime::Duration deadline) {
    actors::GatherOptions options;
    options.deadline = deadline;
    options.chunk = 4096;
    auto collective =
        std::make_unique<actors::GatherCollective>(what.group(0), actors::make_nccl_communicator(0), options);
    ASSERT_EQ(node.add(0, what, std::move(collective)), "");
  }
  void expect_sum(CollectiveNode& node, const SumCase& what, const SumStep& step) {
    const auto [total, failure] = node.sum(0, step);
    ASSERT_EQ(failure, "");
    EXPECT_TRUE(at::equal(*total, what.expected(step.step)));
  }
  static void expect_has(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
};

TEST_F(NcclCollective, GC1_OneRankSumsAsTheTreeDoes) {
  for (const std::uint32_t micro_batches : {1U, 5U, 8U}) {
    const SumCase what{1, micro_batches, 10000, kGpu};
    CollectiveNode node;
    add(node, what, std::chrono::seconds(60));
    expect_sum(node, what, {0, 0});
    expect_sum(node, what, {0, 1});
  }
}

TEST_F(NcclCollective, GC2_ARendezvousWithOneOfTwoRanksIsAbortedAtTheDeadline) {
  const SumCase what{2, 4, 10000, kGpu};
  CollectiveNode node;
  add(node, what, std::chrono::seconds(3));
  const SumStep step{0, 4};
  const actors::GatherOffer ghost{0, 4, 1, 10000, what.contribution(1, step).blocks, "another host"};
  ASSERT_TRUE((*node).send(SumCase::name(0), ghost));
  expect_has(node.sum(0, step).second, "stage/r1.s0 offered a gradient and then never connected");

  const SumCase alone{1, 4, 10000, kGpu};
  CollectiveNode next;  // the GPU and NCCL serve the next group
  add(next, alone, std::chrono::seconds(60));
  expect_sum(next, alone, {0, 0});
}

TEST_F(NcclCollective, GC3_AnEpochThatEndsDuringTheRendezvousLeavesIt) {
  const SumCase what{2, 4, 10000, kGpu};
  CollectiveNode node;
  add(node, what, std::chrono::seconds(60));
  const actors::GatherOffer ghost{0, 4, 1, 10000, what.contribution(1, {0, 4}).blocks, "another host"};
  ASSERT_TRUE((*node).send(SumCase::name(0), ghost));
  ASSERT_TRUE((*node).send(SumCase::name(0), SumStep{0, 4}));  // nobody waits for the answer
  EXPECT_TRUE(node.begin_epoch(0, 1));
}

TEST_F(NcclCollective, GC3_EveryEpochConnectsAnew) {
  const SumCase what{1, 4, 10000, kGpu};
  CollectiveNode node;
  add(node, what, std::chrono::seconds(60));
  for (std::uint32_t epoch = 1; epoch < 4; ++epoch) {
    ASSERT_TRUE(node.begin_epoch(0, epoch));
    expect_sum(node, what, {epoch, 0});
  }
}

TEST_F(NcclCollective, TwoRanksOnOneGpuAreRefusedBeforeNcclIsAsked) {
  const SumCase what{2, 4, 10000, kGpu};
  CollectiveNode node;
  add(node, what, std::chrono::seconds(60));
  const std::string device = actors::make_nccl_communicator(0)->device();
  const actors::GatherOffer ghost{0, 4, 1, 10000, what.contribution(1, {0, 4}).blocks, device};
  ASSERT_TRUE((*node).send(SumCase::name(0), ghost));
  expect_has(node.sum(0, {0, 4}).second, "are both on " + device);
}

}  // namespace
}  // namespace troupe::tests
