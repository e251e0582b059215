#include "runtime/placing/placing_book.hpp"

#include "runtime/watch.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace troupe::runtime {
namespace {

WaitingGroup group_of(std::uint64_t ticket, const std::string& name, const std::string& needs,
                      const std::string& on_node = "") {
  WaitingGroup group{ticket, {}};
  group.wish.group = name;
  group.wish.actors = {{"worker", name, Resources::of(needs)}};
  group.wish.on_node = on_node;
  group.wish.lifetime = Lifetime::detached;
  return group;
}

NodeRow node_of(const std::string& name, const std::string& total) {
  return {name, {"host/" + name, 1}, "memory://" + name, Resources::of(total), {"worker"}};
}

/// The names that have places now, in the order in which they are decided.
std::string decide_all(PlacingBook& book) {
  std::string text;
  while (const auto decided = book.decide_next()) {
    text += (text.empty() ? "" : " ") + decided->places.front().actor + "@" + decided->places.front().node;
  }
  return text;
}

TEST(PlacingBook, PB1_HeldFromTheDecisionToTheEnd) {
  PlacingBook book;
  book.add_node(node_of("a", "cpu=1"));
  book.add_waiting(group_of(1, "w/1", "cpu=1"));
  book.add_waiting(group_of(2, "w/2", "cpu=1"));
  EXPECT_EQ(decide_all(book), "w/1@a");
  for (const auto state : {PlacedRow::State::starting, PlacedRow::State::up, PlacedRow::State::ending}) {
    book.find("w/1")->state = state;
    EXPECT_EQ(decide_all(book), "");
  }
  book.release("w/1", {FailureKind::faulted, "power cut"});
  EXPECT_EQ(decide_all(book), "w/2@a");
  EXPECT_EQ(*book.explain("w/1"), "w/1#0 ended on node a: power cut");
  EXPECT_EQ(*book.explain("a"), "node a has cpu=0 free of 1 (w/2 holds 1), actors: 1");
  book.add_node(node_of("b", ""));
  EXPECT_EQ(*book.explain("b"), "node b has nothing to give, actors: 0");
  EXPECT_FALSE(book.explain("c"));
}

TEST(PlacingBook, PB2_ANameHasOneHolderAndWhoIsTold) {
  PlacingBook book;
  book.add_node(node_of("a", "cpu=1"));
  book.add_waiting(group_of(1, "w/1", "cpu=1"));
  const auto refusal = [&book](const PlaceActors& wish) {
    const auto checked = book.check(wish);
    return checked ? "" : checked.failure().text;
  };
  EXPECT_EQ(refusal(group_of(2, "w/1", "cpu=1").wish), "the name w/1 is taken: it waits for a place in group w/1");
  EXPECT_EQ(decide_all(book), "w/1@a");
  EXPECT_EQ(
      refusal(group_of(2, "w/1", "cpu=1").wish),
      "the name w/1 is taken: w/1#0 of class worker starts on node a, holds cpu=1, detached; choose another name, "
      "or stop it first");
  PlaceActors twice = group_of(2, "w/2", "cpu=1").wish;
  twice.actors.push_back(twice.actors.front());
  EXPECT_EQ(refusal(twice), "the group has two actors named w/2");
  EXPECT_EQ(refusal({}), "a group of nobody cannot be placed");
  for (const char* name : {"w", "/w", "w/", "w/ 1", "w/1\n", ""}) {
    EXPECT_NE(refusal(group_of(2, name, "cpu=1").wish).find("is no name for a placed actor"), std::string::npos)
        << name;
  }
  EXPECT_NE(refusal(group_of(2, "host/a", "cpu=1").wish).find("are the runtime's"), std::string::npos);
  book.release("w/1", orderly_end());
  EXPECT_EQ(refusal(group_of(2, "w/1", "cpu=1").wish), "");
}

TEST(PlacingBook, PB2_AGroupWhoseAnswerWouldBeTooLargeIsRefusedInWords) {
  const PlacingBook book;
  PlaceActors wish;
  PlacedActors answer;
  const auto add_one = [&wish, &answer] {
    const std::string name = "stage/replica-" + std::to_string(wish.actors.size()) + ".of-a-long-name";
    wish.actors.push_back({"worker", name, {}});
    answer.actors.push_back({{name, 1}, "tcp://192.168.100.100:50000"});
    answer.nodes.emplace_back("machine-100");
  };
  while (wish.actors.size() < PlacingBook::kMaxGroup) add_one();
  EXPECT_TRUE(book.check(wish));
  EXPECT_NO_THROW((void)encode_message(answer)) << "it fits into a message";
  add_one();
  const auto refused = book.check(wish);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().text,
            "a group of 513 actors is larger than can be placed at once, 512: make several groups of it");
}

TEST(PlacingBook, PB3_LaterOnesDoNotOvertakeForTheSameResources) {
  PlacingBook book;
  book.add_node(node_of("a", "cpu=2,gpu=1"));
  book.add_node(node_of("b", "cpu=1"));
  book.add_waiting(group_of(1, "w/first", "cpu=1", "a"));
  EXPECT_EQ(decide_all(book), "w/first@a");
  book.add_waiting(group_of(2, "w/large", "cpu=2"));
  book.add_waiting(group_of(3, "w/never", "cpu=99"));
  book.add_waiting(group_of(4, "w/small", "cpu=1"));
  book.add_waiting(group_of(5, "w/other", "gpu=1"));
  book.add_waiting(group_of(6, "w/free", "nothing"));
  EXPECT_EQ(decide_all(book), "w/other@a w/free@a") << "of other resources, or none";
  EXPECT_EQ(*book.explain("w/small"),
            "w/small waits for a place: has room, but waits behind w/large, which came earlier: w/large needs cpu=2; a "
            "has cpu=1 free of 2 (w/first holds 1), b has cpu=1 free of 1; waits");
  book.release("w/first", orderly_end());
  EXPECT_EQ(decide_all(book), "w/large@a w/small@b") << "who can never be does not hold up";
  book.add_node(node_of("c", "cpu=99"));
  EXPECT_EQ(decide_all(book), "w/never@c");
}

TEST(PlacingBook, PB3_ChosenNodesThatDifferDoNotCompete) {
  PlacingBook book;
  book.add_node(node_of("a", "cpu=1"));
  book.add_node(node_of("b", "cpu=1"));
  book.add_waiting(group_of(1, "w/1", "cpu=1", "a"));
  book.add_waiting(group_of(2, "w/2", "cpu=1", "a"));
  book.add_waiting(group_of(3, "w/3", "cpu=1", "b"));
  EXPECT_EQ(decide_all(book), "w/1@a w/3@b");
}

TEST(PlacingBook, PB1_PB2_HoldForRandomComingsAndGoings) {
  std::mt19937 random(31);
  PlacingBook book;
  const std::vector<std::string> names = {"a", "b", "c"};
  std::map<std::string, std::map<std::string, Resources>> held;  // node -> actor -> what
  std::map<std::string, Resources> totals;
  std::uint64_t ticket = 0;
  int decided_count = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::string node = names[random() % names.size()];
    switch (random() % 5) {
      case 0:
        if (!totals.contains(node)) {
          totals[node] = Resources::of("cpu=" + std::to_string(random() % 4 + 1) + ",gpu=1");
          book.add_node({node, {"host/" + node, 1}, "x", totals[node], {"worker"}});
        }
        break;
      case 1:
        if (random() % 8 == 0) {
          EXPECT_EQ(book.remove_node(node, orderly_end()).size(), held[node].size());
          held.erase(node);
          totals.erase(node);
        }
        break;
      case 2:
        if (!held[node].empty()) {
          const std::string gone = held[node].begin()->first;
          book.release(gone, orderly_end());
          held[node].erase(gone);
        }
        break;
      default: {
        ++ticket;
        PlaceActors wish;
        wish.group = "g" + std::to_string(ticket);
        wish.lifetime = Lifetime::detached;
        for (std::size_t i = 0; i < random() % 3 + 1; ++i) {
          wish.actors.push_back({"worker", wish.group + "/" + std::to_string(i),
                                 Resources::of("cpu=" + std::to_string(random() % 3) + ".5")});
        }
        if (book.check(wish)) book.add_waiting({ticket, wish});
        if (ticket > 10) (void)book.take_waiting(ticket - 10);
      }
    }
    while (const auto decided = book.decide_next()) {
      ++decided_count;
      for (std::size_t i = 0; i < decided->places.size(); ++i) {
        const WantedActor& wanted = decided->group.wish.actors[i];
        ASSERT_TRUE(held[decided->places[i].node].emplace(wanted.name, wanted.resources).second);
      }
    }
    for (const auto& [each, actors] : held) {
      Resources sum;
      for (const auto& [actor, amount] : actors) sum += amount;
      ASSERT_TRUE(actors.empty() || totals.at(each).covers(sum));
    }
  }
  EXPECT_GT(decided_count, 100);
}

}  // namespace
}  // namespace troupe::runtime
