#include "runtime/context.hpp"

#include "tests/runtime/script.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <random>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

const ActorId kAnswerer{"answerer", 0};

/// Left asks, right answers.
struct Conversation : Script {
  Conversation() {
    spawn_puppet(left, "asker");
    spawn(right, "answerer", answering());
  }
};

TEST(Context, CX1_RequestEndsWithTheReply) {
  Conversation script;
  script.ask(script.left, "asker", kAnswerer, 7);
  EXPECT_TRUE(script.outcomes.empty());
  script.network.expect("test.ask").from(script.left).to(script.right);
  EXPECT_TRUE(script.outcomes.empty()) << "the reply is still on its way";
  script.network.expect("test.answer").from(script.right).to(script.left);
  EXPECT_EQ(script.outcomes, (Texts{"7: 7"}));
  script.network.advance(milliseconds(200));
  EXPECT_EQ(script.outcomes.size(), 1U) << "the deadline finds nothing to do";
  script.network.expect_no_mail();
  EXPECT_EQ(script.network.time().waiting(), 0U) << "the timer of an answered request is cancelled";
}

TEST(Context, CX1_WithoutAReplyTheDeadlineIsTheOutcome) {
  Conversation script;
  script.ask(script.left, "asker", kAnswerer, 7, milliseconds(100));
  script.network.drop("test.ask").from(script.left).to(script.right);
  script.network.advance(milliseconds(99));
  EXPECT_TRUE(script.outcomes.empty());
  script.network.advance(milliseconds(1));
  EXPECT_EQ(script.outcomes, (Texts{"7: disconnected: no answer to test.ask from answerer within 100 ms"}));
}

TEST(Context, CX1_ALateReplyChangesNothing) {
  Conversation script;
  script.ask(script.left, "asker", kAnswerer, 7, milliseconds(100));
  script.network.expect("test.ask").from(script.left).to(script.right);
  script.network.advance(milliseconds(100));
  script.network.expect("test.answer").from(script.right).to(script.left);
  ASSERT_EQ(script.outcomes.size(), 1U);
  EXPECT_NE(script.outcomes[0].find("no answer"), std::string::npos);
}

TEST(Context, CX1_ADoubledReplyIsOneOutcome) {
  Conversation script;
  script.ask(script.left, "asker", kAnswerer, 7);
  script.network.duplicate("test.ask").from(script.left).to(script.right);
  script.network.duplicate("test.answer").from(script.right).to(script.left);
  script.network.expect("test.answer").from(script.right).to(script.left);
  EXPECT_EQ(script.outcomes, (Texts{"7: 7"}));
}

TEST(Context, CX1_AReplyOfAnotherTypeIsAFailure) {
  Conversation script;
  HookedActor::Hooks hooks;
  hooks.ask = [](const Ask&, Context& context) { context.reply(Number{1}); };
  script.spawn(script.left, "confused", std::move(hooks));
  script.ask(script.left, "asker", {"confused", 0}, 1);
  EXPECT_EQ(script.outcomes, (Texts{"1: unknown: expected message test.answer, got test.number"}));
}

TEST(Context, CX1_FailuresAreOutcomes) {
  Conversation script;
  HookedActor::Hooks hooks;
  hooks.ask = [](const Ask&, Context& context) { context.reply_failure({FailureKind::overloaded, "not now"}); };
  script.spawn(script.right, "busy", std::move(hooks));
  script.ask(script.left, "asker", {"busy", 0}, 1);
  script.network.deliver_all();
  script.ask(script.left, "asker", {"nobody", 0}, 2);
  EXPECT_EQ(script.outcomes, (Texts{"1: overloaded: not now", "2: unknown: cannot ask nobody: no actor named nobody"}));
}

TEST(Context, CX1_AMessageWithoutHandlerIsAnsweredInWords) {
  Conversation script;
  script.act(script.left, "asker", [&script](Context& context) {
    context.request<Answer>(kAnswerer, Stray{}, milliseconds(100), [&script](const Result<Answer>& answer, Context&) {
      script.outcomes.push_back(answer.failure().describe());
    });
  });
  script.network.deliver_all();
  EXPECT_EQ(script.outcomes, (Texts{"unknown: answerer#1: no handler for message test.stray"}));
  EXPECT_EQ(script.right.snapshot_of("answerer").dead_letters, 1U);
}

TEST(Context, CX1_ADeferredReplyComesLater) {
  Conversation script;
  std::optional<ReplyTo> waiting;
  HookedActor::Hooks hooks;
  hooks.ask = [&waiting](const Ask&, Context& context) { waiting = context.defer_reply(); };
  script.spawn_puppet(script.right, "slow", std::move(hooks));
  script.ask(script.left, "asker", {"slow", 0}, 5);
  script.network.deliver_all();
  ASSERT_TRUE(waiting);
  EXPECT_TRUE(script.outcomes.empty());
  script.act(script.right, "slow", [&waiting](Context& context) { context.reply_to(*waiting, Answer{50}); });
  script.network.expect("test.answer").from(script.right).to(script.left);
  EXPECT_EQ(script.outcomes, (Texts{"5: 50"}));
}

TEST(Context, CX1_ADeferredReplyMayBeAFailure) {
  Conversation script;
  std::optional<ReplyTo> waiting;
  HookedActor::Hooks hooks;
  hooks.ask = [&waiting](const Ask&, Context& context) { waiting = context.defer_reply(); };
  script.spawn_puppet(script.left, "slow", std::move(hooks));
  script.ask(script.left, "asker", {"slow", 0}, 5);
  script.act(script.left, "slow", [&waiting](Context& context) {
    context.fail_to(*waiting, {FailureKind::faulted, "gave up"});
  });
  EXPECT_EQ(script.outcomes, (Texts{"5: faulted: gave up"}));
}

TEST(Context, CX1_HoldsForEveryRequestOverABrokenWire) {
  Conversation script;
  std::mt19937 random(42);
  constexpr std::uint32_t kRequests = 500;
  std::uint32_t asked = 0;
  while (asked < kRequests || script.network.wire().held() > 0) {
    const std::uint32_t dice = random() % 10;
    if (dice < 4 && asked < kRequests)
      script.ask(script.left, "asker", kAnswerer, asked++, milliseconds(random() % 50));
    const bool outward = random() % 2 == 0;
    const DeterministicNode& from = outward ? script.left : script.right;
    const DeterministicNode& to = outward ? script.right : script.left;
    const MemoryNetwork::Link link{from.endpoint(), to.endpoint()};
    if (dice == 4) script.network.wire().drop_one(link, "");
    if (dice == 5) script.network.wire().duplicate_one(link, "");
    if (dice > 5) script.network.wire().release_one(link, "");
    script.network.advance(milliseconds(random() % 4));
  }
  script.network.advance(milliseconds(50));
  std::map<std::string, int> count;
  std::size_t answered = 0;
  for (const std::string& outcome : script.outcomes) {
    ++count[outcome.substr(0, outcome.find(':'))];
    if (outcome.find("no answer") == std::string::npos) ++answered;
  }
  ASSERT_EQ(count.size(), kRequests);
  for (const auto& [request, outcomes] : count) EXPECT_EQ(outcomes, 1) << "request " << request;
  EXPECT_GT(answered, 0U);
  EXPECT_LT(answered, kRequests);
  EXPECT_EQ(script.network.time().waiting(), 0U);
}

TEST(Context, CX2_MessagesOfOneActorArriveInTheOrderSent) {
  Script script;
  std::vector<std::uint32_t> heard;
  HookedActor::Hooks hooks;
  hooks.number = [&heard](const Number& message, Context&) { heard.push_back(message.value); };
  script.spawn(script.right, "far", hooks);
  script.spawn(script.left, "near", hooks);
  script.spawn_puppet(script.left, "sender");
  for (const char* receiver : {"far", "near"}) {
    heard.clear();
    script.act(script.left, "sender", [receiver](Context& context) {
      for (std::uint32_t i = 0; i < 50; ++i) EXPECT_TRUE(context.send(receiver, Number{i}));
    });
    script.network.deliver_all();
    ASSERT_EQ(heard.size(), 50U);
    EXPECT_TRUE(std::is_sorted(heard.begin(), heard.end()));
  }
}

TEST(Context, CX3_ADelayedMessageComesWhenItIsDue) {
  Script script;
  std::vector<std::uint32_t> heard;
  HookedActor::Hooks hooks;
  hooks.start = [](Context& context) {
    context.after(milliseconds(20), Number{2});
    context.after(milliseconds(10), Number{1});
    context.after(milliseconds(20), Number{3});
    context.after(milliseconds(0), Number{0});
  };
  hooks.number = [&heard](const Number& message, Context&) { heard.push_back(message.value); };
  script.spawn(script.left, "sleeper", std::move(hooks));
  using Numbers = std::vector<std::uint32_t>;
  EXPECT_EQ(heard, Numbers{}) << "also without a delay it is another turn";
  script.network.advance(milliseconds(0));
  EXPECT_EQ(heard, (Numbers{0}));
  script.network.advance(milliseconds(9));
  EXPECT_EQ(heard, (Numbers{0}));
  script.network.advance(milliseconds(1));
  EXPECT_EQ(heard, (Numbers{0, 1}));
  script.network.advance(milliseconds(10));
  EXPECT_EQ(heard, (Numbers{0, 1, 2, 3}));
}

TEST(Context, CX3_NothingComesAfterTheActorHasStopped) {
  Script script;
  int heard = 0;
  HookedActor::Hooks hooks;
  hooks.start = [](Context& context) { context.after(milliseconds(10), Number{1}); };
  hooks.number = [&heard](const Number&, Context&) { ++heard; };
  script.spawn(script.left, "sleeper", hooks);
  ASSERT_TRUE(script.left.stop("sleeper"));
  script.network.advance(milliseconds(9));
  hooks.start = nullptr;
  script.spawn(script.left, "sleeper", hooks, 2);
  script.network.advance(milliseconds(10));
  EXPECT_EQ(heard, 0) << "a successor does not get its predecessor's messages";
}

TEST(Context, AMessageThatCannotBeSentIsAValueAndIsCounted) {
  Script script;
  script.spawn_puppet(script.left, "sender");
  script.act(script.left, "sender", [](Context& context) {
    const Result<Done> sent = context.send("nobody", Number{});
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.failure().kind, FailureKind::unknown);
    EXPECT_EQ(sent.failure().text, "no actor named nobody");
  });
  EXPECT_EQ(script.left.snapshot_of("sender").dead_letters, 1U);
}

TEST(Context, AFullMailboxSaysOverloaded) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 2);
  HookedActor::Hooks hooks;
  int handled = 0;
  hooks.number = [&handled](const Number&, Context&) { ++handled; };
  ASSERT_TRUE(node.try_spawn("receiver", hooked(std::move(hooks)), 1));
  EXPECT_TRUE(node.node().send("receiver", Number{}));
  EXPECT_TRUE(node.node().send("receiver", Number{}));
  const Result<Done> third = node.node().send("receiver", Number{});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.failure().kind, FailureKind::overloaded);
  network.run_turns();
  EXPECT_EQ(handled, 2);
  EXPECT_TRUE(node.node().send("receiver", Number{}));
}

TEST(Context, CX4_WhatFindsNoRoomGoesOutLaterInOrder) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 2);
  std::vector<std::uint32_t> heard;
  HookedActor::Hooks slow;
  slow.number = [&heard](const Number& message, Context&) { heard.push_back(message.value); };
  ASSERT_TRUE(node.try_spawn("slow", hooked(std::move(slow)), 1));
  HookedActor::Hooks eager;
  eager.number = [](const Number&, Context& context) {
    for (std::uint32_t value = 1; value <= 5; ++value) {
      EXPECT_TRUE(context.send_when_room("slow", Number{value}));
    }
    const Result<Done> nobody = context.send_when_room("nobody", Number{});
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.failure().kind, FailureKind::unknown);
  };
  ASSERT_TRUE(node.try_spawn("eager", hooked(std::move(eager)), 1));
  ASSERT_TRUE(node.node().send("eager", Number{}));
  network.run_turns();
  EXPECT_EQ(heard, (std::vector<std::uint32_t>{1, 2}));
  network.advance(milliseconds(1));
  EXPECT_EQ(heard, (std::vector<std::uint32_t>{1, 2, 3, 4}));
  network.advance(milliseconds(1));
  EXPECT_EQ(heard, (std::vector<std::uint32_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(network.time().waiting(), 0U) << "nobody looks for room when nothing waits";
}

TEST(Context, CX4_WhatWaitsForRoomIsBoundedAndGoesWithItsActor) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 1);
  int handled = 0;
  HookedActor::Hooks slow;
  slow.number = [&handled](const Number&, Context&) { ++handled; };
  ASSERT_TRUE(node.try_spawn("slow", hooked(std::move(slow)), 1));
  HookedActor::Hooks eager;
  eager.number = [](const Number&, Context& context) {
    for (std::size_t i = 0; i < kMaxWaitingSends + 2; ++i) (void)context.send_when_room("slow", Number{});
  };
  ASSERT_TRUE(node.try_spawn("eager", hooked(std::move(eager)), 1));
  ASSERT_TRUE(node.node().send("eager", Number{}));
  network.run_turns();
  EXPECT_EQ(node.snapshot_of("eager").status, ActorStatus::failed);
  EXPECT_NE(node.snapshot_of("eager").failure.find("the last for slow: it does not keep up"), std::string::npos);
  network.advance(milliseconds(5));
  EXPECT_EQ(handled, 1);
}

TEST(Context, CX3_ADelayedMessageFindsItsPlaceInAFullMailbox) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 1);
  std::vector<std::uint32_t> heard;
  HookedActor::Hooks ticking;
  ticking.number = [&heard](const Number& message, Context& context) {
    heard.push_back(message.value);
    if (message.value == 0) context.after(milliseconds(1), Number{7});
  };
  ASSERT_TRUE(node.try_spawn("ticking", hooked(std::move(ticking)), 1));
  ASSERT_TRUE(node.node().send("ticking", Number{0}));
  network.run_turns();
  ASSERT_TRUE(node.node().send("ticking", Number{1}));
  EXPECT_FALSE(node.node().send("ticking", Number{2})) << "it is full";
  network.advance(milliseconds(1));
  EXPECT_EQ(heard, (std::vector<std::uint32_t>{0, 1, 7}));
}

TEST(Context, TheCauseOfAMessageIsHandedOn) {
  Script script;
  std::vector<std::uint64_t> causes;
  HookedActor::Hooks last;
  last.number = [&causes](const Number&, Context& context) { causes.push_back(context.current().header.cause); };
  script.spawn(script.right, "last", std::move(last));
  HookedActor::Hooks first;
  first.number = [&causes](const Number& message, Context& context) {
    causes.push_back(context.current().header.cause);
    (void)context.send("last", message);
    context.request<Answer>({"answerer", 0}, Ask{}, milliseconds(10),
                            [](const Result<Answer>&, Context& later) { (void)later.send("last", Number{}); });
  };
  script.spawn(script.right, "answerer", answering());
  script.spawn(script.left, "first", std::move(first));
  ASSERT_TRUE(script.left.node().send("first", Number{}));
  script.network.deliver_all();
  ASSERT_EQ(causes.size(), 3U);
  EXPECT_NE(causes[0], 0U);
  EXPECT_EQ(causes[1], causes[0]);
  EXPECT_EQ(causes[2], causes[0]) << "also through a request's answer";
}

TEST(Context, StopEndsTheActorAfterTheTurn) {
  Script script;
  std::vector<std::string> events;
  HookedActor::Hooks hooks;
  hooks.number = [&events](const Number&, Context& context) {
    context.stop();
    events.emplace_back("handled");
  };
  hooks.stop = [&events](Context&) { events.emplace_back("stopped"); };
  script.spawn(script.left, "brief", std::move(hooks));
  EXPECT_TRUE(script.left.node().send("brief", Number{}));
  EXPECT_TRUE(script.left.node().send("brief", Number{}));
  script.network.run_turns();
  EXPECT_EQ(events, (Texts{"handled", "stopped"})) << "what waited is not handled";
  EXPECT_EQ(script.left.snapshot_of("brief").status, ActorStatus::stopped);
  EXPECT_FALSE(script.left.node().send("brief", Number{}));
}

TEST(Context, ANoteShowsInTheSnapshot) {
  Script script;
  script.spawn_puppet(script.left, "worker");
  script.act(script.left, "worker", [&script](Context& context) {
    context.note(Phase::backward, 12, 3);
    const Snapshot now = script.left.snapshot_of("worker");
    EXPECT_EQ(now.phase, Phase::backward);
    EXPECT_EQ(now.step, 12U);
    EXPECT_EQ(now.micro_batch, 3U);
    EXPECT_EQ(now.last_message, "test.number");
    EXPECT_NE(now.busy_since_ns, 0);
  });
  EXPECT_EQ(script.left.snapshot_of("worker").busy_since_ns, 0);
}

}  // namespace
}  // namespace troupe::runtime
