#include "runtime/placing/placer.hpp"

#include "tests/runtime/placing/placing_job.hpp"

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using PlacedTexts = std::vector<std::string>;

std::vector<WantedActor> workers(int count, const std::string& resources) {
  std::vector<WantedActor> wanted;
  for (int i = 0; i < count; ++i) wanted.push_back({"worker", "w/" + std::to_string(i), Resources::of(resources)});
  return wanted;
}

TEST(Placer, PC1_AGroupIsUpWholeSpreadOrPacked) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=4");
  job.add("b", "cpu=4");
  job.act(a, "main", job.placing("wide", workers(2, "cpu=1"), {.strategy = Strategy::spread}));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"wide: w/0#1 w/1#1"});
  EXPECT_EQ(job.take_sorted_log(), (PlacedTexts{"+w/0#1@a", "+w/1#1@b"}));
  job.act(a, "main", job.placing("near", {{"worker", "w/x", {}}, {"worker", "w/y", {}}}, {.on_node = "b"}));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"near: w/x#1 w/y#1"});
  EXPECT_EQ(job.take_sorted_log(), (PlacedTexts{"+w/x#1@b", "+w/y#1@b"}));
}

TEST(Placer, PC1_WhenOneDoesNotStartAllAreStoppedAndTheAnswerIsWhy) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=4");
  job.add("b", "cpu=4");
  std::vector<WantedActor> wanted = workers(3, "cpu=2");
  wanted.push_back({"broken", "w/bad", Resources::of("cpu=2")});
  job.act(a, "main", job.placing("g", wanted, {.strategy = Strategy::spread}));
  const PlacedTexts outcomes = job.take_outcomes();
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0],
            "g: faulted: w/bad on node b: did not start: no such device (in on_start); the others of the group are "
            "stopped");
  EXPECT_EQ(job.take_sorted_log(),
            (PlacedTexts{"+w/0#1@a", "+w/1#1@b", "+w/2#1@a", "-w/0#1@a", "-w/1#1@b", "-w/2#1@a"}));
  // When the answer is there, names and room are free again.
  job.act(a, "main", job.placing("again", workers(4, "cpu=2")));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"again: w/0#2 w/1#2 w/2#2 w/3#1"});
  EXPECT_EQ(job.ask_why("w/bad"), "w/bad#1 ended on node b: stopped");
}

TEST(Placer, PC1_MoreStartsAtOnceThanALinkHoldsWaitForRoom) {
  PlacingJob job;
  job.add("a", "cpu=1");
  constexpr int kEach = 400;
  constexpr std::size_t kGroups = 3;
  static_assert(kEach * kGroups > MemoryNetwork::kWindow);
  for (std::size_t group = 0; group < kGroups; ++group) {
    std::vector<WantedActor> wanted;
    for (int i = 0; i < kEach; ++i) {
      wanted.push_back({"worker", "w/" + std::to_string(group) + "." + std::to_string(i), {}});
    }
    job.begin(job.head, "main", job.placing("g", std::move(wanted)));
  }
  job.network.deliver_all();
  job.network.advance(milliseconds(100));  // who waits looks whether there is room
  job.network.deliver_all();
  EXPECT_EQ(job.take_log().size(), kGroups * kEach);
  const PlacedTexts outcomes = job.take_outcomes();
  ASSERT_EQ(outcomes.size(), kGroups);
  for (const std::string& each : outcomes) EXPECT_TRUE(each.starts_with("g: w/")) << each;
}

TEST(Placer, PC1_WhoIsStoppedOrDiesBeforeAllAreUpTakesTheGroupDown) {
  for (const char* end : {"stop", "death", "node"}) {
    PlacingJob job;
    DeterministicNode& a = job.add("a", "cpu=1");
    DeterministicNode& b = job.add("b", "cpu=1");
    job.begin(a, "main", job.placing("g", workers(2, "cpu=1")));
    job.network.expect(std::string(PlaceActors::kName)).from(a).to(job.head);
    job.network.expect(std::string(StartActor::kName)).from(job.head).to(b);
    job.network.expect(std::string(StartedActor::kName)).from(b).to(job.head);
    std::string cause;
    if (end == std::string("stop")) {
      cause = "disconnected: w/1 was stopped before all were up";
      job.begin(a, "other",
                [](Context& context) { stop_placed(context, "w/1", seconds(1), [](const Result<Ack>&, Context&) {}); });
      job.network.expect(std::string(StopPlaced::kName)).from(a).to(job.head);
    } else if (end == std::string("death")) {
      cause = "faulted: w/1 on node b: number 1 (in test.number)";
      job.network.expect("").from(job.head).to(b);  // the placer watches it
      ASSERT_TRUE(b.node().send("w/1", Number{1}));
      job.network.run_turns();
      job.network.expect("").from(b).to(job.head);
    } else {
      cause = "disconnected: w/1 on node b: node b is lost: connection to memory://b lost: the wire was cut";
      job.network.wire().cut(b.endpoint(), job.head.endpoint());
    }
    job.network.deliver_all();
    EXPECT_EQ(job.take_outcomes(), PlacedTexts{"g: " + cause + "; the others of the group are stopped"});
    EXPECT_EQ(PlacingJob::living_on(a) + PlacingJob::living_on(b), 0U);
    EXPECT_EQ(job.ask_why("w/0"), "w/0#1 ended on node a: stopped");
  }
}

TEST(Placer, PC1_ArgumentsThatAreWrongAreTheAnswer) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  job.act(a, "main", job.placing("g", {{"sized", "w/x", {}, Number{4}}}));
  job.act(a, "main", job.placing("h", {{"sized", "w/y", {}, Ask{4}}}));
  EXPECT_EQ(
      job.take_outcomes(),
      (PlacedTexts{"g: w/x#1",
                   "h: unknown: w/y on node a: class sized: arguments are to be a test.number, and are a test.ask"}));
}

TEST(Placer, PC2_PC3_WhatEndsMakesRoomForThoseWhoWaitInTheirOrder) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=2,gpu=1");
  job.act(a, "main", job.placing_worker("w/first", "cpu=1"));
  job.act(a, "main", job.placing_worker("w/large", "cpu=2"));
  job.act(a, "main", job.placing_worker("w/small", "cpu=1"));
  job.act(a, "main", job.placing_worker("w/other", "gpu=0.5"));
  EXPECT_EQ(job.take_outcomes(), (PlacedTexts{"w/first: w/first#1", "w/other: w/other#1"}));
  EXPECT_EQ(job.ask_why("w/large"),
            "w/large waits for a place: w/large needs cpu=2; a has cpu=1 free of 2 (w/first holds 1); waits");
  EXPECT_NE(job.ask_why("w/small").find("waits behind w/large, which came earlier"), std::string::npos);
  job.take_log();
  // Asked to stop, but not gone: its place is not free.
  job.begin(a, "main",
            [](Context& context) { stop_placed(context, "w/first", seconds(1), [](const Result<Ack>&, Context&) {}); });
  job.network.expect(std::string(StopPlaced::kName)).from(a).to(job.head);
  EXPECT_NE(job.ask_why("w/first").find("is being stopped on node a, holds cpu=1"), std::string::npos);
  EXPECT_NE(job.ask_why("w/large").find("w/first holds 1"), std::string::npos);
  EXPECT_EQ(job.take_log(), PlacedTexts{});
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), (PlacedTexts{"-w/first#1@a", "+w/large#1@a"}));
  ASSERT_TRUE(a.node().send("w/large", Number{3}));  // it dies
  job.network.deliver_all();
  EXPECT_EQ(job.take_outcomes(), (PlacedTexts{"w/large: w/large#1", "w/small: w/small#1"}));
  EXPECT_EQ(job.ask_why("w/large"), "w/large#1 ended on node a: number 3 (in test.number)");
}

TEST(Placer, PC3_ANodeThatJoinsMakesRoomAndTheDeadlineEndsTheWait) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  job.act(a, "main", job.placing_worker("w/never", "tpu=1", {}, milliseconds(100)));
  job.act(a, "main", job.placing_worker("w/later", "tpu=1", {}, seconds(5)));
  job.network.advance(milliseconds(99));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{});
  job.network.advance(milliseconds(1));
  job.network.deliver_all();
  EXPECT_EQ(job.take_outcomes(),
            PlacedTexts{"w/never: unknown: not placed in time: w/never needs tpu=1; a has no tpu; no node has any tpu "
                        "(did you mean cpu?); not "
                        "even when nobody holds anything: never with these nodes; waits for another node"});
  job.add("b", "tpu=1");
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"w/later: w/later#1"});
  EXPECT_EQ(job.take_log(), PlacedTexts{"+w/later#1@b"});
}

TEST(Placer, PC3_OfAGroupThatHasItsAnswerNoDeadlineIsLeft) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  const auto one_round = [&job, &a] {
    const auto day = std::chrono::hours(24);
    job.act(a, "main", job.placing_worker("w/up", "cpu=1", {}, day));
    job.act(a, "main", job.placing("bad", {{"broken", "w/bad", {}}, {"worker", "w/good", {}}}, {}, day));
    job.act(a, "main", job.placing_worker("w/back", "cpu=1", {}, day));
    for (const char* name : {"w/back", "w/up"}) {
      job.act(a, "main", [name](Context& context) {
        stop_placed(context, name, seconds(1), [](const Result<Ack>&, Context&) {});
      });
    }
    EXPECT_EQ(job.take_outcomes().size(), 3U) << "placed, not started, taken back";
    job.network.advance(seconds(30));  // what looked after the answers to short requests is done
    job.network.deliver_all();
    return job.network.time().waiting();
  };
  const std::size_t first = one_round();
  for (int round = 0; round < 5; ++round) EXPECT_EQ(one_round(), first);
}

TEST(Placer, PC3_WhoIsRefusedOrTakenBackHoldsNobodyUp) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=2");
  job.act(a, "main", job.placing_worker("w/1", "cpu=1"));
  job.act(a, "main", job.placing_worker("w/2", "cpu=2", {}, milliseconds(100)));
  job.act(a, "main", job.placing_worker("w/3", "cpu=1"));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"w/1: w/1#1"});
  job.network.advance(milliseconds(100));
  job.network.deliver_all();
  EXPECT_EQ(job.take_outcomes().back(), "w/3: w/3#1");
  job.act(a, "main", job.placing_worker("w/4", "cpu=2"));
  job.act(a, "main",
          [](Context& context) { stop_placed(context, "w/4", seconds(1), [](const Result<Ack>&, Context&) {}); });
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"w/4: disconnected: w/4 was taken back while it waited"});
}

TEST(Placer, PC4_ATakenNameIsRefusedWithWhoHoldsItAndIncarnationsGrow) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=2");
  DeterministicNode& b = job.add("b", "cpu=2");
  job.act(a, "main", job.placing_worker("w/x", "cpu=1", {.on_node = "b"}));
  job.act(b, "second", job.placing_worker("w/x", "cpu=1"));
  EXPECT_EQ(
      job.take_outcomes(),
      (PlacedTexts{"w/x: w/x#1",
                   "w/x: unknown: the name w/x is taken: w/x#1 of class worker runs on node b, holds cpu=1, owned by "
                   "main#1; choose another name, or stop it first"}));
  for (int start = 2; start <= 4; ++start) {
    job.act(b, "second",
            [](Context& context) { stop_placed(context, "w/x", seconds(1), [](const Result<Ack>&, Context&) {}); });
    job.act(b, "second", job.placing_worker("w/x", "cpu=1", {.on_node = start % 2 == 0 ? "a" : "b"}));
    EXPECT_EQ(job.take_outcomes(), PlacedTexts{"w/x: w/x#" + std::to_string(start)});
  }
}

TEST(Placer, PC4_APlacerThatComesLaterBeginsAboveWhatAnEarlierOneHasGiven) {
  using Days = std::chrono::sys_days;
  const Days begin{std::chrono::year{2025} / 1 / 1};
  EXPECT_EQ(first_incarnation_at(begin + seconds(90)), 90U);
  EXPECT_EQ(first_incarnation_at(begin + std::chrono::hours(24 * 365)), 31'536'000U);
  EXPECT_EQ(first_incarnation_at(begin), 1U);
  EXPECT_EQ(first_incarnation_at(begin - seconds(5)), 1U) << "a clock that is wrong";
  // Its node knows nothing; another one knows who lived before.
  PlacingJob job(100);
  DeterministicNode& a = job.add("a", "cpu=2");
  DeterministicNode& b = job.add("b", "cpu=2");
  a.node().directory().bury({"w/x", 7});
  job.act(a, "main", job.placing_worker("w/x", "cpu=1", {.on_node = "b"}));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"w/x: w/x#100"});
  job.act(a, "main", [&job](Context& context) {
    context.request<Answer>({"w/x", 100}, Ask{5}, seconds(1), [&job](const Result<Answer>& answer, Context&) {
      job.outcomes.push_back(answer ? "answers" : answer.failure().describe());
    });
  });
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"answers"});
  job.act(b, "second",
          [](Context& context) { stop_placed(context, "w/x", seconds(1), [](const Result<Ack>&, Context&) {}); });
  job.act(b, "second", job.placing_worker("w/x", "cpu=1", {.on_node = "b"}));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"w/x: w/x#101"}) << "and each start is higher";
}

TEST(Placer, PC7_WhoKnowsAnActorToBeDeadHearsSoInWords) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  DeterministicNode& b = job.add("b", "cpu=1");
  a.node().directory().bury({"w/x", 7});
  job.act(a, "main", job.placing_worker("w/x", "cpu=1", {.on_node = "b", .lifetime = Lifetime::detached}));
  const std::string why = "disconnected: node a cannot reach w/x#1, which the placer says is at " + b.endpoint() +
                          ": here it is known to be dead, or a later one of its name is known";
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"w/x: " + why});
  job.act(a, "main", [&job](Context& context) {
    find(context, "w/x", seconds(1), [&job](const Result<ActorId>& found, Context&) {
      job.outcomes.push_back(found ? found->describe() : found.failure().describe());
    });
  });
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{why});
}

TEST(Placer, PC4_ANameThatSomebodyElseUsesThereIsTheAnswer) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=2");
  (void)a.try_spawn("w/x", hooked({}), 1).value();
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  EXPECT_EQ(job.take_outcomes(),
            PlacedTexts{"w/x: unknown: w/x on node a: there is already an actor named w/x on node a"});
}

TEST(Placer, PC7_WhoAsksForANameReachesTheActorOrHearsWhyNot) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  DeterministicNode& b = job.add("b", "cpu=1");
  job.act(a, "main", job.placing_worker("w/x", "cpu=1", {.on_node = "a", .lifetime = Lifetime::detached}));
  job.take_outcomes();
  const auto finding = [&job](const std::string& name) {
    return [&job, name](Context& context) {
      find(context, name, seconds(1), [&job](const Result<ActorId>& found, Context& turn) {
        if (!found) return job.outcomes.push_back(found.failure().describe());
        turn.request<Answer>(*found, Ask{5}, seconds(1), [&job, found](const Result<Answer>& answer, Context&) {
          job.outcomes.push_back(found->describe() + " says " + std::to_string(answer.value().value));
        });
      });
    };
  };
  job.act(b, "second", finding("w/x"));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"w/x#1 says 5"});
  job.act(b, "second", finding("w/z"));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"unknown: nobody named w/z is placed, or waits (did you mean w/x?)"});
  job.act(a, "main", job.placing_worker("w/y", "cpu=1", {.on_node = "a"}));
  job.act(b, "second", finding("w/y"));
  EXPECT_EQ(
      job.take_outcomes(),
      PlacedTexts{"disconnected: w/y waits for a place: w/y needs cpu=1 on node a; a has cpu=0 free of 1 (w/x holds "
                  "1); waits"});
  ASSERT_TRUE(a.node().send("w/x", Number{2}));
  job.network.deliver_all();
  job.take_outcomes();
  job.act(b, "second", finding("w/x"));
  EXPECT_EQ(job.take_outcomes(), PlacedTexts{"disconnected: w/x#1 ended on node a: number 2 (in test.number)"});
}

}  // namespace
}  // namespace troupe::runtime
