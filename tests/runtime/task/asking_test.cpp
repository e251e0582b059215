#include "runtime/task/asking.hpp"

#include "tests/runtime/task/coroutine_actors.hpp"

#include <stdexcept>

namespace troupe::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

struct Hurry {
  static constexpr std::string_view kName = "test.hurry";
  template <class Archive>
  void serialize(Archive&) {}
};

/// What an actor does, seen also after its end.
struct Trace {
  Texts log;
  int alive = 0;
};

/// Passes an Ask on and adds one to the answer; writes down what it hears meanwhile.
class Middle final : public Actor {
public:
  Middle(Trace& trace, ActorId behind, Takes takes) : trace_(trace), behind_(std::move(behind)), takes_(takes) {}
  Behavior behavior() override {
    return Behavior{on(this, &Middle::pass_on), on(this, &Middle::hear), on(this, &Middle::hurry)}.while_waiting(
        takes_);
  }

private:
  Task<Answer> pass_on(const Ask& ask, Context& context) {
    const Alive alive_here(trace_.alive);
    trace_.log.push_back("ask " + std::to_string(ask.value));
    const Result<Answer> answer = co_await context.ask<Answer>(behind_, ask, milliseconds(100));
    trace_.log.push_back("answer to " + std::to_string(ask.value) + ": " + words(answer));
    if (!answer) throw std::runtime_error(answer.failure().text);
    co_return Answer{answer->value + 1};
  }
  void hear(const Number& number, Context&) { trace_.log.push_back("number " + std::to_string(number.value)); }
  void hurry(const Hurry&, Context&) { trace_.log.push_back("hurry"); }

  Trace& trace_;
  const ActorId behind_;
  const Takes takes_;
};

/// "asker" on the left, "middle" on the right, "behind" on the left: each step crosses the wire.
struct Chain {
  Trace trace;
  Script script;

  explicit Chain(Takes takes = Takes::all_mail, HookedActor::Hooks behind = answering()) {
    script.spawn(script.left, "behind", std::move(behind));
    script.right.spawn<Middle>("middle", trace, ActorId{"behind", 0}, takes);
    script.network.announce_all();
    script.spawn_puppet(script.left, "asker");
  }
  void ask(std::uint32_t value) { script.ask(script.left, "asker", {"middle", 0}, value, hours(1)); }
};

TEST(Asking, AW1_GoesOnWithTheReplyAcrossNodes) {
  Chain chain;
  chain.ask(5);
  chain.script.network.deliver_all();
  EXPECT_EQ(chain.script.outcomes, Texts{"5: 6"});
  EXPECT_EQ(chain.trace.log, (Texts{"ask 5", "answer to 5: 5"}));
  EXPECT_EQ(chain.trace.alive, 0);
}

TEST(Asking, AW1_OthersAreHandledMeanwhileAndEachGetsItsOwnAnswer) {
  Chain chain;
  chain.ask(1);
  chain.ask(2);
  for (int i = 0; i < 2; ++i) chain.script.network.expect("test.ask").from(chain.script.left).to(chain.script.right);
  tell(chain.script, chain.script.right, "middle", 7);
  EXPECT_EQ(chain.trace.alive, 2);
  chain.script.network.deliver_all();
  EXPECT_EQ(chain.trace.log, (Texts{"ask 1", "ask 2", "number 7", "answer to 1: 1", "answer to 2: 2"}));
  EXPECT_EQ(chain.script.outcomes, (Texts{"1: 2", "2: 3"}));
}

TEST(Asking, AW1_ADoubledReplyDoesNotMakeItGoOnTwice) {
  Chain chain;
  chain.ask(1);
  chain.script.network.expect("test.ask").from(chain.script.left).to(chain.script.right);
  chain.script.network.expect("test.ask").from(chain.script.right).to(chain.script.left);
  chain.script.network.duplicate("test.answer").from(chain.script.left).to(chain.script.right);
  chain.script.network.deliver_all();
  EXPECT_EQ(chain.trace.log, (Texts{"ask 1", "answer to 1: 1"}));
}

TEST(Asking, CX1_TheDeadlineIsAnOutcome) {
  Chain chain(Takes::all_mail, dying_of(""));
  chain.ask(1);
  chain.script.network.deliver_all();
  chain.script.network.advance(milliseconds(100));
  chain.script.network.deliver_all();
  ASSERT_EQ(chain.trace.alive, 0);
  EXPECT_EQ(chain.script.outcomes,
            Texts{"1: faulted: middle#1 is down: no answer to test.ask from behind within 100 ms (in test.ask)"});
}

TEST(Asking, AW3_WhatIsThrownBehindAWaitIsTheActorsFailureAndTheAskerHearsIt) {
  Script script;
  script.spawn(script.left, "behind", answering());
  int alive = 0;
  spawn_with(script, script.right, "thrower", {on<Ask>([&alive](const Ask& ask, Context& context) -> Task<Answer> {
               const Alive here(alive);
               (void)co_await context.ask<Answer>(ActorId{"behind", 0}, ask, milliseconds(100));
               throw std::runtime_error("thought again");
             })});
  script.spawn_watcher(script.left, "asker");
  script.watch(script.left, "asker", {"thrower", 0});
  script.ask(script.left, "asker", {"thrower", 0}, 1, hours(1));
  script.network.deliver_all();
  EXPECT_EQ(script.outcomes, Texts{"1: faulted: thrower#1 is down: thought again (in test.ask)"});
  EXPECT_EQ(script.downs, Texts{"thrower#1: faulted: thought again (in test.ask)"});
  EXPECT_EQ(alive, 0);
}

TEST(Asking, AW2_TheEndOfTheActorEndsWhatWaitsAndTheAskersHearOfIt) {
  Chain chain;
  chain.ask(1);
  chain.ask(2);
  for (int i = 0; i < 2; ++i) chain.script.network.expect("test.ask").from(chain.script.left).to(chain.script.right);
  ASSERT_EQ(chain.trace.alive, 2);
  ASSERT_TRUE(chain.script.right.stop("middle"));
  chain.script.network.deliver_all();
  EXPECT_EQ(chain.script.outcomes,
            (Texts{"1: disconnected: middle#1 is down: stopped", "2: disconnected: middle#1 is down: stopped"}));
  EXPECT_EQ(chain.script.network.time().waiting(), 1U) << "only the first asker's own is left";
}

TEST(Asking, AW2_ALateReplyForADeadIncarnationMakesNobodyGoOn) {
  Script script;
  script.spawn(script.left, "behind", answering());
  Texts log;
  int alive = 0;
  const auto waiting = [&](std::uint32_t incarnation) {
    return Behavior{on<Number>([&log, &alive, incarnation](const Number& number, Context& context) -> Task<> {
      const Alive here(alive);
      const Result<Answer> answer = co_await context.ask<Answer>(ActorId{"behind", 0}, Ask{number.value}, hours(1));
      log.push_back("#" + std::to_string(incarnation) + ": " + words(answer));
    })};
  };
  spawn_with(script, script.right, "waiter", waiting(1));
  tell(script, script.right, "waiter", 1);
  script.network.expect("test.ask").from(script.right).to(script.left);
  ASSERT_TRUE(script.right.stop("waiter"));
  EXPECT_EQ(alive, 0) << "frames go with their actor";
  spawn_with(script, script.right, "waiter", waiting(2), 2);
  tell(script, script.right, "waiter", 2);
  script.network.deliver_all();  // the answer to the dead one comes first
  EXPECT_EQ(log, Texts{"#2: 2"});
  EXPECT_EQ(alive, 0);
}

TEST(Asking, AW2_OneThatWaitsForTimeEndsWithItsActor) {
  Script script;
  int alive = 0;
  spawn_with(script, script.left, "sleeper", {on<Number>([&alive](const Number&, Context& context) -> Task<> {
               const Alive here(alive);
               co_await context.delay(milliseconds(100));
               throw std::runtime_error("it went on");
             })});
  tell(script, script.left, "sleeper", 1);
  script.network.time().advance(milliseconds(100), [] {});  // due: the turn waits in the mailbox
  ASSERT_TRUE(script.left.stop("sleeper") || alive == 0);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(script.network.time().waiting(), 0U);
}

TEST(Asking, AW1_ADelayEndsNoEarlierAndThePartsOfAHandlerGoOnInOrder) {
  Script script;
  Texts log;
  spawn_with(script, script.left, "sleeper", {on<Number>([&log](const Number& number, Context& context) -> Task<> {
               for (int i = 0; i < 2; ++i) {
                 co_await context.delay(milliseconds(10 * number.value));
                 log.push_back(std::to_string(number.value) + "." + std::to_string(i));
               }
             })});
  tell(script, script.left, "sleeper", 2);
  tell(script, script.left, "sleeper", 3);
  script.network.advance(milliseconds(19));
  EXPECT_EQ(log, Texts{});
  script.network.advance(milliseconds(1));
  EXPECT_EQ(log, Texts{"2.0"});
  script.network.advance(milliseconds(100));
  EXPECT_EQ(log, (Texts{"2.0", "3.0", "2.1", "3.1"}));
}

TEST(Asking, AW4_OrdinaryMailWaitsForAHandlerThatWaitsUrgentMailDoesNot) {
  Chain chain(Takes::urgent_mail);
  chain.ask(1);
  chain.script.network.expect("test.ask").from(chain.script.left).to(chain.script.right);
  tell(chain.script, chain.script.right, "middle", 1);
  tell(chain.script, chain.script.right, "middle", 2);
  chain.script.spawn_puppet(chain.script.right, "speaker");
  chain.script.act(chain.script.right, "speaker", [](Context& context) {
    ASSERT_TRUE(context.send_urgent(ActorId{"middle", 0}, Hurry{}));
  });
  EXPECT_EQ(chain.script.right.snapshot_of("middle").queued, 2U);
  EXPECT_EQ(chain.trace.log, (Texts{"ask 1", "hurry"}));
  chain.script.network.deliver_all();
  EXPECT_EQ(chain.trace.log, (Texts{"ask 1", "hurry", "answer to 1: 1", "number 1", "number 2"}));
}

TEST(Asking, AW4_OneHandlerAfterTheOther) {
  Chain chain(Takes::urgent_mail);
  chain.ask(1);
  chain.ask(2);
  chain.script.network.deliver_all();
  EXPECT_EQ(chain.trace.log, (Texts{"ask 1", "answer to 1: 1", "ask 2", "answer to 2: 2"}));
  EXPECT_EQ(chain.script.outcomes, (Texts{"1: 2", "2: 3"}));
}

TEST(Asking, AW4_WhatWaitsCountsAsTheMailboxs) {
  Trace trace;
  Script script;
  DeterministicNode& small = add_small_node(script.network, 2);
  script.spawn(script.left, "behind", answering());
  small.spawn<Middle>("middle", trace, ActorId{"behind", 0}, Takes::urgent_mail);
  script.network.announce_all();
  ASSERT_TRUE(small.node().send("middle", Ask{}));
  small.turns().run_all();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(small.node().send("middle", Number{}));
    small.turns().run_all();
  }
  const Result<Done> third = small.node().send("middle", Number{});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.failure().kind, FailureKind::overloaded);
}

TEST(Asking, AW4_ADrainWaitsForTheHandlerAStopNowDoesNot) {
  for (const StopMode mode : {StopMode::drain, StopMode::now}) {
    Chain chain(Takes::urgent_mail);
    chain.ask(1);
    chain.script.network.expect("test.ask").from(chain.script.left).to(chain.script.right);
    tell(chain.script, chain.script.right, "middle", 1);
    chain.script.right.node().stop_later({"middle", 1}, mode);
    chain.script.network.run_turns();
    EXPECT_EQ(chain.script.right.snapshot_of("middle").status,
              mode == StopMode::drain ? ActorStatus::running : ActorStatus::stopped);
    chain.script.network.deliver_all();
    EXPECT_EQ(chain.script.right.snapshot_of("middle").status, ActorStatus::stopped);
    EXPECT_EQ(chain.script.outcomes,
              Texts{mode == StopMode::drain ? "1: 2" : "1: disconnected: middle#1 is down: stopped"});
  }
}

TEST(Asking, AW5_BeyondTheCapacityNewHandlersWait) {
  Script script;
  DeterministicNode& small = add_small_node(script.network, 3);
  int alive = 0;
  spawn_with(script, small, "sleeper", {on<Number>([&alive](const Number&, Context& context) -> Task<> {
               const Alive here(alive);
               co_await context.delay(milliseconds(10));
             })});
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(small.node().send("sleeper", Number{}));
    small.turns().run_all();
  }
  EXPECT_EQ(alive, 3);
  script.network.advance(milliseconds(10));
  EXPECT_EQ(alive, 2);
  script.network.advance(milliseconds(10));
  EXPECT_EQ(alive, 0);
}

TEST(Asking, AW6_AllGoesOnAtTheLastOutcome) {
  Script script;
  script.spawn(script.left, "near", answering());
  script.spawn(script.left, "silent", dying_of(""));
  Texts log;
  spawn_with(script, script.left, "asker", {on<Number>([&log](const Number&, Context& context) -> Task<> {
               const ActorId near{"near", 0};
               const ActorId silent{"silent", 0};
               auto [one, two] = co_await all(context.ask<Answer>(near, Ask{1}, milliseconds(50)),
                                              context.ask<Answer>(silent, Ask{2}, milliseconds(50)));
               log.push_back(words(one) + "; " + words(two));
               const std::vector<ActorId> both{near, near};
               const std::vector<Result<Answer>> each =
                   co_await all(ask_each<Answer>(context, both, Ask{3}, milliseconds(50)));
               log.push_back(words(each.at(0)) + "; " + words(each.at(1)));
               log.push_back(std::to_string((co_await all(std::vector<Asking<Answer>>{})).size()));
             })});
  tell(script, script.left, "asker", 0);
  script.network.advance(milliseconds(49));
  EXPECT_EQ(log, Texts{});
  script.network.advance(milliseconds(1));
  EXPECT_EQ(log, (Texts{"1; disconnected: no answer to test.ask from silent within 50 ms", "3; 3", "0"}));
}

TEST(Asking, AW6_FirstTakesTheFirstReplyAndCancelsTheOthers) {
  Script script;
  script.spawn(script.left, "silent", dying_of(""));
  script.spawn(script.left, "near", answering());
  Texts log;
  spawn_with(script, script.left, "asker", {on<Number>([&log](const Number& number, Context& context) -> Task<> {
               std::vector<ActorId> targets{{"silent", 0}, {"nobody", 0}};
               if (number.value > 0) targets.push_back({"near", 0});
               const Result<First<Answer>> answer =
                   co_await first(ask_each<Answer>(context, targets, Ask{number.value}, milliseconds(50)));
               log.push_back(answer ? std::to_string(answer->which) + ": " + std::to_string(answer->reply.value)
                                    : answer.failure().describe());
             })});
  tell(script, script.left, "asker", 4);
  EXPECT_EQ(log, Texts{"2: 4"});
  script.network.advance(milliseconds(60));
  EXPECT_EQ(log.size(), 1U);
  tell(script, script.left, "asker", 0);
  script.network.advance(milliseconds(60));
  EXPECT_EQ(log.at(1),
            "unknown: nobody answered; silent: no answer to test.ask from silent within 50 ms; nobody: cannot ask "
            "nobody: no actor named nobody");
}

TEST(Asking, WhatACoroutineHandlesAndIsGivenLivesAsLongAsItDoes) {
  Script script;
  script.spawn(script.left, "behind", answering());
  Texts log;
  const std::string captured = "a text that is too long for a small string";
  spawn_with(script, script.right, "asker", {on<Ask>([&log, captured](const Ask& ask, Context& context) -> Task<> {
               context.become({});  // what it runs of is no row of the actor any more
               co_await context.delay(milliseconds(1));
               log.push_back(captured + " " + std::to_string(ask.value) + " " + std::string(context.current().name()));
               (void)context.forward(ActorId{"behind", 0}, hours(1));
             })});
  script.spawn_puppet(script.left, "from");
  script.ask(script.left, "from", {"asker", 0}, 8, hours(1));
  script.network.deliver_all();
  script.network.advance(milliseconds(1));
  script.network.deliver_all();
  EXPECT_EQ(log, Texts{captured + " 8 test.ask"});
  EXPECT_EQ(script.outcomes, Texts{"8: 8"});
}

}  // namespace
}  // namespace troupe::runtime
