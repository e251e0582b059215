#include "tests/runtime/placing/placing_job.hpp"

/// What becomes of placed actors when their owner, their node or their host ends.
namespace troupe::runtime {
namespace {

using std::chrono::seconds;
using EndTexts = std::vector<std::string>;

TEST(PlacerEnds, PC5_OwnedEndsWithItsOwnerAndDetachedStays) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=2");
  DeterministicNode& b = job.add("b", "cpu=2");
  job.act(a, "main", job.placing_worker("w/own", "cpu=1", {.on_node = "b"}));
  job.act(a, "main", job.placing_worker("w/free", "cpu=1", {.on_node = "b", .lifetime = Lifetime::detached}));
  job.act(a, "main", job.placing_worker("w/wish", "cpu=1", {.on_node = "b"}));
  EXPECT_EQ(job.take_outcomes().size(), 2U);
  job.take_log();
  (void)a.stop("main");
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), EndTexts{"-w/own#1@b"});
  EXPECT_NE(job.ask_why("w/free").find("runs on node b, holds cpu=1, detached"), std::string::npos);
  EXPECT_EQ(job.ask_why("w/wish"), "unknown: nobody named w/wish is placed, or waits");
  job.act(b, "second",
          [](Context& context) { stop_placed(context, "w/free", seconds(1), [](const Result<Ack>&, Context&) {}); });
  EXPECT_EQ(job.take_log(), EndTexts{"-w/free#1@b"});
}

TEST(PlacerEnds, PC5_AnOwnerThatIsPlacedItselfTakesItsOwnWithIt) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=2");
  DeterministicNode& b = job.add("b", "cpu=2");
  job.act(a, "main", job.placing_worker("w/parent", "cpu=1", {.on_node = "b"}));
  // As if the worker had asked itself.
  PlaceActors wish = to_message(PlaceActor{"worker", "w/child", {}, {.on_node = "a"}}, {"w/parent", 1}, seconds(1));
  Envelope envelope = encode_message(wish);
  envelope.header.kind = EnvelopeKind::request;
  envelope.header.sender = name_hash("w/parent");
  envelope.header.sender_incarnation = 1;
  envelope.header.receiver = name_hash(kPlacerName);
  envelope.header.correlation = 77;
  ASSERT_TRUE(job.network.wire().carry({b.endpoint(), job.head.endpoint()}, std::move(envelope)));
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), (EndTexts{"+w/parent#1@b", "+w/child#1@a"}));
  job.act(a, "main",
          [](Context& context) { stop_placed(context, "w/parent", seconds(1), [](const Result<Ack>&, Context&) {}); });
  EXPECT_EQ(job.take_log(), (EndTexts{"-w/parent#1@b", "-w/child#1@a"}));
}

TEST(PlacerEnds, PC5_FromOutsideAndForOthersOnlyDetachedActorsArePlaced) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=2");
  const PlaceActors own = to_message(PlaceActor{"worker", "w/x"}, {"main", 1}, seconds(1));
  const auto refused = job.head.request<PlacedActors>(kPlacerName, own);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.failure().text.find("others can place detached actors only"), std::string::npos);
  // An owner that has ended before the placer hears of its wish.
  job.begin(a, "main", job.placing_worker("w/late", "cpu=1"));
  (void)a.stop("main");
  job.network.deliver_all();
  EXPECT_EQ(PlacingJob::living_on(a), 0U);
  EXPECT_EQ(job.ask_why("w/late").find("runs"), std::string::npos);
}

TEST(PlacerEnds, PC6_ALostNodeTakesItsResourcesAndActorsWithIt) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  DeterministicNode& b = job.add("b", "cpu=2");
  job.act(a, "main", job.placing_worker("w/x", "cpu=2"));
  job.act(a, "main", [](Context& context) { context.watch({"w/x", 1}); });
  job.act(a, "main", job.placing_worker("w/y", "cpu=2"));
  job.take_outcomes();
  job.network.wire().cut(b.endpoint(), job.head.endpoint());
  job.network.wire().cut(b.endpoint(), a.endpoint());
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), (EndTexts{"+w/x#1@b", "-w/x#1@b"})) << "the host has lost its placer";
  EXPECT_EQ(PlacingJob::living_on(b), 0U);
  const EndTexts outcomes = job.take_outcomes();
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_TRUE(outcomes[0].starts_with("w/x#1 is down: connection to")) << outcomes[0];
  EXPECT_NE(job.ask_why("w/x").find("w/x#1 ended on node b: node b is lost: connection to"), std::string::npos)
      << job.ask_why("w/x");
  EXPECT_NE(job.ask_why("w/y").find("w/y needs cpu=2; a has cpu=1 free of 1; not even"), std::string::npos)
      << job.ask_why("w/y");
  // It joins again, with nothing, and the name is free.
  job.network.advance(seconds(1));
  job.network.deliver_all();
  EXPECT_EQ(job.take_outcomes(), EndTexts{"w/y: w/y#1"});
  EXPECT_EQ(job.take_log(), EndTexts{"+w/y#1@b"});
}

TEST(PlacerEnds, PC6_AHostThatLivesBehindALostLinkIsToldAndEndsItsActors) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  job.take_log();
  // The placer alone hears that the link is lost.
  ASSERT_TRUE(job.head.node().send(kPlacerName, ActorDown{{"host/a", 1}, {FailureKind::disconnected, "silence"}}));
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), EndTexts{"-w/x#1@a"});
  EXPECT_EQ(job.ask_why("w/x"), "w/x#1 ended on node a: node a is lost: silence");
  job.network.advance(seconds(1));
  job.network.deliver_all();
  job.take_outcomes();
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  EXPECT_EQ(job.take_outcomes(), EndTexts{"w/x: w/x#2"});
}

TEST(PlacerEnds, PC6_AHostThatHasNotHeardThatItWasGivenUpIsToldAgain) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  job.take_log();
  ASSERT_TRUE(job.head.node().send(kPlacerName, ActorDown{{"host/a", 1}, {FailureKind::disconnected, "silence"}}));
  for (int i = 0; i < 3; ++i) {
    job.network.run_turns();
    ASSERT_TRUE(job.network.drop(std::string(GivenUp::kName)).from(job.head).to(a)) << i;
    job.network.deliver_all();
    EXPECT_EQ(PlacingJob::living_on(a), 1U);
    job.network.advance(seconds(2));
  }
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), EndTexts{"-w/x#1@a"});
}

TEST(PlacerEnds, PC6_AHostWhoseAnswerWasLostAndThatHasJoinedAnewIsNotToldAgain) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  ASSERT_TRUE(job.head.node().send(kPlacerName, ActorDown{{"host/a", 1}, {FailureKind::disconnected, "silence"}}));
  job.network.run_turns();
  ASSERT_TRUE(job.network.expect(std::string(GivenUp::kName)).from(job.head).to(a));
  ASSERT_TRUE(job.network.drop(std::string(Ack::kName)).from(a).to(job.head));
  job.network.advance(seconds(1));
  job.network.deliver_all();
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  EXPECT_EQ(job.take_log(), EndTexts{"+w/x#1@a"});
  for (int i = 0; i < 30; ++i) {
    job.network.advance(seconds(1));
    job.network.deliver_all();
  }
  EXPECT_EQ(job.take_log(), EndTexts{}) << "it lives";
}

TEST(PlacerEnds, PC6_ANodeThatEndsInGoodOrderIsGoneAndOneOfItsNameMayCome) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  DeterministicNode& b = job.add("b", "cpu=2");
  job.act(a, "main", job.placing_worker("w/x", "cpu=2"));
  job.take_outcomes();
  (void)b.stop("host/b");
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), (EndTexts{"+w/x#1@b", "-w/x#1@b"}));
  EXPECT_EQ(job.ask_why("w/x"), "w/x#1 ended on node b: node b is lost: stopped");
  job.host(b, "cpu=3");
  job.act(a, "main", job.placing_worker("w/x", "cpu=3"));
  EXPECT_EQ(job.take_outcomes(), EndTexts{"w/x: w/x#2"});
}

TEST(PlacerEnds, PC6_ASecondNodeOfANameIsRefused) {
  PlacingJob job;
  job.add("a", "cpu=1");
  const auto refused = job.head.request<NodeJoined>(kPlacerName, JoinNode{"a", {"host/a", 1}, {}, {}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().text,
            "a node named a is here already, at memory://a: give the nodes of a job different names");
  EXPECT_FALSE(job.head.request<NodeJoined>(kPlacerName, JoinNode{"c", {"host/a", 1}, {}, {}}));
}

TEST(PlacerEnds, PC6_WhoIsNotTheHostOfANodeDoesNotMakeItLost) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  const auto joins = [&job, &a](const ActorId& host) {
    job.act(a, "second", [host](Context& context) {
      const JoinNode join{"a", host, Resources::of("cpu=1"), {"worker"}};
      context.request<NodeJoined>({std::string(kPlacerName)}, join, seconds(1),
                                  [](const Result<NodeJoined>&, Context&) {});
    });
  };
  joins({"host/c", 1});
  EXPECT_NE(job.ask_why("w/x").find("runs on node a"), std::string::npos) << job.ask_why("w/x");
  joins({"host/a", 2});
  EXPECT_EQ(job.ask_why("w/x"), "w/x#1 ended on node a: node a is lost: node a has joined anew");
}

}  // namespace
}  // namespace troupe::runtime
