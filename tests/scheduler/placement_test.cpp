#include "scheduler/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace troupe::scheduler {
namespace {

struct PlacementCase {
  std::string what;
  std::vector<NodeCapacity> nodes;
  std::string preferred;
  std::string chosen;
};

TEST(Placement, ChoosesByLoadThenPreferenceThenName) {
  const std::vector<PlacementCase> cases = {
      {"the only one", {{"a", 0, 9}}, "", "a"},
      {"the least loaded", {{"a", 0, 2}, {"b", 0, 1}, {"c", 0, 3}}, "", "b"},
      {"least loaded before preferred", {{"a", 0, 2}, {"b", 0, 1}}, "a", "b"},
      {"of equals the preferred", {{"a", 0, 1}, {"b", 0, 1}, {"c", 0, 1}}, "b", "b"},
      {"of equals the first by name", {{"c", 0, 1}, {"a", 0, 1}, {"b", 0, 1}}, "x", "a"},
      {"a full one is passed over", {{"a", 1, 1}, {"b", 8, 7}}, "a", "b"},
      {"zero slots are any number", {{"a", 0, 1000}, {"b", 1000, 1000}}, "", "a"},
      {"over its slots is full too", {{"a", 1, 5}, {"b", 0, 6}}, "", "b"},
  };
  for (const PlacementCase& each : cases) {
    const auto chosen = choose_node(each.nodes, each.preferred);
    ASSERT_TRUE(chosen) << each.what;
    EXPECT_EQ(*chosen, each.chosen) << each.what;
  }
}

TEST(Placement, PL1_NeverBeyondSlotsAndSaysTheNumbers) {
  const std::vector<NodeCapacity> nodes = {{"a", 2, 2}, {"b", 3, 3}};
  const auto refused = choose_node(nodes, "a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().kind, runtime::FailureKind::overloaded);
  EXPECT_NE(refused.failure().text.find("every node is full: a (2 of 2) b (3 of 3)"), std::string::npos)
      << refused.failure().text;
  const auto nobody = choose_node({}, "a");
  ASSERT_FALSE(nobody);
  EXPECT_NE(nobody.failure().text.find("no node has joined"), std::string::npos);
  EXPECT_NE(nobody.failure().text.find("troupe node --join"), std::string::npos);

  // Filling nodes until nothing fits uses exactly the slots there are, whatever the sizes.
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<NodeCapacity> some;
    std::uint32_t room = 0;
    for (int i = 0; i < 5; ++i) {
      const auto slots = static_cast<std::uint32_t>(random() % 4 + 1);
      some.push_back({std::string(1, static_cast<char>('a' + i)), slots, 0});
      room += slots;
    }
    std::uint32_t placed = 0;
    while (const auto chosen = choose_node(some, "c")) {
      ++placed;
      for (NodeCapacity& node : some) {
        if (node.name != *chosen) continue;
        ASSERT_LE(++node.running, node.slots);
      }
    }
    EXPECT_EQ(placed, room);
  }
}

TEST(Placement, PL2_EqualArgumentsEqualAnswerInAnyOrderOfNodes) {
  std::vector<NodeCapacity> nodes = {{"a", 4, 1}, {"b", 4, 1}, {"c", 4, 2}, {"d", 0, 1}};
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::shuffle(nodes.begin(), nodes.end(), random);
    EXPECT_EQ(*choose_node(nodes, "d"), "d");
    EXPECT_EQ(*choose_node(nodes, ""), "a");
  }
}

}  // namespace
}  // namespace troupe::scheduler
