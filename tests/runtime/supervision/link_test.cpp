#include "runtime/supervision/link.hpp"

#include "tests/runtime/script.hpp"

namespace troupe::runtime {
namespace {

using Texts = std::vector<std::string>;

/// Puppets a, b and c, each on one of the two nodes, and a watcher of all on the left.
struct Linked {
  Script script;

  explicit Linked(const std::string& right = "") {
    for (const char* name : {"a", "b", "c"}) script.spawn_puppet(node_of(name, right), name);
    script.spawn_watcher(script.left, "watcher");
    for (const char* name : {"a", "b", "c"}) script.watch(script.left, "watcher", {name, 0});
    where_ = right;
    script.network.deliver_all();
  }
  DeterministicNode& node_of(const std::string& name, const std::string& right) {
    return right.find(name) == std::string::npos ? script.left : script.right;
  }
  void link(const std::string& from, const std::string& to) {
    act(from, [to](Context& context) { context.link(ActorId{to, 0}); });
  }
  void act(const std::string& name, Script::Action action) {
    script.act(node_of(name, where_), name, std::move(action));
    script.network.deliver_all();
  }
  void kill(const std::string& name) {
    act(name, [](Context&) { throw std::runtime_error("boom"); });
  }
  void stop(const std::string& name) {
    ASSERT_TRUE(node_of(name, where_).stop(name));
    script.network.deliver_all();
  }
  [[nodiscard]] Texts downs() const { return script.downs; }

private:
  std::string where_;
};

const std::string kOfB = "b#1: faulted: boom (in test.number)";
const std::string kOfA = "a#1: faulted: its link b#1 ended because boom (in test.number)";
const std::string kOfC = "c#1: faulted: its link a#1 ended because its link b#1 ended because boom (in test.number)";

/// Who is on the other node, in every way that matters.
const std::vector<std::string> kPlaces = {"", "b", "a", "bc"};

TEST(Link, LK1_OneFailsTheOtherFailsWhicheverMadeTheLink) {
  for (const std::string& right : kPlaces) {
    for (const bool by_a : {true, false}) {
      Linked linked(right);
      by_a ? linked.link("a", "b") : linked.link("b", "a");
      linked.kill("b");
      EXPECT_EQ(linked.downs(), (Texts{kOfB, kOfA})) << right << " " << by_a;
      EXPECT_TRUE(linked.script.left.node().send("watcher", Stray{}));
    }
  }
}

TEST(Link, LK1_TheCauseNamesEachLinkOnTheWay) {
  for (const std::string& right : kPlaces) {
    Linked linked(right);
    linked.link("a", "b");
    linked.link("c", "a");
    linked.kill("b");
    EXPECT_EQ(linked.downs(), (Texts{kOfB, kOfA, kOfC})) << right;
  }
}

TEST(Link, LK1_ALostLinkBetweenTheNodesEndsBoth) {
  Linked linked("b");
  linked.link("a", "b");
  linked.script.network.wire().cut(linked.script.left.endpoint(), linked.script.right.endpoint());
  linked.script.network.run_turns();
  EXPECT_EQ(linked.script.left.snapshot_of("a").failure,
            "its link b#1 ended because connection to memory://right lost: the wire was cut");
  EXPECT_EQ(linked.script.right.snapshot_of("b").failure,
            "its link a#1 ended because connection to memory://left lost: the wire was cut");
}

TEST(Link, LK1_AlsoWhenTheOtherNodeHasNeverHeardOfTheOneThatLinks) {
  Script script;
  script.spawn_puppet(script.right, "b");
  (void)script.left
      .try_spawn("a", hooked([] {
                   HookedActor::Hooks hooks;
                   hooks.number = [](const Number& number, Context& context) {
                     if (number.value == 0) return context.link(ActorId{"b", 0});
                     throw std::runtime_error("boom");
                   };
                   return hooks;
                 }()),
                 1)
      .value();
  for (const std::uint32_t number : {0U, 1U}) {
    ASSERT_TRUE(script.left.node().send("a", Number{number}));
    script.network.deliver_all();
  }
  EXPECT_EQ(script.right.snapshot_of("b").failure, "its link a#1 ended because boom (in test.number)");
}

TEST(Link, LK1_WhoeverWaitsForALinkedOneHearsTheCause) {
  Script script;
  script.spawn(script.left, "b", dying_of("boom"));
  HookedActor::Hooks hooks = dying_of("");
  hooks.start = [](Context& context) { context.link(ActorId{"b", 0}); };
  script.spawn(script.right, "a", std::move(hooks));
  script.spawn_puppet(script.left, "asker");
  script.network.deliver_all();
  script.ask(script.left, "asker", {"a", 0}, 1, std::chrono::hours(1));
  script.network.deliver_all();
  ASSERT_TRUE(script.left.node().send("b", Number{}));
  script.network.deliver_all();
  EXPECT_EQ(script.outcomes, Texts{"1: faulted: a#1 is down: its link b#1 ended because boom (in test.number)"});
}

TEST(Link, LK2_WhenOneEndsInGoodOrderTheOtherLivesOn) {
  for (const std::string& right : kPlaces) {
    Linked linked(right);
    linked.link("a", "b");
    linked.stop("b");
    EXPECT_EQ(linked.downs(), Texts{"b#1: disconnected: stopped"}) << right;
  }
}

TEST(Link, LK3_AfterUnlinkNeitherEndIsTheOthersConcern) {
  for (const std::string& right : kPlaces) {
    for (const std::string victim : {"a", "b"}) {
      Linked linked(right);
      linked.link("a", "b");
      linked.act("a", [](Context& context) { context.unlink(ActorId{"b", 0}); });
      linked.kill(victim);
      EXPECT_EQ(linked.downs(), Texts{victim + "#1: faulted: boom (in test.number)"}) << right;
    }
  }
}

TEST(Link, LK3_AWatchOutlivesTheLink) {
  for (const std::string& right : kPlaces) {
    Linked linked(right);
    linked.act("watcher", [](Context& context) {
      context.link(ActorId{"b", 0});
      context.unlink(ActorId{"b", 0});
    });
    linked.kill("b");
    EXPECT_EQ(linked.downs(), Texts{kOfB}) << right;
  }
}

TEST(Link, LK4_ALinkWithADeadOneIsTheEnd) {
  Linked linked;
  linked.link("a", "nobody");
  linked.kill("b");
  linked.link("c", "b");
  EXPECT_EQ(linked.downs(), (Texts{"a#1: faulted: its link nobody#0 ended because no actor named nobody", kOfB,
                                   "c#1: faulted: its link b#0 ended because boom (in test.number)"}));
}

TEST(Link, ALinkWithItselfIsNone) {
  Linked linked;
  linked.link("a", "a");
  linked.stop("a");
  EXPECT_EQ(linked.downs(), Texts{"a#1: disconnected: stopped"});
}

}  // namespace
}  // namespace troupe::runtime
