#include "runtime/dead_letter.hpp"

#include "tests/runtime/task/coroutine_actors.hpp"

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

/// A puppet on the left, "sender", with or without a handler for dead letters, and what came back to it.
struct Letters {
  enum class Handler { none, one };
  Texts letters;
  Script script;
  std::deque<Script::Action> actions;

  explicit Letters(Handler handler = Handler::one) {
    std::vector<Behavior::Entry> rows;
    rows.push_back(on<Number>([this](const Number&, Context& context) {
      const Script::Action action = std::move(actions.front());
      actions.pop_front();
      action(context);
    }));
    const Behavior::Entry letter = on<DeadLetter>([this](const DeadLetter& lost, Context&) {
      letters.push_back(lost.message + " for " + lost.receiver.describe() + ": " + lost.reason.describe());
    });
    spawn_with(script, script.left, "sender", handler == Handler::none ? Behavior{rows[0]} : Behavior{rows[0], letter});
  }
  void act(Script::Action action) {
    actions.push_back(std::move(action));
    tell(script, script.left, "sender", 0);
  }
  void send_stray(const std::string& to, std::uint32_t incarnation = 0) {
    act([to, incarnation](Context& context) { EXPECT_TRUE(context.send(ActorId{to, incarnation}, Stray{})); });
  }
  std::uint64_t counted() { return script.left.snapshot_of("sender").dead_letters; }
};

TEST(DeadLetter, DL1_AMessageWithoutHandlerComesBackFromTheSameAndFromAnotherNode) {
  Letters test;
  test.script.spawn(test.script.left, "near", {});
  test.script.spawn(test.script.right, "far", {});
  test.send_stray("near");
  test.send_stray("far", 1);
  test.script.network.deliver_all();
  EXPECT_EQ(test.letters,
            (Texts{"test.stray for near#0: unknown: node left: near#1: no handler for message test.stray",
                   "test.stray for far#1: unknown: node right: far#1: no handler for message test.stray"}));
  EXPECT_EQ(test.counted(), 2U);
}

TEST(DeadLetter, DL1_AMailboxThatIsFullElsewhere) {
  Letters test;
  DeterministicNode& small = add_small_node(test.script.network, 1);
  test.script.spawn(small, "b/x", {});
  test.send_stray("b/x");
  test.send_stray("b/x");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(test.script.network.wire().release_one({test.script.left.endpoint(), small.endpoint()}, "test.stray"));
  }
  test.script.network.wire().release_one({small.endpoint(), test.script.left.endpoint()}, "");
  test.script.left.turns().run_all();
  EXPECT_EQ(test.letters, Texts{"test.stray for b/x#0: overloaded: node small: the mailbox of b/x#1 is full"});
}

TEST(DeadLetter, DL1_WhatWaitedWhenItsReceiverEnded) {
  for (const bool is_near : {true, false}) {
    Letters test;
    DeterministicNode& place = is_near ? test.script.left : test.script.right;
    test.script.spawn(place, "mortal", dying_of("boom"));
    test.act([](Context& context) {
      EXPECT_TRUE(context.send(ActorId{"mortal", 0}, Number{}));
      EXPECT_TRUE(context.send(ActorId{"mortal", 0}, Number{}));
    });
    if (!is_near) {
      for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(test.script.network.wire().release_one({test.script.left.endpoint(), test.script.right.endpoint()},
                                                           "test.number"));
      }
    }
    test.script.network.deliver_all();
    const std::string node = is_near ? "left" : "right";
    EXPECT_EQ(test.letters,
              Texts{"test.number for mortal#0: faulted: node " + node + ": mortal#1 is down: boom (in test.number)"});
  }
}

TEST(DeadLetter, DL1_WhatTheLinkGivesBack) {
  Letters test;
  test.script.spawn(test.script.right, "far", {});
  test.send_stray("far");
  test.script.right.shutdown();
  test.script.network.deliver_all();
  ASSERT_EQ(test.letters.size(), 1U);
  EXPECT_EQ(test.letters[0].substr(0, 52), "test.stray for far#0: disconnected: node left: nobod");
}

TEST(DeadLetter, DL1_WhatWaitedForRoomUntilItsReceiverWasGone) {
  Letters test;
  DeterministicNode& small = add_small_node(test.script.network, 1);
  (void)small;
  test.script.spawn(test.script.left, "near", {});
  test.act([](Context& context) {
    for (int i = 0; i < 8193; ++i) EXPECT_TRUE(context.send_when_room(ActorId{"near", 1}, Number{}));
    context.node().stop_later({"near", 1}, StopMode::now);
  });
  test.script.network.advance(milliseconds(5));
  ASSERT_FALSE(test.letters.empty());
  EXPECT_EQ(test.letters.size(), 8193U);
  EXPECT_EQ(test.letters.front(), "test.number for near#1: disconnected: node left: near#1 is down: stopped");
  EXPECT_EQ(test.letters.back(), "test.number for near#1: disconnected: node left: near#1 is dead");
}

TEST(DeadLetter, DL2_OfADeadLetterThereIsNone) {
  Letters test;
  test.script.spawn(test.script.right, "far", {});
  test.send_stray("far");
  ASSERT_TRUE(test.script.left.stop("sender"));
  test.script.network.expect("test.stray").from(test.script.left).to(test.script.right);
  test.script.network.expect("runtime.dead_letter").from(test.script.right).to(test.script.left);
  test.script.network.expect_no_mail();
}

TEST(DeadLetter, DL3_WithoutAHandlerNothingIsSentBack) {
  Letters test(Letters::Handler::none);
  test.script.spawn(test.script.right, "far", {});
  test.send_stray("far");
  test.script.network.expect("test.stray").from(test.script.left).to(test.script.right);
  test.script.network.expect_no_mail();
  EXPECT_EQ(test.script.right.snapshot_of("far").dead_letters, 1U);
}

}  // namespace
}  // namespace troupe::runtime
