#include "runtime/placing/place_group.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

namespace troupe::runtime {
namespace {

/// A node with that many slots, of which so many are held.
NodeRoom slots(const std::string& name, std::size_t all, std::size_t running) {
  NodeRoom node{name, Resources::of("slot=1").times(all)};
  for (std::size_t i = 0; i < running; ++i) node.held.push_back({"old" + std::to_string(i), Resources::of("slot=1")});
  return node;
}

GroupWish numbered_group(std::size_t count, Strategy strategy, const std::string& needs = "slot=1") {
  GroupWish wish;
  wish.strategy = strategy;
  for (std::size_t i = 0; i < count; ++i) wish.members.push_back({"x" + std::to_string(i), Resources::of(needs)});
  return wish;
}

std::string nodes_of(const Result<std::vector<Place>>& places) {
  if (!places) return places.failure().text;
  std::string text;
  for (const Place& each : *places) text += (text.empty() ? "" : " ") + each.node;
  return text;
}

struct GroupCase {
  std::string what;
  std::vector<NodeRoom> nodes;
  Strategy strategy;
  std::size_t actors;
  std::string where;  // the node of each
};

TEST(PlaceGroup, PL4_PacksOnFewNodesOrSpreadsOverAll) {
  const std::vector<GroupCase> cases = {
      {"one node holds all", {slots("a", 2, 0), slots("b", 4, 0)}, Strategy::pack, 3, "b b b"},
      {"the one it fills best", {slots("a", 8, 0), slots("b", 4, 0), slots("c", 3, 0)}, Strategy::pack, 3, "c c c"},
      {"of equals the first by name", {slots("b", 4, 0), slots("a", 4, 0)}, Strategy::pack, 3, "a a a"},
      {"the roomiest, and what is left where it fits best",
       {slots("a", 1, 0), slots("b", 4, 0), slots("c", 2, 0), slots("d", 3, 0)},
       Strategy::pack,
       6,
       "b b b b c c"},
      {"what runs already takes room", {slots("a", 4, 3), slots("b", 2, 0)}, Strategy::pack, 2, "b b"},
      {"one each", {slots("a", 4, 0), slots("b", 4, 0), slots("c", 4, 0)}, Strategy::spread, 3, "a b c"},
      {"who holds the fewest gets the odd one", {slots("a", 4, 1), slots("b", 4, 0)}, Strategy::spread, 3, "a b b"},
      {"where there is no room the others get more",
       {slots("a", 1, 0), slots("b", 9, 0)},
       Strategy::spread,
       4,
       "a b b b"},
      {"nobody is placed at once", {slots("a", 1, 1)}, Strategy::spread, 0, ""},
  };
  for (const GroupCase& each : cases) {
    EXPECT_EQ(nodes_of(place_group(numbered_group(each.actors, each.strategy), each.nodes)), each.where) << each.what;
  }
  EXPECT_EQ(nodes_of(place_group(numbered_group(2, Strategy::spread, "nothing"), {slots("a", 1, 1), slots("b", 1, 1)})),
            "a b")
      << "who needs nothing finds a place everywhere";
  EXPECT_EQ(nodes_of(place_group(numbered_group(4, Strategy::pack, "slot=0.25"), {slots("a", 1, 0)})), "a a a a");
}

TEST(PlaceGroup, PL3_AllOrNoneOnTheChosenNodeAndOfTheWantedClass) {
  GroupWish wish = numbered_group(2, Strategy::spread);
  wish.on_node = "b";
  const std::vector<NodeRoom> nodes = {slots("a", 4, 0), slots("b", 2, 0)};
  EXPECT_EQ(nodes_of(place_group(wish, nodes)), "b b");
  wish.members.push_back({"y", Resources::of("slot=1")});
  EXPECT_EQ(nodes_of(place_group(wish, nodes)),
            "3 actors (x0 and others) need slot=1 each, slot=3 in all on node b; b has slot=2 free of 2; not even when "
            "nobody holds anything: never with these nodes; waits for another node");
  wish.on_node = "bb";
  EXPECT_EQ(nodes_of(place_group(wish, nodes)), "no node named bb has joined (did you mean b?); waits for it");

  GroupWish classed{{{"kv/a", Resources::of("slot=1"), "kv"}}};
  std::vector<NodeRoom> with = nodes;
  with[1].classes = {"kv"};
  EXPECT_EQ(nodes_of(place_group(classed, with)), "b");
  classed.members[0].class_name = "kvs";
  EXPECT_EQ(nodes_of(place_group(classed, with)),
            "kv/a needs slot=1; a has no class kvs, b has no class kvs (did you mean kv?); not even when nobody holds "
            "anything: never with these nodes; waits for another node");
}

TEST(PlaceGroup, PL6_NotNowIsToldFromNeverInWordsWithNumbers) {
  const NodeRoom a{"node-a", Resources::of("cpu=4,gpu=2"), {}, {{"stage/r0", Resources::of("gpu=1")}}};
  const NodeRoom b{"node-b", Resources::of("cpu=4")};
  const GroupWish two{{{"stage/r1", Resources::of("gpu=2")}}};
  const auto not_now = place_group(two, {b, a});
  ASSERT_FALSE(not_now);
  EXPECT_EQ(not_now.failure().kind, FailureKind::overloaded);
  EXPECT_EQ(not_now.failure().text,
            "stage/r1 needs gpu=2; node-a has gpu=1 free of 2 (stage/r0 holds 1), node-b has no gpu; waits");
  const auto never = place_group({{{"stage/r1", Resources::of("gpu=3")}}}, {b, a});
  ASSERT_FALSE(never);
  EXPECT_EQ(never.failure().kind, FailureKind::unknown);
  EXPECT_EQ(never.failure().text,
            "stage/r1 needs gpu=3; node-a has gpu=1 free of 2 (stage/r0 holds 1), node-b has no gpu; not even when "
            "nobody holds anything: never with these nodes; waits for another node");
  const auto misspelt = place_group({{{"x", Resources::of("gpus=1")}}}, {b, a});
  ASSERT_FALSE(misspelt);
  EXPECT_NE(misspelt.failure().text.find("; no node has any gpus (did you mean gpu?)"), std::string::npos)
      << misspelt.failure().text;
  const auto nobody = place_group(two, {});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.failure().text, "stage/r1 needs gpu=2; no node has joined; waits for another node");
  NodeRoom crowded{"c", Resources::of("cpu=2"), {}, {}};
  for (int i = 0; i < 5; ++i) crowded.held.push_back({"w" + std::to_string(i), Resources::of("cpu=0.4")});
  EXPECT_EQ(
      nodes_of(place_group(numbered_group(2, Strategy::pack, "cpu=1"), {crowded})),
      "2 actors (x0 and others) need cpu=1 each, cpu=2 in all; c has cpu=0 free of 2 (w0 holds 0.4, w1 holds 0.4, "
      "w2 holds 0.4 and 2 others); none of them is started before all can be; waits");
}

TEST(PlaceGroup, PL3_PL4_PL5_HoldForRandomNodes) {
  std::mt19937 random(11);
  for (int round = 0; round < 500; ++round) {
    std::vector<NodeRoom> nodes;
    std::map<std::string, std::size_t> rooms;
    std::vector<std::size_t> largest;
    std::size_t room = 0;
    for (int i = 0; i < 5; ++i) {
      const std::size_t all = random() % 5 + 1;
      const std::size_t running = random() % (all + 1);
      nodes.push_back(slots(std::string(1, static_cast<char>('a' + i)), all, running));
      largest.push_back(rooms[nodes.back().name] = all - running);
      room += all - running;
    }
    std::sort(largest.rbegin(), largest.rend());
    const std::size_t wanted = random() % 16;
    for (const Strategy strategy : {Strategy::pack, Strategy::spread}) {
      const GroupWish wish = numbered_group(wanted, strategy);
      const auto places = place_group(wish, nodes);
      ASSERT_EQ(static_cast<bool>(places), wanted <= room);
      if (!places) continue;
      ASSERT_EQ(places->size(), wanted);
      std::map<std::string, std::size_t> counts;
      std::size_t most = 0;
      for (const Place& each : *places) most = std::max(most, ++counts[each.node]);
      for (const auto& [node, has_room] : rooms) {
        const std::size_t count = counts.contains(node) ? counts[node] : 0;
        ASSERT_LE(count, has_room);
        if (strategy == Strategy::spread && count < has_room) {
          ASSERT_GE(count + 1, most);
        }
      }
      std::size_t fewest = 0;
      for (std::size_t sum = 0; sum < wanted; ++fewest) sum += largest[fewest];
      if (strategy == Strategy::pack) {
        ASSERT_EQ(counts.size(), fewest);
      }
      std::shuffle(nodes.begin(), nodes.end(), random);
      EXPECT_EQ(*places, *place_group(wish, nodes));
    }
  }
}

/// The fewest nodes that any way to place the group uses; nothing when there is no way.
std::optional<std::size_t> fewest_of_all_ways(const GroupWish& wish, const std::vector<NodeRoom>& nodes) {
  std::optional<std::size_t> fewest;
  std::size_t ways = 1;
  for (std::size_t i = 0; i < wish.members.size(); ++i) ways *= nodes.size();
  for (std::size_t way = 0; way < ways; ++way) {
    std::vector<Resources> taken(nodes.size());
    std::set<std::size_t> used;
    std::size_t code = way;
    for (const Member& each : wish.members) {
      taken[code % nodes.size()] += each.needs;
      used.insert(code % nodes.size());
      code /= nodes.size();
    }
    bool fits = true;
    for (std::size_t at = 0; at < nodes.size(); ++at) fits = fits && nodes[at].free().covers(taken[at]);
    if (fits && (!fewest || used.size() < *fewest)) fewest = used.size();
  }
  return fewest;
}

TEST(PlaceGroup, PL3_PL6_DifferentNeedsAreJudgedAsEveryWayTriedByHand) {
  std::mt19937 random(23);
  int placed = 0;
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<NodeRoom> nodes;
    std::vector<NodeRoom> idle;
    for (int i = 0; i < 3; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      NodeRoom node{name,
                    Resources::of("cpu=" + std::to_string(random() % 6) + ",gpu=" + std::to_string(random() % 3))};
      idle.push_back(node);
      if (node.total.thousandths("cpu") > 0) node.held.push_back({"old", Resources::of("cpu=1")});
      nodes.push_back(node);
    }
    GroupWish wish;
    for (std::size_t i = 0; i < 5; ++i) {
      wish.members.push_back({"x" + std::to_string(i), Resources::of("cpu=" + std::to_string(random() % 4) +
                                                                     ",gpu=" + std::to_string(random() % 2))});
    }
    const auto fewest = fewest_of_all_ways(wish, nodes);
    for (const Strategy strategy : {Strategy::pack, Strategy::spread}) {
      wish.strategy = strategy;
      const auto places = place_group(wish, nodes);
      ASSERT_EQ(static_cast<bool>(places), fewest.has_value());
      if (!places) {
        const bool ever = fewest_of_all_ways(wish, idle).has_value();
        ASSERT_EQ(places.failure().kind, ever ? FailureKind::overloaded : FailureKind::unknown);
        ++refused;
        continue;
      }
      ++placed;
      std::map<std::string, Resources> taken;
      for (std::size_t i = 0; i < places->size(); ++i) {
        ASSERT_EQ((*places)[i].actor, wish.members[i].name);
        taken[(*places)[i].node] += wish.members[i].needs;
      }
      for (const NodeRoom& each : nodes) ASSERT_TRUE(each.free().covers(taken[each.name]));
      std::erase_if(taken, [&](const auto& each) {
        return std::ranges::none_of(*places, [&each](const Place& place) { return place.node == each.first; });
      });
      if (strategy == Strategy::pack) {
        ASSERT_EQ(taken.size(), *fewest);
      }
    }
  }
  EXPECT_GT(placed, 50);
  EXPECT_GT(refused, 50);
}

TEST(PlaceGroup, PL3_ALargeGroupOfDifferentNeedsEndsInTime) {
  std::vector<NodeRoom> nodes;
  for (int i = 0; i < 40; ++i) nodes.push_back({"n" + std::to_string(i), Resources::of("cpu=7")});
  GroupWish wish;
  for (int i = 0; i < 100; ++i) {
    wish.members.push_back({"x" + std::to_string(i), Resources::of(i % 2 == 0 ? "cpu=3" : "cpu=2")});
  }
  for (const Strategy strategy : {Strategy::pack, Strategy::spread}) {
    wish.strategy = strategy;
    EXPECT_TRUE(place_group(wish, nodes));
  }
  wish.members.push_back({"y", Resources::of("cpu=31")});
  EXPECT_FALSE(place_group(wish, nodes));
}

}  // namespace
}  // namespace troupe::runtime
