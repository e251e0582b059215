#include "actors/collective/collective.hpp"

#include "actors/recovery/sent_log.hpp"
#include "tests/support/collective_member.hpp"
#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace troupe::tests {
namespace {

using runtime::Context;
using runtime::Result;

const std::string kParts = "collective.slice_sums";
const std::string kTotals = "collective.slice_total";

/// The members of a group, each on a node of its own, so that the test decides when which part arrives.
class Group {
public:
  explicit Group(const SumCase& sum_case) : what(sum_case), totals(sum_case.members) {
    for (std::uint32_t member = 0; member < what.members; ++member) {
      runtime::DeterministicNode& node = network.add_node("node" + std::to_string(member));
      nodes.push_back(&node);
      node.spawn<CollectiveMember>(SumCase::name(member), member, what,
                                   actors::make_message_collective(what.group(member), sent));
      node.spawn<test::ScriptedActor>("asker" + std::to_string(member), asker(member));
    }
    network.announce_all();
  }
  void begin_epoch(std::uint32_t member, std::uint32_t epoch) {
    EXPECT_TRUE(nodes[member]->request<BeginEpoch>(SumCase::name(member), BeginEpoch{epoch}));
  }
  /// The member begins to sum; what it ends with is in totals.
  void sum(std::uint32_t member, const SumStep& step) {
    (void)nodes[member]->node().send("asker" + std::to_string(member), step).value();
    network.run_turns();
  }
  void sum_everywhere(const SumStep& step) {
    for (std::uint32_t member = 0; member < what.members; ++member) sum(member, step);
  }
  /// Something comes in another member's name.
  template <class M>
  void tell(std::uint32_t member, const M& message) {
    (void)nodes[member]->node().send(SumCase::name(member), message).value();
    network.run_turns();
  }
  void let_through(const std::string& message, std::uint32_t from, std::uint32_t to) {
    network.expect(message).from(*nodes[from]).to(*nodes[to]);
  }
  void expect_totals(std::uint32_t step) {
    for (std::uint32_t member = 0; member < what.members; ++member) {
      SCOPED_TRACE("member " + std::to_string(member));
      ASSERT_TRUE(totals[member].has_value());
      EXPECT_TRUE(at::equal(*totals[member], what.expected(step)));
      totals[member].reset();
    }
  }

  const SumCase what;
  actors::SentLog sent{actors::SentLog::Keep::nothing};  // of all members
  std::vector<std::optional<at::Tensor>> totals;         // by member
  runtime::DeterministicNetwork network;
  std::vector<runtime::DeterministicNode*> nodes;

private:
  runtime::Behavior asker(std::uint32_t member) {
    return {test::hears<SumStep>(asked_, [this, member](const SumStep& step, Context& context) {
      context.request<Summed>({SumCase::name(member), 0}, step, std::chrono::seconds(60),
                              [this, member](Result<Summed> sum, Context&) {
                                // One that was broken off by a new epoch is never answered.
                                if (sum) totals[member] = actors::to_tensor(sum->total).clone();
                              });
    })};
  }
  test::Heard<SumStep> asked_;
};

/// What a member that sums nonsense would send for its own slice.
actors::SliceSums nonsense_part(const SumCase& what, const SumStep& step, std::uint32_t from, std::int64_t slice) {
  const actors::Contribution own = what.contribution(from, step);
  const auto blocks = static_cast<std::int64_t>(own.blocks.size());
  return {step.epoch, step.step, from, own.blocks, actors::to_bytes(at::full({blocks, slice}, 1e6F))};
}

actors::SliceTotal nonsense_total(const SumStep& step, std::uint32_t from, std::int64_t slice) {
  return {step.epoch, step.step, from, actors::to_bytes(at::full({slice}, 1e6F))};
}

TEST(Collective, CL1_TheSumHasTheBitsOfTheTreeForEveryNumberOfMembers) {
  // 12 micro-batches of the same 101 floats: the tree over them does not know how many members there are.
  const at::Tensor expected = SumCase{1, 12, 101}.expected(0);
  for (const std::uint32_t members : {1U, 2U, 3U, 4U, 6U, 12U}) {
    SCOPED_TRACE(std::to_string(members) + " members");
    Group group({members, 12, 101});
    group.sum_everywhere({0, 0});
    group.network.deliver_all();
    ASSERT_TRUE(group.totals[0].has_value());
    EXPECT_TRUE(at::equal(*group.totals[0], expected));
    group.expect_totals(0);
    group.sum_everywhere({0, 1});
    group.network.deliver_all();
    group.expect_totals(1);
  }
  // The order matters at all: one after the other gives other bits.
  at::Tensor one_by_one = at::zeros({101});
  for (std::uint32_t i = 0; i < 12; ++i) one_by_one += SumCase{1, 12, 101}.gradient(0, i);
  EXPECT_FALSE(at::equal(one_by_one, expected));
}

TEST(Collective, CL1_FewerFloatsThanMembersAreSummedToo) {
  Group group({3, 6, 5});
  group.sum_everywhere({0, 0});
  group.network.deliver_all();
  group.expect_totals(0);
}

TEST(Collective, CL2_PartsThatComeBeforeBeginAreKept) {
  Group group({2, 6, 64});
  for (const std::uint32_t step : {0U, 1U}) {
    SCOPED_TRACE(step);
    group.sum(0, {0, step});
    group.let_through(kParts, 0, 1);
    EXPECT_FALSE(group.totals[1].has_value());
    group.sum(1, {0, step});  // with the part that lies there it can total its slice at once
    group.let_through(kTotals, 1, 0);
    EXPECT_FALSE(group.totals[0].has_value()) << "the total of the other slice came first and waits";
    group.let_through(kParts, 1, 0);
    group.let_through(kTotals, 0, 1);
    group.expect_totals(step);
    group.network.expect_no_mail();
  }
}

TEST(Collective, CL2_PartsOfOlderEpochsAreIgnored) {
  Group group({2, 6, 64});
  for (std::uint32_t member = 0; member < 2; ++member) group.begin_epoch(member, 2);
  for (const std::uint32_t epoch : {0U, 1U}) {
    group.tell(1, nonsense_part(group.what, {epoch, 5}, 0, 32));
    group.tell(1, nonsense_total({epoch, 5}, 0, 32));
  }
  group.sum(1, {2, 5});
  EXPECT_FALSE(group.totals[1].has_value());
  for (const std::uint32_t epoch : {0U, 1U}) {
    group.tell(1, nonsense_part(group.what, {epoch, 5}, 0, 32));
    group.tell(1, nonsense_total({epoch, 5}, 0, 32));
  }
  EXPECT_FALSE(group.totals[1].has_value());
  group.sum(0, {2, 5});
  group.network.deliver_all();
  group.expect_totals(5);
}

TEST(Collective, CL3_PartsOfASumThatIsDoneAreIgnored) {
  Group group({2, 6, 64});
  group.sum_everywhere({0, 5});
  group.network.deliver_all();
  group.expect_totals(5);
  group.tell(1, nonsense_part(group.what, {0, 5}, 0, 32));  // a restarted replica sends them again
  group.tell(1, nonsense_total({0, 5}, 0, 32));
  group.sum_everywhere({0, 6});
  group.network.deliver_all();
  group.expect_totals(6);
}

TEST(Collective, CL2_ANewEpochDropsWhatTheOldOneLeft) {
  Group group({3, 6, 64});
  // Step 5 breaks off in the middle: one has summed its slice, one has begun, one never does.
  group.sum(0, {0, 5});
  group.sum(1, {0, 5});
  group.tell(0, nonsense_part(group.what, {0, 5}, 2, 16));
  group.let_through(kParts, 1, 0);
  for (std::uint32_t member = 0; member < 3; ++member) group.begin_epoch(member, 1);
  group.network.deliver_all();  // of the old epoch, all of it late
  group.sum_everywhere({1, 5});
  group.network.deliver_all();
  group.expect_totals(5);
}

}  // namespace
}  // namespace troupe::tests
