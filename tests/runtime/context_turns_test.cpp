#include "runtime/context.hpp"

#include "tests/runtime/script.hpp"

/// What an actor asks for beyond sending and answering: cancel, forward, urgent mail, timers, another behavior.
namespace troupe::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Texts = std::vector<std::string>;
using Numbers = std::vector<std::uint32_t>;

HookedActor::Hooks recording(Numbers& heard) {
  HookedActor::Hooks hooks;
  hooks.number = [&heard](const Number& message, Context&) { heard.push_back(message.value); };
  return hooks;
}

/// As large as it is told to be.
struct Bulky {
  static constexpr std::string_view kName = "test.bulky";
  std::string text;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text);
  }
};

TEST(ContextTurns, WhatIsTooLargeToTravelIsAFailureOfItsSenderOnly) {
  Script script;
  script.spawn(script.right, "far", answering());
  script.spawn_puppet(script.left, "sender");
  script.act(script.left, "sender", [&script](Context& context) {
    const Bulky message{std::string(kMaxBodyBytes + 1, 'x')};
    const Result<Done> sent = context.send(ActorId{"far", 0}, message);
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.failure().kind, FailureKind::unknown);
    EXPECT_NE(sent.failure().text.find("test.bulky: message body of "), std::string::npos) << sent.failure().text;
    context.request<Answer>(ActorId{"far", 0}, message, hours(1), [&script](const Result<Answer>& answer, Context&) {
      script.outcomes.push_back(answer ? "answered" : answer.failure().text.substr(0, 27));
    });
  });
  EXPECT_EQ(script.outcomes, Texts{"cannot ask far: test.bulky:"});
  EXPECT_EQ(script.left.snapshot_of("sender").status, ActorStatus::running);
}

TEST(ContextTurns, CE2_AReplyTooLargeToTravelIsAnsweredWithAFailureAtOnce) {
  Script script;
  for (const bool later : {false, true}) {
    const std::string name = later ? "later" : "at once";
    HookedActor::Hooks hooks;
    hooks.ask = [later](const Ask&, Context& context) {
      const Bulky reply{std::string(kMaxBodyBytes + 1, 'x')};
      if (!later) return context.reply(reply);
      context.reply_to(context.defer_reply(), reply);
    };
    script.spawn(script.right, name, std::move(hooks));
    script.spawn_puppet(script.left, "asker of " + name);
    script.ask(script.left, "asker of " + name, {name, 0}, 1, hours(1));
    script.network.deliver_all();
    ASSERT_EQ(script.outcomes.size(), 1U) << name;
    EXPECT_NE(script.outcomes[0].find("test.bulky: message body of "), std::string::npos) << script.outcomes[0];
    script.outcomes.clear();
  }
}

TEST(ContextTurns, ManyShortRequestsBesideALongOneKeepOneTimer) {
  Script script;
  script.spawn(script.right, "silent", dying_of(""));
  script.spawn_puppet(script.left, "asker");
  script.ask(script.left, "asker", {"silent", 0}, 1, hours(1));
  for (std::uint32_t i = 0; i < 50; ++i) {
    script.ask(script.left, "asker", {"silent", 0}, 2, milliseconds(1));
    EXPECT_EQ(script.network.time().waiting(), 1U);
    script.network.advance(milliseconds(1));
  }
  EXPECT_EQ(script.outcomes.size(), 50U);
  EXPECT_EQ(script.network.time().waiting(), 1U);
  ASSERT_TRUE(script.left.stop("asker"));
  EXPECT_EQ(script.network.time().waiting(), 0U);
}

TEST(ContextTurns, ND4_ALostLinkIsNoNewsForWhatIsAskedAfterwards) {
  Script script;
  script.spawn(script.right, "stage", answering());
  script.spawn_puppet(script.left, "asker");
  script.ask(script.left, "asker", {"stage", 0}, 1, hours(1));
  script.network.wire().cut(script.left.endpoint(), script.right.endpoint());  // its news is a turn that waits
  script.ask(script.left, "asker", {"stage", 0}, 2, hours(1));
  script.network.deliver_all();
  EXPECT_EQ(script.outcomes, (Texts{"1: disconnected: connection to memory://right lost: the wire was cut", "2: 2"}));
}

TEST(ContextTurns, CX5_ACancelledRequestHasNoOutcome) {
  Script script;
  script.spawn(script.right, "answerer", answering());
  script.spawn_puppet(script.left, "asker");
  RequestId first;
  RequestId second;
  script.act(script.left, "asker", [&](Context& context) {
    const auto ask = [&](std::uint32_t value) {
      return context.request<Answer>(
          ActorId{"answerer", 0}, Ask{value}, milliseconds(100), [&script](const Result<Answer>& answer, Context&) {
            script.outcomes.push_back(answer ? std::to_string(answer->value) : answer.failure().describe());
          });
    };
    first = ask(1);
    second = ask(2);
  });
  script.act(script.left, "asker", [&](Context& context) { context.cancel(first); });
  script.network.deliver_all();
  script.network.advance(milliseconds(200));
  EXPECT_EQ(script.outcomes, Texts{"2"});
  script.act(script.left, "asker", [&](Context& context) { context.cancel(second); });  // it is over: nothing happens
}

TEST(ContextTurns, CX5_ACancelledTimerIsNotHandledThoughItWaitsAlready) {
  Script script;
  Numbers heard;
  HookedActor::Hooks hooks;
  hooks.number = [&heard](const Number& message, Context& context) {
    heard.push_back(message.value);
    if (message.value > 0) return;
    const TimerId late = context.after(milliseconds(10), Number{1});
    (void)context.after(milliseconds(10), Number{2});
    context.cancel(late);
    context.cancel(late);
    context.cancel(TimerId{99});
  };
  script.spawn(script.left, "sleeper", std::move(hooks));
  ASSERT_TRUE(script.left.node().send("sleeper", Number{0}));
  script.network.run_turns();
  script.network.advance(milliseconds(20));
  EXPECT_EQ(heard, (Numbers{0, 2}));
}

TEST(ContextTurns, CX5_OfTwoTimersDueAtOnceTheFirstMayCancelTheSecond) {
  Script script;
  Numbers heard;
  TimerId second;
  HookedActor::Hooks hooks;
  hooks.start = [&second](Context& context) {
    (void)context.after(milliseconds(5), Number{1});
    second = context.after(milliseconds(5), Number{2});
  };
  hooks.number = [&](const Number& message, Context& context) {
    heard.push_back(message.value);
    context.cancel(second);
  };
  script.spawn(script.left, "sleeper", std::move(hooks));
  script.network.time().advance(milliseconds(5), [] {});  // both are in the mailbox
  script.network.run_turns();
  EXPECT_EQ(heard, Numbers{1});
}

TEST(ContextTurns, APeriodicMessageComesUntilItIsCancelled) {
  Script script;
  Numbers heard;
  TimerId beat;
  HookedActor::Hooks hooks;
  hooks.start = [&beat](Context& context) { beat = context.every(milliseconds(10), Number{7}); };
  hooks.number = [&](const Number& message, Context& context) {
    heard.push_back(message.value);
    if (heard.size() == 4) context.cancel(beat);
  };
  script.spawn(script.left, "metronome", std::move(hooks));
  script.network.advance(milliseconds(35));
  EXPECT_EQ(heard.size(), 3U);
  script.network.advance(milliseconds(1000));
  EXPECT_EQ(heard, (Numbers{7, 7, 7, 7}));
  EXPECT_EQ(script.network.time().waiting(), 0U);
}

TEST(ContextTurns, APeriodicMessageEndsWithItsActor) {
  Script script;
  Numbers heard;
  HookedActor::Hooks hooks = recording(heard);
  hooks.start = [](Context& context) { (void)context.every(milliseconds(10), Number{7}); };
  script.spawn(script.left, "metronome", std::move(hooks));
  script.network.advance(milliseconds(10));
  ASSERT_TRUE(script.left.stop("metronome"));
  script.network.advance(milliseconds(100));
  EXPECT_EQ(heard.size(), 1U);
  EXPECT_EQ(script.network.time().waiting(), 0U);
}

TEST(ContextTurns, CX6_UrgentMailOvertakesWhatWaitsAndKeepsItsOrder) {
  for (const bool far : {false, true}) {
    Script script;
    Numbers heard;
    DeterministicNode& home = far ? script.right : script.left;
    script.spawn(home, "receiver", recording(heard));
    script.spawn_puppet(script.left, "sender");
    script.act(script.left, "sender", [](Context& context) {
      const ActorId receiver{"receiver", 0};
      for (const std::uint32_t value : {1U, 2U, 3U}) (void)context.send(receiver, Number{value});
      for (const std::uint32_t value : {11U, 12U}) EXPECT_TRUE(context.send_urgent(receiver, Number{value}));
    });
    while (script.network.wire().release_next()) {  // all arrive before the first turn
    }
    script.network.deliver_all();
    EXPECT_EQ(heard, (Numbers{11, 12, 1, 2, 3})) << (far ? "between nodes" : "in a process");
  }
}

TEST(ContextTurns, CX7_OfWhatIsSoonOutOfDateTheNewestWaitAndTheRestIsCounted) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 2);
  Numbers heard;
  HookedActor::Hooks slow = recording(heard);
  slow.ask = [&heard](const Ask& message, Context&) { heard.push_back(100 + message.value); };
  ASSERT_TRUE(node.try_spawn("slow", hooked(std::move(slow)), 1));
  HookedActor::Hooks eager;
  eager.number = [](const Number&, Context& context) {
    const ActorId to{"slow", 0};
    for (const std::uint32_t value : {1U, 2U}) EXPECT_TRUE(context.send_latest(to, Number{value}));  // there is room
    EXPECT_TRUE(context.send_when_room(to, Number{3}));
    for (const std::uint32_t value : {4U, 5U, 6U, 7U}) EXPECT_TRUE(context.send_latest(to, Number{value}, 2));
    for (const std::uint32_t value : {1U, 2U}) EXPECT_TRUE(context.send_latest(to, Ask{value}));
    EXPECT_TRUE(context.send_when_room(to, Number{8}));
    const Result<Done> nobody = context.send_latest(ActorId{"nobody", 0}, Number{});
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.failure().kind, FailureKind::unknown);
  };
  ASSERT_TRUE(node.try_spawn("eager", hooked(std::move(eager)), 1));
  ASSERT_TRUE(node.node().send("eager", Number{}));
  network.run_turns();
  for (int i = 0; i < 10; ++i) network.advance(milliseconds(1));
  EXPECT_EQ(heard, (Numbers{1, 2, 3, 6, 7, 102, 8})) << "what waits by send_when_room() is left alone";
  EXPECT_EQ(node.snapshot_of("eager").dropped, 3U);
  EXPECT_EQ(node.snapshot_of("eager").dead_letters, 1U) << "to nobody: what was replaced is no dead letter";
}

TEST(ContextTurns, CX7_AnEndlessSupplyOfNewsNeverWaitsInNumbers) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 1);
  Numbers heard;
  ASSERT_TRUE(node.try_spawn("slow", hooked(recording(heard)), 1));
  constexpr std::uint32_t kNews = 2 * kMaxWaitingSends;
  HookedActor::Hooks eager;
  eager.number = [](const Number&, Context& context) {
    for (std::uint32_t i = 0; i < kNews; ++i) EXPECT_TRUE(context.send_latest(ActorId{"slow", 0}, Number{i}));
  };
  ASSERT_TRUE(node.try_spawn("eager", hooked(std::move(eager)), 1));
  ASSERT_TRUE(node.node().send("eager", Number{}));
  network.run_turns();
  network.advance(milliseconds(1));
  EXPECT_EQ(heard, (Numbers{0, kNews - 1}));
  EXPECT_EQ(node.snapshot_of("eager").dropped, kNews - 2);
}

TEST(ContextTurns, AForwardedRequestIsAnsweredByTheOther) {
  for (const bool far : {false, true}) {
    Script script;
    script.spawn(far ? script.right : script.left, "answerer", answering());
    HookedActor::Hooks desk;
    desk.ask = [](const Ask&, Context& context) { EXPECT_TRUE(context.forward({"answerer", 0}, milliseconds(50))); };
    script.spawn(script.left, "desk", std::move(desk));
    script.spawn_puppet(script.right, "asker");
    script.ask(script.right, "asker", {"desk", 0}, 5);
    script.network.deliver_all();
    EXPECT_EQ(script.outcomes, Texts{"5: 5"});
  }
}

TEST(ContextTurns, AForwardedRequestEndsThoughTheOtherIsSilentOrGone) {
  Script script;
  HookedActor::Hooks silent;
  silent.ask = [](const Ask&, Context& context) { (void)context.defer_reply(); };
  script.spawn(script.left, "silent", std::move(silent));
  HookedActor::Hooks desk;
  desk.ask = [](const Ask& ask, Context& context) {
    (void)context.forward({ask.value == 1 ? "silent" : "nobody", 0}, milliseconds(50));
  };
  script.spawn(script.left, "desk", std::move(desk));
  script.spawn_puppet(script.left, "asker");
  script.ask(script.left, "asker", {"desk", 0}, 1, hours(1));
  script.ask(script.left, "asker", {"desk", 0}, 2, hours(1));
  script.network.advance(milliseconds(60));
  EXPECT_EQ(script.outcomes, (Texts{"2: unknown: cannot ask nobody: no actor named nobody",
                                    "1: disconnected: no answer to test.ask from silent within 50 ms"}));
}

TEST(ContextTurns, AForwardedMessageIsTheSameMessage) {
  Script script;
  Numbers heard;
  script.spawn(script.right, "last", recording(heard));
  HookedActor::Hooks desk;
  desk.number = [](const Number&, Context& context) { EXPECT_TRUE(context.forward({"last", 0}, milliseconds(1))); };
  script.spawn(script.left, "desk", std::move(desk));
  ASSERT_TRUE(script.left.node().send("desk", Number{42}));
  script.network.deliver_all();
  EXPECT_EQ(heard, Numbers{42});
}

/// Counts until it is told to sleep; asleep it answers that it is.
class Moody final : public Actor {
public:
  explicit Moody(Texts& said) : said_(said) {}
  Behavior behavior() override { return {on(this, &Moody::count), on(this, &Moody::sleep)}; }

private:
  void count(const Number& number, Context&) { said_.push_back("counted " + std::to_string(number.value)); }
  void snore(const Number&, Context&) { said_.push_back("asleep"); }
  void sleep(const Ask&, Context& context) {
    context.become(Behavior{on(this, &Moody::snore)});
    context.reply(Answer{1});
  }

  Texts& said_;
};

TEST(ContextTurns, BecomeChangesTheTableFromTheNextMessageOn) {
  DeterministicNetwork network;
  DeterministicNode& node = network.add_node("node");
  Texts said;
  node.spawn<Moody>("moody", said);
  ASSERT_TRUE(node.node().send("moody", Number{1}));
  ASSERT_TRUE(node.request<Answer>("moody", Ask{}));
  ASSERT_TRUE(node.node().send("moody", Number{2}));
  network.run_turns();
  EXPECT_EQ(said, (Texts{"counted 1", "asleep"}));
  const Result<Answer> again = node.request<Answer>("moody", Ask{});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.failure().text, "moody#1: no handler for message test.ask");
}

TEST(ContextTurns, CX4_NothingSentLaterOvertakesWhatWaitsForRoom) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 2);
  Numbers heard;
  HookedActor::Hooks slow = recording(heard);
  slow.ask = [&heard](const Ask& question, Context& context) {
    heard.push_back(question.value);
    context.reply(Answer{question.value});
  };
  ASSERT_TRUE(node.try_spawn("slow", hooked(std::move(slow)), 1));
  const ActorId to{"slow", 0};
  std::string refused;
  Numbers answers;
  HookedActor::Hooks eager;
  eager.number = [&](const Number& message, Context& context) {
    if (message.value == 1) {
      for (std::uint32_t value = 1; value <= 4; ++value) EXPECT_TRUE(context.send_when_room(to, Number{value}));
      return;
    }
    // The mailbox is empty by now; 3 and 4 do not know it yet.
    const Result<Done> sent = context.send(to, Number{5});
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.failure().kind, FailureKind::overloaded);
    context.request<Answer>(to, Ask{6}, milliseconds(100),
                            [&](const Result<Answer>& answer, Context&) { refused = answer.failure().text; });
    for (const std::uint32_t value : {7U, 8U}) {
      context.request_when_room<Answer>(to, Ask{value}, milliseconds(100), [&](const Result<Answer>& answer, Context&) {
        answers.push_back(answer.value().value);
      });
    }
    EXPECT_TRUE(context.send_urgent(to, Number{9}));
  };
  ASSERT_TRUE(node.try_spawn("eager", hooked(std::move(eager)), 1));
  ASSERT_TRUE(node.node().send("eager", Number{1}));
  network.run_turns();
  ASSERT_EQ(heard, (Numbers{1, 2}));
  ASSERT_TRUE(node.node().send("eager", Number{2}));
  network.run_turns();
  for (int i = 0; i < 3; ++i) network.advance(milliseconds(1));
  EXPECT_EQ(heard, (Numbers{1, 2, 9, 3, 4, 7, 8}));
  EXPECT_EQ(refused, "cannot ask slow: earlier messages to slow wait for room");
  EXPECT_EQ(answers, (Numbers{7, 8}));
}

TEST(ContextTurns, CX1_ARequestThatWaitsForRoomEndsAtItsDeadline) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 1);
  int handled = 0;
  HookedActor::Hooks slow;
  slow.ask = [&handled](const Ask&, Context& context) {
    ++handled;
    (void)context.defer_reply();
  };
  ASSERT_TRUE(node.try_spawn("slow", hooked(std::move(slow)), 1));
  int failed = 0;
  HookedActor::Hooks eager;
  eager.number = [&failed](const Number&, Context& context) {
    const auto count = [&failed](const Result<Answer>& answer, Context&) { failed += answer ? 0 : 1; };
    for (int i = 0; i < 2; ++i) context.request_when_room<Answer>(ActorId{"slow", 0}, Ask{1}, Duration(1), count);
  };
  ASSERT_TRUE(node.try_spawn("eager", hooked(std::move(eager)), 1));
  ASSERT_TRUE(node.node().send("eager", Number{}));
  network.run_turns();
  for (int i = 0; i < 3; ++i) network.advance(milliseconds(1));
  EXPECT_EQ(failed, 2);
  EXPECT_EQ(handled, 1) << "nobody waits for the answer to the other any more";
  EXPECT_EQ(network.time().waiting(), 0U);
}

}  // namespace
}  // namespace troupe::runtime
