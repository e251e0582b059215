#include "runtime/actor_cell.hpp"

#include "runtime/node_core.hpp"
#include "tests/runtime/script.hpp"

#include <atomic>
#include <future>
#include <thread>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Texts = std::vector<std::string>;

/// Says when it is destroyed, and on which thread.
class Witness {
public:
  explicit Witness(std::atomic<std::thread::id>& destroyed_on) : destroyed_on_(destroyed_on) {}
  ~Witness() { destroyed_on_ = std::this_thread::get_id(); }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

private:
  std::atomic<std::thread::id>& destroyed_on_;
};

HookedActor::Hooks throwing(const std::string& text) {
  HookedActor::Hooks hooks;
  hooks.number = [text](const Number&, Context&) { throw std::runtime_error(text); };
  return hooks;
}

TEST(ActorCell, CE1_OneTurnAtATime) {
  MemoryNetwork network;
  Node node({}, make_threaded_parts(4, make_memory_transport(network, "node")));
  ASSERT_TRUE(node.start());
  constexpr int kSenders = 4;
  constexpr int kEach = 2000;
  std::atomic<int> inside = 0;
  std::atomic<int> collisions = 0;
  int handled = 0;  // plain on purpose: ThreadSanitizer sees a second thread in it
  std::promise<void> done;
  HookedActor::Hooks hooks;
  hooks.number = [&](const Number&, Context&) {
    if (inside.fetch_add(1) != 0) ++collisions;
    if (++handled == kSenders * kEach) done.set_value();
    inside.fetch_sub(1);
  };
  ASSERT_TRUE(node.spawn("busy", hooked(std::move(hooks))));
  std::vector<std::thread> senders;
  for (int i = 0; i < kSenders; ++i) {
    senders.emplace_back([&node] {
      for (int sent = 0; sent < kEach;) {
        if (node.send("busy", Number{})) {
          ++sent;
        } else {
          std::this_thread::yield();  // overloaded
        }
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  ASSERT_EQ(done.get_future().wait_for(seconds(20)), std::future_status::ready);
  EXPECT_EQ(collisions.load(), 0);
  node.shutdown(seconds(5));
}

TEST(ActorCell, CE2_AfterAThrowThereIsNoFurtherTurn) {
  Script script;
  int turns = 0;
  HookedActor::Hooks hooks;
  hooks.number = [&turns](const Number& message, Context&) {
    ++turns;
    if (message.value == 2) throw std::runtime_error("two is too much");
  };
  hooks.stop = [&turns](Context&) { turns += 100; };
  script.spawn(script.left, "fragile", std::move(hooks));
  for (std::uint32_t i = 1; i <= 4; ++i) EXPECT_TRUE(script.left.node().send("fragile", Number{i}));
  script.network.run_turns();
  EXPECT_EQ(turns, 2) << "on_stop() is for orderly ends";
  const Snapshot dead = script.left.snapshot_of("fragile");
  EXPECT_EQ(dead.status, ActorStatus::failed);
  EXPECT_EQ(dead.failure, "two is too much (in test.number)");
  EXPECT_EQ(dead.last_message, "test.number");
  EXPECT_EQ(dead.handled, 2U);
}

TEST(ActorCell, CE2_EveryWaitingRequestIsAnsweredWithTheCause) {
  Script script;
  HookedActor::Hooks hooks = throwing("boom");
  hooks.ask = [](const Ask&, Context& context) { (void)context.defer_reply(); };  // and never answers
  script.spawn(script.right, "fragile", std::move(hooks));
  script.spawn_puppet(script.left, "far");
  script.spawn_puppet(script.right, "near");
  script.ask(script.left, "far", {"fragile", 0}, 1);
  script.ask(script.right, "near", {"fragile", 0}, 2);
  script.network.deliver_all();
  EXPECT_TRUE(script.outcomes.empty()) << "both are deferred";
  ASSERT_TRUE(script.right.node().send("fragile", Number{}));
  script.network.deliver_all();
  ASSERT_EQ(script.outcomes.size(), 2U) << "no waiting for a deadline";
  for (const std::string& outcome : script.outcomes) {
    EXPECT_NE(outcome.find("boom (in test.number)"), std::string::npos) << outcome;
    EXPECT_NE(outcome.find("faulted"), std::string::npos) << outcome;
  }
}

TEST(ActorCell, CE2_ARequestInTheMailboxIsAnsweredWithTheCause) {
  Script script;
  script.spawn(script.right, "fragile", throwing("boom"));
  script.spawn_puppet(script.left, "far");
  script.ask(script.left, "far", {"fragile", 0}, 1);
  ASSERT_TRUE(script.right.node().send("fragile", Number{}));
  script.network.wire().release_next();  // the ask waits behind the number
  script.network.deliver_all();
  ASSERT_EQ(script.outcomes.size(), 1U);
  EXPECT_NE(script.outcomes[0].find("fragile#1 is down: boom"), std::string::npos) << script.outcomes[0];
}

TEST(ActorCell, CE2_TheRequestBeingHandledIsAnsweredWithTheCause) {
  Script script;
  HookedActor::Hooks hooks;
  hooks.ask = [](const Ask&, Context&) { throw 42; };
  script.spawn(script.right, "fragile", std::move(hooks));
  script.spawn_puppet(script.left, "far");
  script.ask(script.left, "far", {"fragile", 0}, 1);
  script.network.deliver_all();
  ASSERT_EQ(script.outcomes.size(), 1U);
  EXPECT_NE(script.outcomes[0].find("an exception that is no std::exception (in test.ask)"), std::string::npos)
      << script.outcomes[0];
}

TEST(ActorCell, CE2_ATextOfAnyLengthIsReported) {
  Script script;
  script.spawn_watcher(script.left, "watcher");
  script.spawn(script.right, "fragile", throwing(std::string(200'000, 'x')));
  script.watch(script.left, "watcher", {"fragile", 0});
  script.network.deliver_all();
  ASSERT_TRUE(script.right.node().send("fragile", Number{}));
  script.network.deliver_all();
  ASSERT_EQ(script.downs.size(), 1U);
  EXPECT_NE(script.downs[0].find("faulted: xxxx"), std::string::npos);
}

TEST(ActorCell, CE2_AnExceptionInAContinuationOrOnStopIsAFailureToo) {
  Script script;
  script.spawn(script.left, "answerer", answering());
  script.spawn_puppet(script.left, "asker");
  script.act(script.left, "asker", [](Context& context) {
    context.request<Answer>({"answerer", 0}, Ask{}, milliseconds(10),
                            [](const Result<Answer>&, Context&) { throw std::runtime_error("in the continuation"); });
  });
  EXPECT_EQ(script.left.snapshot_of("asker").failure, "in the continuation (in test.answer)");
  HookedActor::Hooks hooks;
  hooks.stop = [](Context&) { throw std::runtime_error("cannot let go"); };
  script.spawn(script.left, "clinging", std::move(hooks));
  ASSERT_TRUE(script.left.stop("clinging"));
  EXPECT_EQ(script.left.snapshot_of("clinging").failure, "cannot let go (in on_stop)");
}

TEST(ActorCell, CE3_SilenceIsAnsweredWithAFailure) {
  Script script;
  script.spawn(script.right, "silent", {});
  script.spawn_puppet(script.left, "far");
  script.ask(script.left, "far", {"silent", 0}, 1);
  script.network.deliver_all();
  EXPECT_EQ(script.outcomes, (Texts{"1: unknown: silent#1 did not answer test.ask"}));
}

TEST(ActorCell, CE3_TheFirstOfTwoAnswersCounts) {
  Script script;
  HookedActor::Hooks hooks;
  hooks.ask = [](const Ask&, Context& context) {
    context.reply(Answer{1});
    context.reply(Answer{2});
    context.reply_failure({FailureKind::faulted, "three"});
  };
  script.spawn(script.right, "talkative", std::move(hooks));
  script.spawn_puppet(script.left, "far");
  script.ask(script.left, "far", {"talkative", 0}, 1);
  script.network.deliver_all();
  EXPECT_EQ(script.outcomes, (Texts{"1: 1"}));
}

TEST(ActorCell, CE4_StopReturnsWhenTheActorIsDestroyed) {
  MemoryNetwork network;
  Node node({}, make_threaded_parts(1, make_memory_transport(network, "node")));
  ASSERT_TRUE(node.start());
  for (std::uint32_t round = 1; round <= 50; ++round) {
    std::atomic<std::thread::id> turns_on;
    std::atomic<std::thread::id> destroyed_on;
    HookedActor::Hooks hooks;
    hooks.start = [&turns_on](Context&) { turns_on = std::this_thread::get_id(); };
    hooks.keeps = std::make_shared<Witness>(destroyed_on);
    SpawnOptions options;
    options.incarnation = round;
    options.placement = Placement::pinned;
    ASSERT_TRUE(node.spawn("pinned", hooked(std::move(hooks)), options));
    ASSERT_TRUE(node.stop("pinned", seconds(10)));
    ASSERT_EQ(destroyed_on.load(), turns_on.load()) << "destroyed in its own turn, before stop() returned";
  }
  node.shutdown(seconds(5));
}

TEST(ActorCell, CE4_WatchersHearAfterTheActorIsDestroyed) {
  Script script;
  std::atomic<std::thread::id> destroyed_on;
  bool gone_when_heard = false;
  HookedActor::Hooks watching;
  watching.down = [&](const ActorDown&, Context&) { gone_when_heard = destroyed_on.load() != std::thread::id(); };
  script.spawn_puppet(script.left, "watcher", std::move(watching));
  HookedActor::Hooks hooks = throwing("boom");
  hooks.keeps = std::make_shared<Witness>(destroyed_on);
  script.spawn(script.left, "fragile", std::move(hooks));
  script.watch(script.left, "watcher", {"fragile", 0});
  ASSERT_TRUE(script.left.node().send("fragile", Number{}));
  script.network.run_turns();
  EXPECT_TRUE(gone_when_heard);
}

TEST(ActorCell, MessagesThatDoNotDecodeAreDeadLetters) {
  Script script;
  int handled = 0;
  HookedActor::Hooks hooks;
  hooks.number = [&handled](const Number&, Context&) { ++handled; };
  script.spawn(script.right, "receiver", std::move(hooks));
  Envelope broken = encode_message(Number{1});
  broken.body.pop_back();
  broken.header.receiver = name_hash("receiver");
  const MemoryNetwork::Link link{script.left.endpoint(), script.right.endpoint()};
  ASSERT_TRUE(script.network.wire().carry(link, broken));
  script.network.deliver_all();
  EXPECT_EQ(handled, 0);
  const Snapshot now = script.right.snapshot_of("receiver");
  EXPECT_EQ(now.dead_letters, 1U);
  EXPECT_EQ(now.status, ActorStatus::running);
}

/// The inside of a node, to be there between the two steps of spawning.
class Inside {
public:
  Inside() { EXPECT_TRUE(core.start()); }
  std::shared_ptr<ActorCell> make(const std::string& name, HookedActor::Hooks hooks) {
    return core.make_cell(name, hooked(std::move(hooks)), {}).value();
  }

  Node node{{}, make_local_parts(1)};  // what a Context shows
  NodeCore core{node, {}, make_local_parts(2)};
};

TEST(ActorCell, CE5_WhatComesBeforeTheStartIsHandledAfterIt) {
  Texts order;  // the actor's turns only, until `done`
  std::promise<void> done;
  HookedActor::Hooks hooks;
  hooks.start = [&](Context&) { order.push_back("start"); };
  hooks.number = [&](const Number& message, Context&) {
    order.push_back(std::to_string(message.value));
    if (message.value == 3) done.set_value();
  };
  Inside inside;
  const std::shared_ptr<ActorCell> cell = inside.make("early", std::move(hooks));
  const auto send = [&inside](std::uint32_t value) {
    MailPtr mail = make_mail(Number{value});
    return inside.core.route({"early", 0}, mail, "test");
  };
  for (const std::uint32_t value : {1U, 2U}) {
    ASSERT_TRUE(send(value)) << "others know the name already";
  }
  cell->start([](const Result<Done>&) {});
  ASSERT_TRUE(send(3));
  ASSERT_EQ(done.get_future().wait_for(seconds(5)), std::future_status::ready);
  EXPECT_EQ(order, (Texts{"start", "1", "2", "3"}));
  EXPECT_EQ(cell->snapshot().dead_letters, 0U);
}

TEST(ActorCell, CE5_AStopAskedForBeforeTheStartComesAfterIt) {
  Texts order;
  std::promise<void> stopped;
  HookedActor::Hooks hooks;
  hooks.start = [&](Context&) { order.push_back("start"); };
  hooks.stop = [&](Context&) { order.push_back("stop"); };
  Inside inside;
  const std::shared_ptr<ActorCell> cell = inside.make("brief", std::move(hooks));
  cell->ask_to_stop([&stopped] { stopped.set_value(); });
  cell->start([](const Result<Done>&) {});
  ASSERT_EQ(stopped.get_future().wait_for(seconds(5)), std::future_status::ready);
  EXPECT_EQ(order, (Texts{"start", "stop"}));
}

TEST(ActorCell, AStopNowLeavesWhatWaitsAndTellsWhoAsked) {
  for (const StopMode mode : {StopMode::drain, StopMode::now}) {
    Texts order;
    std::promise<void> stopped;
    HookedActor::Hooks hooks = answering();
    hooks.start = [&](Context&) { order.push_back("start"); };
    hooks.number = [&](const Number&, Context&) { order.push_back("number"); };
    hooks.stop = [&](Context&) { order.push_back("stop"); };
    Inside inside;
    const std::shared_ptr<ActorCell> cell = inside.make("busy", std::move(hooks));
    MailPtr waiting = make_mail(Number{1});
    ASSERT_TRUE(inside.core.route({"busy", 0}, waiting, "test"));
    std::promise<bool> answered;
    inside.core.ask({"busy", 0}, make_mail(Ask{1}), seconds(20),
                    [&answered](const Result<MailPtr>& answer) { answered.set_value(static_cast<bool>(answer)); });
    cell->ask_to_stop([&stopped] { stopped.set_value(); }, mode);
    cell->start([](const Result<Done>&) {});
    ASSERT_EQ(stopped.get_future().wait_for(seconds(5)), std::future_status::ready);
    const bool drains = mode == StopMode::drain;
    EXPECT_EQ(order, drains ? (Texts{"start", "number", "stop"}) : (Texts{"start", "stop"}));
    EXPECT_EQ(answered.get_future().get(), drains);
  }
}

TEST(ActorCell, CE5_WhoSendsWhileAnotherSpawnsLosesNothing) {
  Node node({}, make_local_parts(2));
  ASSERT_TRUE(node.start());
  constexpr int kActors = 300;
  for (int i = 0; i < kActors; ++i) {
    const std::string name = "actor" + std::to_string(i);
    std::atomic<bool> has_started = false;
    std::promise<bool> handled;
    HookedActor::Hooks hooks;
    hooks.start = [&](Context&) { has_started = true; };
    hooks.number = [&](const Number&, Context&) { handled.set_value(has_started); };
    std::thread sender([&] {
      while (!node.send(name, Number{})) std::this_thread::yield();
    });
    EXPECT_TRUE(node.spawn_later(name, hooked(std::move(hooks))));
    sender.join();
    std::future<bool> outcome = handled.get_future();
    ASSERT_EQ(outcome.wait_for(seconds(5)), std::future_status::ready) << name << " lost its first message";
    EXPECT_TRUE(outcome.get());
    ASSERT_TRUE(node.stop(name, seconds(5)));
  }
}

TEST(ActorCell, CE4_AnAbandonedActorStillStopsInItsOwnTurn) {
  // Turns before the shutdown: the last one a resume takes, and one more, are the edges.
  for (const std::uint32_t turns : {1U, 63U, 64U, 65U}) {
    std::atomic<std::thread::id> destroyed_on;
    std::atomic<bool> stopped = false;
    std::promise<void> inside;
    std::promise<void> leave;
    {
      Node node({}, make_local_parts(1));
      ASSERT_TRUE(node.start());
      std::promise<void> go;
      std::shared_future<void> may_go = go.get_future().share();
      HookedActor::Hooks hooks;
      hooks.start = [may_go](Context&) { may_go.wait(); };
      hooks.stop = [&stopped](Context&) { stopped = true; };
      hooks.keeps = std::make_shared<Witness>(destroyed_on);
      hooks.number = [&inside, &leave, turns](const Number& number, Context& context) {
        (void)context.send(context.self(), Stray{});  // knows itself by now
        if (number.value != turns) return;
        inside.set_value();
        leave.get_future().wait();
      };
      ASSERT_TRUE(node.spawn_later("slow", hooked(std::move(hooks))));
      for (std::uint32_t i = 1; i <= turns; ++i) ASSERT_TRUE(node.send("slow", Number{i}));
      go.set_value();
      inside.get_future().wait();
      std::thread late([&leave] {
        (void)std::promise<void>().get_future().wait_for(milliseconds(20));
        leave.set_value();
      });
      node.shutdown(milliseconds(1));
      late.join();
    }
    EXPECT_TRUE(stopped.load()) << turns;
    EXPECT_NE(destroyed_on.load(), std::thread::id()) << turns;
    EXPECT_NE(destroyed_on.load(), std::this_thread::get_id()) << turns;
  }
}

TEST(ActorCell, CX4_WhatStillWaitedAtTheEndIsCounted) {
  DeterministicNetwork network;
  DeterministicNode& node = add_small_node(network, 1);
  int handled = 0;
  HookedActor::Hooks slow;
  slow.number = [&handled](const Number&, Context&) { ++handled; };
  ASSERT_TRUE(node.try_spawn("slow", hooked(std::move(slow)), 1));
  HookedActor::Hooks eager;
  eager.number = [](const Number&, Context& context) {
    for (int i = 0; i < 4; ++i) (void)context.send_when_room("slow", Number{});
    context.stop();
  };
  ASSERT_TRUE(node.try_spawn("eager", hooked(std::move(eager)), 1));
  ASSERT_TRUE(node.node().send("eager", Number{}));
  network.run_turns();
  network.advance(milliseconds(5));
  EXPECT_EQ(static_cast<std::uint64_t>(handled) + node.snapshot_of("eager").dead_letters, 4U);
  EXPECT_GE(node.snapshot_of("eager").dead_letters, 1U);
}

}  // namespace
}  // namespace troupe::runtime
