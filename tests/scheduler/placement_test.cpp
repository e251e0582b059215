#include "scheduler/placement.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
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

struct GroupCase {
  std::string what;
  std::vector<NodeCapacity> nodes;
  Strategy strategy;
  std::size_t actors;
  std::string where;  // the node of each
};

std::vector<std::string> numbered(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("x" + std::to_string(i));
  return names;
}

std::string nodes_of(const runtime::Result<std::vector<Place>>& places) {
  if (!places) return places.failure().text;
  std::string text;
  for (const Place& each : *places) text += (text.empty() ? "" : " ") + each.node;
  return text;
}

TEST(Placement, PL4_PacksOnFewNodesOrSpreadsOverAll) {
  const std::vector<GroupCase> cases = {
      {"one node holds all", {{"a", 2, 0}, {"b", 4, 0}}, Strategy::pack, 3, "b b b"},
      {"the one it fills best", {{"a", 8, 0}, {"b", 4, 0}, {"c", 3, 0}}, Strategy::pack, 3, "c c c"},
      {"the roomiest, and what is left where it fits best",
       {{"a", 1, 0}, {"b", 4, 0}, {"c", 2, 0}, {"d", 3, 0}},
       Strategy::pack,
       6,
       "b b b b c c"},
      {"what runs already takes room", {{"a", 4, 3}, {"b", 2, 0}}, Strategy::pack, 2, "b b"},
      {"any number is roomiest", {{"a", 0, 9}, {"b", 2, 0}}, Strategy::pack, 3, "a a a"},
      {"one each", {{"a", 4, 0}, {"b", 4, 0}, {"c", 4, 0}}, Strategy::spread, 3, "a b c"},
      {"the least loaded gets the odd one", {{"a", 4, 1}, {"b", 4, 0}}, Strategy::spread, 3, "a b b"},
      {"where there is no room the others get more", {{"a", 1, 0}, {"b", 9, 0}}, Strategy::spread, 4, "a b b b"},
      {"nobody is placed at once", {{"a", 1, 1}}, Strategy::spread, 0, ""},
  };
  for (const GroupCase& each : cases) {
    EXPECT_EQ(nodes_of(place_group(numbered(each.actors), each.nodes, each.strategy)), each.where) << each.what;
  }
}

TEST(Placement, PL3_AllOrNoneAndWhyItIsPending) {
  for (const Strategy strategy : {Strategy::pack, Strategy::spread}) {
    EXPECT_EQ(nodes_of(place_group(numbered(4), {{"a", 2, 1}, {"b", 2, 0}}, strategy)),
              "pending: 4 actors need as many slots, 3 are free: a 1 of 2, b 2 of 2; none of them is placed before all "
              "can be: start a node with 'troupe node --join ADDR'");
    EXPECT_NE(nodes_of(place_group(numbered(1), {}, strategy)).find("no node has joined"), std::string::npos);
  }
}

TEST(Placement, PL3_PL4_PL5_HoldForRandomNodes) {
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    std::vector<NodeCapacity> nodes;
    std::vector<std::uint32_t> rooms;
    std::uint32_t room = 0;
    for (int i = 0; i < 5; ++i) {
      const auto slots = static_cast<std::uint32_t>(random() % 5 + 1);
      const auto running = static_cast<std::uint32_t>(random() % (slots + 1));
      nodes.push_back({std::string(1, static_cast<char>('a' + i)), slots, running});
      rooms.push_back(slots - running);
      room += rooms.back();
    }
    const std::vector<std::string> actors = numbered(random() % 16);
    for (const Strategy strategy : {Strategy::pack, Strategy::spread}) {
      const auto places = place_group(actors, nodes, strategy);
      ASSERT_EQ(static_cast<bool>(places), actors.size() <= room);
      if (!places) continue;
      ASSERT_EQ(places->size(), actors.size());
      std::map<std::string, std::uint32_t> counts;
      for (const Place& each : *places) ++counts[each.node];
      std::uint32_t most = 0;
      for (const auto& [node, count] : counts) most = std::max(most, count);
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        const std::uint32_t count = counts[nodes[i].name];
        ASSERT_LE(count, rooms[i]);
        if (strategy == Strategy::spread && count < rooms[i]) {
          ASSERT_GE(count + 1, most);
        }
      }
      std::erase_if(counts, [](const auto& each) { return each.second == 0; });
      std::vector<std::uint32_t> largest = rooms;
      std::sort(largest.rbegin(), largest.rend());
      std::size_t fewest = 0;
      for (std::uint32_t sum = 0; sum < actors.size(); ++fewest) sum += largest[fewest];
      if (strategy == Strategy::pack) {
        ASSERT_EQ(counts.size(), fewest);
      }
      std::shuffle(nodes.begin(), nodes.end(), random);
      rooms.clear();
      for (const NodeCapacity& node : nodes) rooms.push_back(node.slots - node.running);
      EXPECT_EQ(*places, *place_group(actors, nodes, strategy));
    }
  }
}

}  // namespace
}  // namespace troupe::scheduler
