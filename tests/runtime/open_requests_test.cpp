#include "runtime/open_requests.hpp"

#include "tests/runtime/test_actors.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using Targets = std::vector<std::string>;

constexpr TimePoint kNoon{std::chrono::hours(12)};

OpenRequests::Row row(const std::string& target, std::uint32_t incarnation, Duration deadline,
                      const std::string& endpoint = "") {
  OpenRequests::Row made;
  made.target = target;
  made.target_hash = name_hash(target);
  made.target_incarnation = incarnation;
  made.endpoint = endpoint;
  made.deadline = deadline;
  made.due = kNoon + deadline;
  return made;
}

Targets take_all(OpenRequests& open, const OpenRequests::Numbers& numbers) {
  Targets names;
  for (const std::uint64_t number : numbers) names.push_back(open.take(number)->target);
  return names;
}

TEST(OpenRequests, OR1_EachIsHandedOutOnceAlsoWhenItsPlaceIsUsedAgain) {
  OpenRequests open;
  std::set<std::uint64_t> seen;
  for (int round = 0; round < 1000; ++round) {
    const std::uint64_t first = open.add(row("a", 1, milliseconds(1)));
    const std::uint64_t second = open.add(row("b", 1, milliseconds(1)));
    ASSERT_NE(first, 0U);
    ASSERT_TRUE(seen.insert(first).second);
    ASSERT_TRUE(seen.insert(second).second);
    const std::optional<OpenRequests::Row> taken = open.take(first);
    ASSERT_TRUE(taken);
    ASSERT_EQ(taken->target, "a");
    ASSERT_FALSE(open.take(first));
    ASSERT_TRUE(open.take(second));
  }
  for (const std::uint64_t number : seen) EXPECT_FALSE(open.take(number));
  for (const std::uint64_t made_up : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) {
    EXPECT_FALSE(open.take(made_up));
  }
  EXPECT_EQ(open.count(), 0U);
}

TEST(OpenRequests, WhatIsDueComesInOrderAndTheRestStays) {
  OpenRequests open;
  EXPECT_FALSE(open.next_due());
  (void)open.add(row("late", 1, milliseconds(30)));
  (void)open.add(row("second", 1, milliseconds(20)));
  (void)open.add(row("first", 1, milliseconds(10)));
  (void)open.add(row("with the second", 1, milliseconds(20)));
  EXPECT_EQ(open.next_due(), kNoon + milliseconds(10));
  EXPECT_TRUE(open.due(kNoon + milliseconds(9)).empty());
  EXPECT_EQ(take_all(open, open.due(kNoon + milliseconds(20))), (Targets{"first", "second", "with the second"}));
  EXPECT_EQ(open.next_due(), kNoon + milliseconds(30));
  EXPECT_EQ(open.count(), 1U);
}

TEST(OpenRequests, WhatWaitsForTheDeadOrALostNodeIsPicked) {
  OpenRequests open;
  (void)open.add(row("stage", 1, milliseconds(1), "ipc:///a"));
  (void)open.add(row("stage", 2, milliseconds(1), "ipc:///b"));
  (void)open.add(row("stage", 3, milliseconds(1), "ipc:///b"));
  (void)open.add(row("data", 1, milliseconds(1), "ipc:///b"));
  EXPECT_EQ(take_all(open, open.of_target(name_hash("stage"), 2, open.asked())), (Targets{"stage", "stage"}));
  EXPECT_EQ(take_all(open, open.of_endpoint("ipc:///b", open.asked())), (Targets{"stage", "data"}));
  EXPECT_EQ(open.count(), 0U);
}

TEST(OpenRequests, WhatIsAskedAfterTheEventIsNoPartOfIt) {
  OpenRequests open;
  (void)open.add(row("before", 1, milliseconds(1), "ipc:///a"));
  const std::uint64_t asked = open.asked();
  (void)open.add(row("after", 1, milliseconds(1), "ipc:///a"));
  EXPECT_EQ(take_all(open, open.of_endpoint("ipc:///a", asked)), Targets{"before"});
  EXPECT_EQ(open.count(), 1U);
}

TEST(OpenRequests, ClearedKnowsNothingMore) {
  OpenRequests open;
  const std::uint64_t number = open.add(row("stage", 1, milliseconds(1)));
  open.clear();
  EXPECT_FALSE(open.take(number));
  EXPECT_FALSE(open.next_due());
  EXPECT_EQ(open.count(), 0U);
}

}  // namespace
}  // namespace troupe::runtime
