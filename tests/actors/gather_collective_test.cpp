#include "actors/collective/gather_collective.hpp"

#include "tests/support/board_communicator.hpp"
#include "tests/support/collective_member.hpp"

#include <gtest/gtest.h>

#include <future>

namespace troupe::tests {
namespace {

actors::GatherOptions with_deadline(runtime::Duration deadline) {
  actors::GatherOptions options;
  options.deadline = deadline;
  options.poll_interval = std::chrono::microseconds(100);
  return options;
}

const actors::GatherOptions kPatient = with_deadline(std::chrono::seconds(30));
const actors::GatherOptions kImpatient = with_deadline(std::chrono::milliseconds(150));

/// A group on one node, whose members meet on one board.
struct GatherGroup {
  explicit GatherGroup(const SumCase& sum_case) : what(sum_case) {}

  void add(std::uint32_t member, const actors::GatherOptions& options, const std::string& device = "") {
    auto communicator = std::make_unique<BoardCommunicator>(board, device);
    auto collective = std::make_unique<actors::GatherCollective>(what.group(member), std::move(communicator), options);
    ASSERT_EQ(node.add(member, what, std::move(collective)), "");
  }
  void add_all(const actors::GatherOptions& options) {
    for (std::uint32_t member = 0; member < what.members; ++member) add(member, options);
  }
  /// All members sum a step at once, and each must get the bits of the tree.
  void expect_sum(const SumStep& step) {
    std::vector<std::future<std::pair<std::optional<at::Tensor>, std::string>>> sums;
    for (std::uint32_t member = 0; member < what.members; ++member) {
      sums.push_back(std::async(std::launch::async, [this, member, step] { return node.sum(member, step); }));
    }
    for (auto& sum : sums) {
      const auto [total, failure] = sum.get();
      EXPECT_EQ(failure, "");
      EXPECT_TRUE(total && at::equal(*total, what.expected(step.step)));
    }
  }
  /// Member 0 is told something in the name of a member that is not there.
  template <class M>
  void tell_first(const M& message) {
    ASSERT_TRUE((*node).send(SumCase::name(0), message));
  }
  actors::GatherOffer offer_of(std::uint32_t member, const SumStep& step, const std::string& device = "") const {
    return {step.epoch,
            step.step,
            member,
            static_cast<std::uint64_t>(what.elements),
            what.contribution(member, step).blocks,
            device};
  }

  const SumCase what;
  Board board;
  CollectiveNode node;
};

void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(GatherCollective, GC1_TheSumIsThatOfTheTreeForAnyMembersAndChunk) {
  for (const SumCase what : {SumCase{1, 5, 100}, SumCase{2, 6, 100}, SumCase{3, 12, 101}, SumCase{4, 8, 64}}) {
    for (const std::int64_t chunk : {7, 64, 1000}) {
      SCOPED_TRACE(std::to_string(what.members) + " members, chunks of " + std::to_string(chunk));
      GatherGroup group(what);
      actors::GatherOptions options = kPatient;
      options.chunk = chunk;
      group.add_all(options);
      group.expect_sum({0, 0});
      group.expect_sum({0, 1});
      EXPECT_EQ(group.board.ids(), 1);  // the epoch's communicator served both
    }
  }
}

TEST(GatherCollective, GC2_WhoNeverOfferedIsNamedAndNobodyConnects) {
  GatherGroup group({3, 6, 10});
  group.add(0, kImpatient);
  group.tell_first(group.offer_of(2, {0, 4}));
  const std::string failure = group.node.sum(0, {0, 4}).second;
  expect_has(failure, "step 5 over 3 replicas did not end within 150 ms: stage/r1.s0 never offered");
  expect_has(failure, "troupe logs");
  EXPECT_EQ(group.board.ids(), 0);
}

TEST(GatherCollective, GC2_WhoOffersAndNeverConnectsIsNamedAndTheRestIsAborted) {
  GatherGroup group({2, 4, 10});
  group.add(0, kImpatient);
  group.tell_first(group.offer_of(1, {0, 4}));
  expect_has(group.node.sum(0, {0, 4}).second, "stage/r1.s0 offered a gradient and then never connected");
  EXPECT_EQ(group.board.ids(), 1);
  EXPECT_EQ(group.board.aborts(), 1);
}

TEST(GatherCollective, GC2_AConnectionThatNeverComesAboutPointsToTheNetwork) {
  GatherGroup group({2, 4, 10});
  group.add(0, kImpatient);
  group.tell_first(group.offer_of(1, {0, 4}));
  group.tell_first(actors::CommunicatorEntered{0, 1});
  expect_has(group.node.sum(0, {0, 4}).second, "NCCL_SOCKET_IFNAME");
}

TEST(GatherCollective, GC2_AnIdThatNeverComesIsAskedOfTheFirstMember) {
  GatherGroup group({2, 4, 10});
  group.add(1, kImpatient);
  ASSERT_TRUE((*group.node).send(SumCase::name(1), group.offer_of(0, {0, 4})));
  expect_has(group.node.sum(1, {0, 4}).second, "stage/r0.s0 never sent the id");
}

TEST(GatherCollective, GC3_EveryEpochConnectsAnew) {
  GatherGroup group({2, 4, 10});
  group.add_all(kPatient);
  group.expect_sum({0, 3});
  for (std::uint32_t member = 0; member < 2; ++member) ASSERT_TRUE(group.node.begin_epoch(member, 1));
  EXPECT_EQ(group.board.aborts(), 2);
  group.expect_sum({1, 3});
  EXPECT_EQ(group.board.ids(), 2);
}

TEST(GatherCollective, GC4_OffersOfOtherEpochsDoNotCount) {
  GatherGroup group({2, 4, 10});
  group.add(0, kImpatient);
  ASSERT_TRUE(group.node.begin_epoch(0, 7));
  group.tell_first(group.offer_of(1, {6, 4}));
  group.tell_first(group.offer_of(1, {8, 4}));
  expect_has(group.node.sum(0, {7, 4}).second, "stage/r1.s0 never offered");
}

TEST(GatherCollective, GC4_AnOfferOfALaterStepWaitsForIt) {
  GatherGroup group({2, 4, 10});
  group.add_all(kPatient);
  group.expect_sum({0, 0});
  // Member 1 is a step ahead: its offer comes before member 0 begins.
  auto early = std::async(std::launch::async, [&group] { return group.node.sum(1, {0, 1}); });
  EXPECT_EQ(early.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  EXPECT_TRUE(at::equal(*group.node.sum(0, {0, 1}).first, group.what.expected(1)));
  EXPECT_TRUE(at::equal(*early.get().first, group.what.expected(1)));
}

TEST(GatherCollective, TwoMembersOnOneGpuAreRefusedInWords) {
  GatherGroup group({2, 4, 10});
  group.add(0, kPatient, "host GPU 0000:01:00.0");
  group.tell_first(group.offer_of(1, {0, 4}, "host GPU 0000:01:00.0"));
  const std::string failure = group.node.sum(0, {0, 4}).second;
  expect_has(failure, "stage/r0.s0 and stage/r1.s0 are both on host GPU 0000:01:00.0");
  expect_has(failure, "layout.devices");
}

TEST(GatherCollective, AnOfferOfAnotherSizeIsRefused) {
  GatherGroup group({2, 4, 10});
  group.add(0, kPatient);
  actors::GatherOffer offer = group.offer_of(1, {0, 4});
  offer.elements = 11;
  group.tell_first(offer);
  expect_has(group.node.sum(0, {0, 4}).second, "stage/r1.s0 offers gradients of 11 floats, not 10");
}

}  // namespace
}  // namespace troupe::tests
