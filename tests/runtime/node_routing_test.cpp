#include "tests/runtime/script.hpp"

#include <algorithm>

/// What happens to messages, watches and requests between nodes: node_routing.cpp through Node.
namespace troupe::runtime {
namespace {

using std::chrono::hours;
using Texts = std::vector<std::string>;

/// A peer that keeps to the wire format and to nothing else.
class Stranger final : public TransportSink {
public:
  explicit Stranger(MemoryNetwork& wire) : transport_(make_memory_transport(wire, "stranger")) {
    EXPECT_TRUE(transport_->start(*this));
  }
  ~Stranger() override { transport_->stop(Duration{0}); }

  void on_envelope(Envelope envelope) override { heard.push_back(envelope.message); }
  void on_peer_down(const std::string&, const Failure&) override {}
  void on_undeliverable(Envelope, const Failure&) override {}

  void send(const std::string& endpoint, EnvelopeKind kind, std::string message, std::string body,
            std::uint64_t receiver = 0) {
    Envelope envelope;
    envelope.header.receiver = receiver;
    envelope.header.kind = kind;
    envelope.header.sender = name_hash("stranger");
    envelope.header.sender_incarnation = 1;
    envelope.message = std::move(message);
    envelope.body = std::move(body);
    EXPECT_TRUE(transport_->send(endpoint, std::move(envelope)));
  }

  Texts heard;

private:
  const std::unique_ptr<Transport> transport_;
};

/// Writes down every lost link.
class LinkListener final : public Actor {
public:
  LinkListener(Texts& lost, std::string name) : lost_(lost), name_(std::move(name)) {}
  Behavior behavior() override { return {on(this, &LinkListener::link_lost)}; }
  void on_start(Context& context) override {
    context.watch_links();
    context.watch_links();  // once is enough
  }

private:
  void link_lost(const LinkLost& message, Context&) {
    lost_.push_back(name_ + " lost " + message.endpoint + ": " + message.cause.text);
  }

  Texts& lost_;
  const std::string name_;
};

/// An actor's id as a message's body has it.
std::string id_bytes(std::size_t name_size) {
  const auto size = static_cast<std::uint32_t>(name_size);
  const std::uint32_t incarnation = 1;
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
  bytes.append(name_size, 'n');
  return bytes.append(reinterpret_cast<const char*>(&incarnation), sizeof incarnation);
}

TEST(NodeRouting, ANameTooLongForAnyActorIsRefusedAndNotPassedOn) {
  Script script;
  script.spawn(script.right, "stage", answering());
  script.spawn_puppet(script.left, "asker");
  Stranger stranger(script.network.wire());
  constexpr std::size_t kNearlyABody = 60'000;
  constexpr std::string_view kCause("\x03\x04\0\0\0gone", 9);
  script.network.deliver_all();
  for (const std::size_t size : {kMaxNameBytes + 1, kNearlyABody}) {
    const std::string id = id_bytes(size);
    stranger.send(script.right.endpoint(), EnvelopeKind::watch, "runtime.watch", id);
    stranger.send(script.right.endpoint(), EnvelopeKind::unwatch, "runtime.watch", id);
    stranger.send(script.right.endpoint(), EnvelopeKind::down, "runtime.actor_down", id + std::string(kCause));
    EXPECT_NO_THROW(script.network.deliver_all());
  }
  EXPECT_TRUE(stranger.heard.empty()) << "a name that is none needs no news";
  stranger.send(script.right.endpoint(), EnvelopeKind::watch, "runtime.watch", id_bytes(kMaxNameBytes));
  script.network.deliver_all();
  EXPECT_EQ(stranger.heard, Texts{"runtime.actor_down"}) << "the longest name that can be is answered";
  script.ask(script.left, "asker", {"stage", 0}, 1);
  script.network.deliver_all();
  EXPECT_EQ(script.outcomes, Texts{"1: 1"});
}

TEST(NodeRouting, AnswersThatNobodyWaitsForCostNoTurn) {
  Script script;
  script.spawn_puppet(script.right, "quiet");
  Stranger stranger(script.network.wire());
  for (const EnvelopeKind kind : {EnvelopeKind::reply, EnvelopeKind::failure}) {
    stranger.send(script.right.endpoint(), kind, "test.answer", "", name_hash("quiet"));
  }
  script.network.deliver_all();
  EXPECT_EQ(script.right.snapshot_of("quiet").handled, 0U);
}

TEST(NodeRouting, ND2_AMessageForADeadIncarnationIsRefusedAndCounted) {
  Script script;
  int handled = 0;
  HookedActor::Hooks hooks;
  hooks.number = [&handled](const Number&, Context&) { ++handled; };
  script.spawn(script.right, "stage", hooks, 1);
  script.spawn_puppet(script.left, "sender");
  const auto send_to_first = [&script] {
    script.act(script.left, "sender", [](Context& context) { (void)context.send(ActorId{"stage", 1}, Number{}); });
  };
  send_to_first();
  ASSERT_TRUE(script.right.stop("stage"));
  script.network.expect("test.number").from(script.left).to(script.right);
  EXPECT_EQ(script.right.snapshot_of("stage").stale_rejected, 1U) << "counted at the dead one while none lives";
  send_to_first();
  script.spawn(script.right, "stage", hooks, 2);
  script.network.expect("test.number").from(script.left).to(script.right);
  EXPECT_EQ(script.right.snapshot_of("stage").stale_rejected, 1U) << "counted at the living one";
  send_to_first();  // by now the sender's node knows better
  script.network.expect_no_mail();
  EXPECT_EQ(script.left.snapshot_of("sender").dead_letters, 1U);
  EXPECT_EQ(handled, 0);
}

TEST(NodeRouting, ND2_AMessageFromADeadIncarnationIsRefusedAndCounted) {
  Script script;
  int handled = 0;
  HookedActor::Hooks hooks;
  hooks.number = [&handled](const Number&, Context&) { ++handled; };
  script.spawn(script.right, "receiver", std::move(hooks));
  script.spawn_puppet(script.left, "sender");
  script.act(script.left, "sender", [](Context& context) { EXPECT_TRUE(context.send("receiver", Number{})); });
  script.right.node().declare_down({"sender", 1}, {FailureKind::faulted, "killed"});
  script.network.expect("test.number").from(script.left).to(script.right);
  EXPECT_EQ(handled, 0);
  EXPECT_EQ(script.right.snapshot_of("receiver").stale_rejected, 1U);
}

TEST(NodeRouting, ND2_MessagesOfAnotherTermAreRefusedAndCounted) {
  DeterministicNetwork network;
  const auto node_of = [&network](const char* name, std::uint32_t term) -> DeterministicNode& {
    NodeOptions options;
    options.name = name;
    options.term = term;
    return network.add_node(options);
  };
  DeterministicNode& old = node_of("old", 1);
  DeterministicNode& none = node_of("none", 0);
  DeterministicNode& now = node_of("now", 2);
  int handled = 0;
  HookedActor::Hooks hooks;
  hooks.number = [&handled](const Number&, Context&) { ++handled; };
  ASSERT_TRUE(now.try_spawn("receiver", hooked(std::move(hooks)), 1));
  network.announce_all();
  ASSERT_TRUE(old.node().send("receiver", Number{}));
  network.expect("test.number").from(old).to(now);
  EXPECT_EQ(handled, 0);
  EXPECT_EQ(now.snapshot_of("receiver").stale_rejected, 1U);
  ASSERT_TRUE(none.node().send("receiver", Number{}));  // a node agent has no term of its own
  network.expect("test.number").from(none).to(now);
  EXPECT_EQ(handled, 1);
}

TEST(NodeRouting, ND2_MessagesOfAnotherJobAreRefused) {
  DeterministicNetwork network;
  NodeOptions options;
  options.job = 1;
  options.name = "one";
  DeterministicNode& one = network.add_node(options);
  options.job = 2;
  options.name = "two";
  DeterministicNode& two = network.add_node(options);
  int handled = 0;
  HookedActor::Hooks hooks;
  hooks.number = [&handled](const Number&, Context&) { ++handled; };
  ASSERT_TRUE(two.try_spawn("receiver", hooked(std::move(hooks)), 1));
  network.announce_all();
  ASSERT_TRUE(one.node().send("receiver", Number{}));
  network.expect("test.number").from(one).to(two);
  EXPECT_EQ(handled, 0);
}

TEST(NodeRouting, ND3_AWatcherHearsTheTrueCauseOnce) {
  Script script;
  script.spawn(script.right, "fragile", dying_of("out of patience"));
  script.spawn_watcher(script.right, "near");
  script.spawn_watcher(script.left, "far");
  script.watch(script.right, "near", {"fragile", 0});
  script.watch(script.right, "near", {"fragile", 1});
  script.watch(script.left, "far", {"fragile", 0});
  script.network.expect("runtime.watch").from(script.left).to(script.right);
  ASSERT_TRUE(script.right.node().send("fragile", Number{}));
  script.network.run_turns();
  script.network.duplicate("runtime.actor_down").from(script.right).to(script.left);
  // Later, weaker news of the same death.
  script.network.declare_down({"fragile", 1}, {FailureKind::faulted, "killed by signal 9"});
  script.network.wire().cut(script.left.endpoint(), script.right.endpoint());
  script.network.run_turns();
  const std::string news = "fragile#1: faulted: out of patience (in test.number)";
  EXPECT_EQ(script.downs, (Texts{news, news})) << "once near, once far";
}

TEST(NodeRouting, ND3_TheFirstCauseKnownIsTheOneTold) {
  Script script;
  script.spawn(script.right, "stage", {});
  script.spawn_watcher(script.left, "far");
  script.watch(script.left, "far", {"stage", 0});
  script.network.deliver_all();
  script.network.declare_down({"stage", 1}, {FailureKind::faulted, "killed by signal 9 (SIGKILL)"});
  script.network.wire().cut(script.left.endpoint(), script.right.endpoint());
  script.network.run_turns();
  EXPECT_EQ(script.downs, (Texts{"stage#1: faulted: killed by signal 9 (SIGKILL)"}));
}

TEST(NodeRouting, ND3_ALostNodeIsTheDeathOfItsActorsForTheirWatchers) {
  Script script;
  script.spawn(script.right, "stage", {});
  script.spawn_watcher(script.left, "far");
  script.watch(script.left, "far", {"stage", 0});
  script.network.deliver_all();
  script.network.wire().cut(script.left.endpoint(), script.right.endpoint());
  script.network.run_turns();
  EXPECT_EQ(script.downs, (Texts{"stage#1: disconnected: connection to memory://right lost: the wire was cut"}));
}

TEST(NodeRouting, ND3_AnOrderlyEndIsNewsToo) {
  Script script;
  script.spawn(script.right, "stage", {});
  script.spawn_watcher(script.left, "far");
  script.watch(script.left, "far", {"stage", 1});
  script.network.deliver_all();
  ASSERT_TRUE(script.right.stop("stage"));
  script.network.deliver_all();
  EXPECT_EQ(script.downs, (Texts{"stage#1: disconnected: stopped"}));
}

TEST(NodeRouting, ND3_WhoComesTooLateHearsAtOnce) {
  Script script;
  script.spawn(script.right, "fragile", dying_of("long ago"));
  ASSERT_TRUE(script.right.node().send("fragile", Number{}));
  script.network.run_turns();
  script.spawn_watcher(script.right, "near");
  script.spawn_watcher(script.left, "far");
  script.watch(script.right, "near", {"fragile", 1});
  script.watch(script.left, "far", {"fragile", 1});  // the left node still believes that it lives
  script.network.deliver_all();
  script.watch(script.left, "far", {"nobody", 0});
  EXPECT_EQ(script.downs,
            (Texts{"fragile#1: faulted: long ago (in test.number)", "fragile#1: faulted: long ago (in test.number)",
                   "nobody#0: unknown: no actor named nobody"}));
}

TEST(NodeRouting, ND3_TheDeathOfOneIncarnationIsNoNewsOfAnother) {
  Script script;
  script.spawn(script.right, "stage", {}, 1);
  ASSERT_TRUE(script.right.stop("stage"));
  script.spawn(script.right, "stage", {}, 2);
  script.spawn_watcher(script.left, "patient");
  script.spawn_watcher(script.left, "late");
  script.watch(script.left, "patient", {"stage", 0});  // the living one
  script.watch(script.left, "late", {"stage", 1});     // the dead one
  script.network.deliver_all();
  ASSERT_EQ(script.downs.size(), 1U);
  EXPECT_EQ(script.downs[0].rfind("stage#1", 0), 0U) << script.downs[0];
  ASSERT_TRUE(script.right.stop("stage"));
  script.network.deliver_all();
  ASSERT_EQ(script.downs.size(), 2U) << "the watch on the living one is still there";
  EXPECT_EQ(script.downs[1], "stage#2: disconnected: stopped");
}

TEST(NodeRouting, ND3_NoNewsAfterUnwatch) {
  Script script;
  script.spawn(script.right, "stage", {});
  script.spawn_watcher(script.left, "far");
  script.watch(script.left, "far", {"stage", 0});
  script.network.deliver_all();
  script.act(script.left, "far", [](Context& context) { context.unwatch({"stage", 0}); });
  ASSERT_TRUE(script.right.stop("stage"));
  script.network.deliver_all();
  EXPECT_TRUE(script.downs.empty());
}

TEST(NodeRouting, ND4_WhatIsPendingOnTheDeclaredDeadFailsAtOnce) {
  Script script;
  script.spawn(script.right, "stage", dying_of(""));
  script.spawn(script.right, "other", answering());
  script.spawn_puppet(script.left, "asker");
  script.ask(script.left, "asker", {"stage", 0}, 1, hours(1));
  script.ask(script.left, "asker", {"stage", 1}, 2, hours(1));
  script.ask(script.left, "asker", {"other", 0}, 3, hours(1));
  script.network.declare_down({"stage", 1}, {FailureKind::faulted, "killed by signal 9"});
  std::sort(script.outcomes.begin(), script.outcomes.end());
  EXPECT_EQ(script.outcomes,
            (Texts{"1: disconnected: stage#1: killed by signal 9", "2: disconnected: stage#1: killed by signal 9"}));
  script.network.deliver_all();
  EXPECT_EQ(script.outcomes.back(), "3: 3") << "others are not disturbed";
}

TEST(NodeRouting, ND4_WhatIsPendingOnALostNodeFailsAtOnce) {
  Script script;
  script.spawn(script.right, "stage", dying_of(""));
  script.spawn_puppet(script.left, "asker");
  script.ask(script.left, "asker", {"stage", 0}, 1, hours(1));
  script.network.deliver_all();
  script.network.wire().cut(script.left.endpoint(), script.right.endpoint());
  script.network.run_turns();
  EXPECT_EQ(script.outcomes, (Texts{"1: disconnected: connection to memory://right lost: the wire was cut"}));
}

TEST(NodeRouting, ND4_ARequestThatComesBackFailsAtOnce) {
  Script script;
  script.spawn(script.right, "stage", answering());
  script.spawn_puppet(script.left, "asker");
  script.ask(script.left, "asker", {"stage", 0}, 1, hours(1));
  script.right.shutdown();
  script.network.deliver_all();
  ASSERT_EQ(script.outcomes.size(), 1U);
  EXPECT_NE(script.outcomes[0].find("nobody listens at memory://right"), std::string::npos) << script.outcomes[0];
}

TEST(NodeRouting, ND3_AWatchThatCannotBeDeliveredIsAnswered) {
  Script script;
  script.spawn(script.right, "stage", {});
  script.spawn_watcher(script.left, "far");
  script.watch(script.left, "far", {"stage", 0});
  script.right.shutdown();  // before the watch has arrived
  script.network.deliver_all();
  EXPECT_EQ(script.downs, (Texts{"stage#1: disconnected: cannot reach the node of stage#1: nobody listens at "
                                 "memory://right"}));
  script.network.wire().cut(script.left.endpoint(), script.right.endpoint());
  script.network.run_turns();
  EXPECT_EQ(script.downs.size(), 1U) << "once";
}

TEST(NodeRouting, ND6_ALostLinkIsToldToWhoWatchesTheLinksAsLongAsTheyLive) {
  Script script;
  Texts lost;
  const auto spawn_listener = [&](const std::string& name) { script.left.spawn<LinkListener>(name, lost, name); };
  spawn_listener("first");
  spawn_listener("second");
  script.spawn_watcher(script.left, "other");
  const auto cut = [&] {
    script.network.wire().cut(script.left.endpoint(), script.right.endpoint());
    script.network.run_turns();
  };
  cut();
  const std::string news = " lost memory://right: connection to memory://right lost: the wire was cut";
  EXPECT_EQ(lost, (Texts{"first" + news, "second" + news}));
  ASSERT_TRUE(script.left.stop("first"));
  cut();
  EXPECT_EQ(lost, (Texts{"first" + news, "second" + news, "second" + news}));
  EXPECT_TRUE(script.downs.empty()) << "nobody has died";
}

}  // namespace
}  // namespace troupe::runtime
