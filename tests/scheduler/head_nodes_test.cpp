#include "tests/scheduler/played_job.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace troupe::head_nodes_test {
namespace {

using namespace std::chrono_literals;
using runtime::ActorId;
using scheduler::JobSpec;
using test::PlayedAgent;
using test::PlayedWorker;

using Ids = std::vector<ActorId>;

/// The same head, seen from the nodes that join it.
class HeadNodes : public test::PlayedJob {};

TEST_F(HeadNodes, PlacementBeginsWhenTheWantedNodesHaveJoined) {
  lead({"stage/0", "stage/1"}, [](JobSpec& spec) { spec.nodes_wanted = 2; });
  PlayedAgent& a = joined_agent("a");
  pass(1s);
  EXPECT_EQ(a.spawns.count(), 0U);
  PlayedAgent& b = joined_agent("b");
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}}));
  EXPECT_EQ(b.spawned(), (Ids{{"stage/1", 1}}));
  const scheduler::SpawnActor order = b.spawns.last();
  EXPECT_EQ(order.job, 7U);
  EXPECT_EQ(order.head_endpoint, head_.endpoint());
  EXPECT_EQ(order.run_directory, folder_.path().string());
  EXPECT_EQ(order.job_text, "the job");
}

TEST_F(HeadNodes, ANodeWithoutABeatForThreeSecondsIsLostAndItsActorsArePlacedAnew) {
  lead({"stage/0", "stage/1"}, [](JobSpec& spec) { spec.nodes_wanted = 2; });
  PlayedAgent& a = joined_agent("a");
  PlayedAgent& b = joined_agent("b");
  PlayedWorker& stays = ready_worker({"stage/0", 1});
  ready_worker({"stage/1", 1});
  ASSERT_EQ(all_up_.count(), 1U);
  b.pulse = PlayedAgent::Pulse::paused;
  pass(2700ms);
  EXPECT_EQ(lost_.count(), 0U) << "late is not lost";
  b.beat();
  network_.deliver_all();
  pass(2700ms);
  EXPECT_EQ(lost_.count(), 0U) << "the beat counted";
  pass(600ms);
  ASSERT_EQ(lost_.count(), 1U);
  EXPECT_EQ(lost_.last().actor, (ActorId{"stage/1", 1}));
  EXPECT_EQ(lost_.last().cause.text, "node b sent no heartbeat for 3 s");
  EXPECT_EQ(stays.updates.last().dead.at(0).actor, (ActorId{"stage/1", 1}));
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}, {"stage/1", 2}}));
  EXPECT_EQ(b.spawns.count(), 1U);
  ASSERT_EQ(b.kills.count(), 1U) << "should it hear after all";
  EXPECT_EQ(b.kills.last().actor, (ActorId{"stage/1", 1}));
  ready_worker({"stage/1", 2});
  ASSERT_EQ(all_up_.count(), 2U);
  EXPECT_EQ(all_up_.last().actors, (Ids{{"stage/0", 1}, {"stage/1", 2}}));
  EXPECT_EQ(count_events("node_lost"), 1U);
}

TEST_F(HeadNodes, ANodeThatWasGivenUpAndBeatsIsToldToJoinAgainAndTheJobGoesOn) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  PlayedWorker& before = ready_worker({"stage/0", 1});
  a.pulse = PlayedAgent::Pulse::paused;
  pass(5s);
  ASSERT_EQ(lost_.count(), 1U);
  EXPECT_EQ(a.spawns.count(), 1U) << "there is no node to place it on";
  a.pulse = PlayedAgent::Pulse::beating;
  a.beat();
  network_.deliver_all();
  EXPECT_EQ(a.join_agains.count(), 1U);
  pass(600ms);
  EXPECT_EQ(a.join_agains.count(), 3U) << "it is said until it is heard";
  EXPECT_EQ(a.spawns.count(), 1U) << "it has not joined yet";
  before.answer.clear();
  before.ready();  // what ran there comes back to life with it, and nobody listens
  network_.deliver_all();
  EXPECT_EQ(before.answer, "");
  a.join();
  network_.deliver_all();
  EXPECT_EQ(a.joined.count(), 2U);
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}, {"stage/0", 2}}));
  a.exited({"stage/0", 1}, "killed by signal 15 (SIGTERM)");  // its old process, at last
  ready_worker({"stage/0", 2});
  ASSERT_EQ(all_up_.count(), 2U);
  EXPECT_EQ(all_up_.last().actors, (Ids{{"stage/0", 2}}));
  pass(10s);
  EXPECT_EQ(lost_.count(), 1U);
  EXPECT_EQ(a.join_agains.count(), 3U);
}

TEST_F(HeadNodes, ARestartedNodeTakesThePlaceOfItsEarlierIncarnation) {
  lead({"stage/0", "stage/1"});
  PlayedAgent& old = agent("a", 100);
  old.obeys = PlayedAgent::Obeys::never;  // it dies before it answers
  old.join();
  network_.deliver_all();
  old.pulse = PlayedAgent::Pulse::paused;
  ASSERT_EQ(old.spawned(), (Ids{{"stage/0", 1}, {"stage/1", 1}}));
  PlayedAgent& fresh = joined_agent("a", 101);
  ASSERT_EQ(lost_.count(), 2U);
  EXPECT_EQ(lost_.last().cause.text, "node a joined again");
  EXPECT_EQ(lost_.all().at(0).actor, (ActorId{"stage/0", 1}));
  tick();
  EXPECT_EQ(fresh.spawned(), (Ids{{"stage/0", 2}, {"stage/1", 2}}));
  // The dead one's words are of no account any more: not its beats, not its reports, not its registration.
  old.exited({"stage/0", 2}, "a lie");
  old.join();
  pass(12s);  // longer than the head waits for the answer of an agent
  EXPECT_EQ(old.joined.count(), 1U);
  EXPECT_EQ(old.spawns.count(), 2U);
  EXPECT_EQ(lost_.count(), 2U);
  EXPECT_EQ(fresh.spawns.count(), 2U);
}

TEST_F(HeadNodes, AHeadThatWasStarvedItselfBlamesNoNode) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  ready_worker({"stage/0", 1});
  network_.time().advance(30s, [] {});  // its turns wait
  network_.deliver_all();
  EXPECT_EQ(lost_.count(), 0U);
  pass(5s);
  EXPECT_EQ(lost_.count(), 0U);
  a.pulse = PlayedAgent::Pulse::paused;
  pass(4s);
  EXPECT_EQ(lost_.count(), 1U) << "it goes on watching";
}

TEST_F(HeadNodes, NoNodeHoldsMoreActorsThanItsSlots) {
  lead({"stage/0", "stage/1", "stage/2"});
  PlayedAgent& a = agent("a");
  a.join(2);
  network_.deliver_all();
  pass(1s);
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}, {"stage/1", 1}}));
  PlayedAgent& b = joined_agent("b");
  EXPECT_EQ(b.spawned(), (Ids{{"stage/2", 1}}));
}

TEST_F(HeadNodes, TheDriverIsToldOnceWhyActorsWaitForAPlace) {
  lead({"stage/0", "stage/1"}, [](JobSpec& spec) { spec.nodes_wanted = 2; });
  pass(2s);
  EXPECT_EQ(waits_.count(), 0U) << "nodes need a moment";
  pass(5s);
  ASSERT_EQ(waits_.count(), 1U);
  EXPECT_EQ(waits_.last().why, "0 of 2 nodes have joined; start another with 'troupe node --join ADDR'");
  PlayedAgent& a = agent("a");
  a.join(1);
  network_.deliver_all();
  pass(1s);
  ASSERT_EQ(waits_.count(), 2U);
  EXPECT_NE(waits_.last().why.find("1 of 2 nodes"), std::string::npos);
  PlayedAgent& b = agent("b");
  b.join(1);
  network_.deliver_all();
  ready_worker({"stage/0", 1});
  ready_worker({"stage/1", 1});
  pass(5s);
  EXPECT_EQ(waits_.count(), 2U) << "all have a place";
  b.pulse = PlayedAgent::Pulse::paused;
  pass(8s);
  ASSERT_EQ(waits_.count(), 3U);
  EXPECT_NE(waits_.last().why.find("stage/1 waits for a place: every node is full: a (1 of 1)"), std::string::npos)
      << waits_.last().why;
  EXPECT_EQ(count_events("placement_waits"), 3U);
}

// ---- the end, and the console ---------------------------------------------------------------------------------------

TEST_F(HeadNodes, TheEndIsAnsweredWhenEveryNodeHasStoppedWhatItRuns) {
  lead({"stage/0", "stage/1"}, [](JobSpec& spec) { spec.nodes_wanted = 2; });
  PlayedAgent& a = joined_agent("a");
  PlayedAgent& b = joined_agent("b");
  test::Heard<scheduler::Ack> ended;
  a.ask(scheduler::EndJob{"finished"}, ended);
  network_.expect("head.end_job").from(a.place).to(head_);
  network_.expect("agent.stop_all").from(head_).to(a.place);
  network_.expect("runtime.ack").from(a.place).to(head_);
  EXPECT_EQ(ended.count(), 0U) << "b has not answered";
  EXPECT_FALSE(network_.allow("runtime.ack").from(head_).to(a.place));
  a.exited({"stage/0", 1}, "killed by signal 15 (SIGTERM)");
  network_.expect("agent.stop_all").from(head_).to(b.place);
  network_.deliver_all();
  EXPECT_EQ(ended.count(), 1U);
  pass(5s);
  EXPECT_EQ(lost_.count(), 0U) << "an end on purpose is no loss";
  EXPECT_EQ(a.spawns.count() + b.spawns.count(), 2U);
}

TEST_F(HeadNodes, KillsOnRequestWhatRunsAndSaysWhatDoesNot) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  test::Heard<scheduler::Ack> killed;
  a.ask(scheduler::KillActor{"stage/0"}, killed);
  network_.deliver_all();
  EXPECT_EQ(killed.count(), 1U);
  ASSERT_EQ(a.kills.count(), 1U);
  EXPECT_EQ(a.kills.last().actor, (ActorId{"stage/0", 1}));
  a.ask(scheduler::KillActor{"stage/9"}, killed);
  network_.deliver_all();
  EXPECT_EQ(a.refused, "no actor named stage/9 in this job (did you mean stage/0?)");
  a.ask(scheduler::KillActor{"head"}, killed);
  network_.deliver_all();
  EXPECT_EQ(a.refused, "head lives in the head's process, which only a signal to that process ends");
  a.exited({"stage/0", 1}, "killed by signal 9 (SIGKILL)");
  a.ask(scheduler::KillActor{"stage/0"}, killed);
  network_.deliver_all();
  EXPECT_EQ(a.refused, "stage/0 is down: nothing to kill");
  EXPECT_EQ(killed.count(), 1U);
}

TEST_F(HeadNodes, KillsTheNamedIncarnationAndNoOther) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  a.exited({"stage/0", 1}, "killed by signal 9 (SIGKILL)");
  network_.deliver_all();
  tick();
  ASSERT_EQ(a.spawned().back(), (ActorId{"stage/0", 2}));
  test::Heard<scheduler::Ack> killed;
  a.ask(scheduler::KillActor{"stage/0", 1}, killed);
  network_.deliver_all();
  EXPECT_EQ(a.refused, "stage/0#1 is not the living one: nothing to kill");
  EXPECT_EQ(a.kills.count(), 0U);
  a.ask(scheduler::KillActor{"stage/0", 2}, killed);
  network_.deliver_all();
  EXPECT_EQ(killed.count(), 1U);
  ASSERT_EQ(a.kills.count(), 1U);
  EXPECT_EQ(a.kills.last().actor, (ActorId{"stage/0", 2}));
}

TEST_F(HeadNodes, WritesDownWhatOthersReport) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  a.act([](runtime::Context& context) {
    (void)context.send("head", scheduler::RecordEvent{"checkpoint", R"({"step":3})"});
    (void)context.send("head", scheduler::RecordEvent{"nonsense", "{"});
  });
  network_.deliver_all();
  EXPECT_EQ(count_events("checkpoint"), 1U);
  EXPECT_EQ(count_events("nonsense"), 0U);
}

}  // namespace
}  // namespace troupe::head_nodes_test
