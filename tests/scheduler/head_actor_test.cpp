#include "scheduler/head_actor.hpp"

#include "tests/scheduler/played_job.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

namespace troupe::head_actor_test {
namespace {

using namespace std::chrono_literals;
using runtime::ActorId;
using scheduler::JobSpec;
using test::PlayedAgent;
using test::PlayedWorker;

using Ids = std::vector<ActorId>;

class HeadActor : public test::PlayedJob {};

// ---- incarnations ---------------------------------------------------------------------------------------------------

TEST_F(HeadActor, HD1_NoIncarnationIsUsedTwiceHoweverAnActorDies) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}}));
  ready_worker({"stage/0", 1});
  a.exited({"stage/0", 1}, "killed");  // up, then its process ends
  network_.deliver_all();
  a.refusal = "no memory";  // cannot be started
  tick();
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}, {"stage/0", 2}}));
  a.refusal.clear();
  pass(300ms);
  EXPECT_EQ(a.spawned().back(), (ActorId{"stage/0", 3}));
  a.pulse = PlayedAgent::Pulse::paused;  // its node is lost
  PlayedAgent& b = joined_agent("b");
  pass(4s);
  EXPECT_EQ(b.spawned(), (Ids{{"stage/0", 4}}));
  b.join();  // its node joins again
  pass(1s);
  EXPECT_EQ(b.spawned(), (Ids{{"stage/0", 4}, {"stage/0", 5}}));
  EXPECT_EQ(a.spawned().size(), 3U);
  EXPECT_EQ(lost_.count(), 4U);
}

TEST_F(HeadActor, HD1_WordsOfAnEarlierIncarnationChangeNothing) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  PlayedWorker& slow = worker({"stage/0", 1});
  a.exited({"stage/0", 1}, "killed");
  network_.deliver_all();
  tick();
  ASSERT_EQ(a.spawned().back(), (ActorId{"stage/0", 2}));
  slow.ready();
  network_.deliver_all();
  EXPECT_EQ(slow.answer, "the head does not expect stage/0#1");
  EXPECT_EQ(all_up_.count(), 0U);
  PlayedWorker& present = ready_worker({"stage/0", 2});
  EXPECT_EQ(present.answer, "taken");
  a.exited({"stage/0", 1}, "killed, said again");
  network_.deliver_all();
  ASSERT_EQ(all_up_.count(), 1U);
  EXPECT_EQ(all_up_.last().actors, (Ids{{"stage/0", 2}}));
  EXPECT_EQ(lost_.count(), 1U);
}

TEST_F(HeadActor, AnEndThatIsReportedTwiceIsOneDeath) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  ready_worker({"stage/0", 1});
  a.exited({"stage/0", 1}, "exited with status 3");
  network_.duplicate("head.actor_exited").from(a.place).to(head_);
  network_.deliver_all();
  tick();
  ASSERT_EQ(lost_.count(), 1U);
  EXPECT_EQ(lost_.last().actor, (ActorId{"stage/0", 1}));
  EXPECT_EQ(lost_.last().cause.text, "exited with status 3");
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}, {"stage/0", 2}}));
}

// ---- giving up ------------------------------------------------------------------------------------------------------

TEST_F(HeadActor, HD2_TheReportNamesTheFirstCauseAndComesOnce) {
  lead({"stage/0", "stage/1"}, [](JobSpec& spec) { spec.limits.max_restarts = 2; });
  PlayedAgent& a = joined_agent("a");
  a.exited({"stage/1", 1}, "an accident of another actor");
  a.exited({"stage/0", 1}, "the disk is full");
  network_.deliver_all();
  pass(300ms);
  a.exited({"stage/0", 2}, "no checkpoint can be read");
  network_.deliver_all();
  pass(300ms);
  EXPECT_EQ(failed_.count(), 0U);
  a.exited({"stage/0", 3}, "no checkpoint can be read");
  network_.deliver_all();
  ASSERT_EQ(failed_.count(), 1U);
  const std::string report = failed_.last().report;
  for (const char* part :
       {"actor:  stage/0#3 on node a\n", "cause:  the disk is full\n", "last:   no checkpoint can be read\n",
        "policy: 3 failures within 60 s, 2 restarts allowed", "stage/1#2=starting"}) {
    EXPECT_NE(report.find(part), std::string::npos) << part << "is not in\n" << report;
  }
  EXPECT_NE(report.find("log:    " + (folder_.path() / "logs").string() + "\n"), std::string::npos) << report;
  // The others die of it; nothing of that is news, and nothing is started.
  const std::size_t orders = a.spawns.count();
  for (std::uint32_t i = 2; i < 9; ++i) a.exited({"stage/1", i}, "its neighbour is gone");
  network_.deliver_all();
  pass(10s);
  EXPECT_EQ(failed_.count(), 1U);
  EXPECT_EQ(a.spawns.count(), orders);
  EXPECT_EQ(count_events("actor_given_up"), 1U);
}

TEST_F(HeadActor, HD2_AFailureBeforeTheWindowIsNotTheCause) {
  lead({"stage/0"}, [](JobSpec& spec) { spec.limits.max_restarts = 1; });
  PlayedAgent& a = joined_agent("a");
  ready_worker({"stage/0", 1});
  a.exited({"stage/0", 1}, "long ago");
  network_.deliver_all();
  tick();
  ready_worker({"stage/0", 2});
  pass(61s);
  a.exited({"stage/0", 2}, "the cause");
  network_.deliver_all();
  pass(300ms);
  EXPECT_EQ(failed_.count(), 0U);
  a.exited({"stage/0", 3}, "the cause");
  network_.deliver_all();
  ASSERT_EQ(failed_.count(), 1U);
  EXPECT_NE(failed_.last().report.find("cause:  the cause\n  policy"), std::string::npos) << failed_.last().report;
}

TEST_F(HeadActor, HD2_ANodeThatTakesSeveralActorsAlongIsOneReport) {
  lead({"stage/0", "stage/1", "stage/2"}, [](JobSpec& spec) { spec.limits.max_restarts = 0; });
  PlayedAgent& a = joined_agent("a");
  a.pulse = PlayedAgent::Pulse::paused;
  pass(4s);
  ASSERT_EQ(failed_.count(), 1U);
  EXPECT_NE(failed_.last().report.find("actor:  stage/0#1 on node a\n  cause:  node a sent no heartbeat for 3 s\n"),
            std::string::npos)
      << failed_.last().report;
  EXPECT_EQ(lost_.count(), 3U);
}

TEST_F(HeadActor, AnActorThatRunsWellForLongStartsAgainAtOnceAndOneThatDoesNotLater) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  const std::vector<runtime::Duration> waits = {0ms, 50ms, 200ms, 500ms, 1s, 1s};
  for (std::uint32_t failure = 1; failure <= waits.size(); ++failure) {
    a.exited({"stage/0", failure}, "killed");
    network_.deliver_all();
    const runtime::TimePoint died = network_.time().now();
    while (a.spawns.count() == failure) pass(20ms);
    EXPECT_GE(network_.time().now() - died, waits[failure - 1]) << failure;
    EXPECT_LE(network_.time().now() - died, waits[failure - 1] + 40ms) << failure;
  }
}

// ---- the whole job --------------------------------------------------------------------------------------------------

TEST_F(HeadActor, HD3_TheDriverHearsAllUpWhenEveryProcessKnowsTheOthers) {
  lead({"stage/0", "stage/1"});
  PlayedAgent& a = joined_agent("a");
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}, {"stage/1", 1}}));
  PlayedWorker& first = ready_worker({"stage/0", 1});
  EXPECT_EQ(all_up_.count(), 0U) << "stage/1 is not up";
  PlayedWorker& second = worker({"stage/1", 1});
  second.ready();
  network_.expect("head.worker_ready").from(second.place).to(head_);
  EXPECT_EQ(all_up_.count(), 0U) << "no process knows of stage/1";
  network_.expect("member.directory_update").from(head_).to(first.place);
  network_.expect("runtime.ack").from(first.place).to(head_);
  EXPECT_EQ(all_up_.count(), 0U) << "stage/1 does not know of stage/0";
  network_.expect("runtime.ack").from(head_).to(second.place);
  network_.expect("member.directory_update").from(head_).to(second.place);
  EXPECT_EQ(all_up_.count(), 0U) << "the head has not heard that it does";
  network_.expect("runtime.ack").from(second.place).to(head_);
  ASSERT_EQ(all_up_.count(), 1U);
  EXPECT_EQ(all_up_.last().actors, (Ids{{"stage/0", 1}, {"stage/1", 1}}));
  for (const PlayedWorker* each : {&first, &second}) {
    std::set<std::string> known;
    for (const auto& entry : each->updates.last().alive) known.insert(entry.actor.describe() + " " + entry.endpoint);
    EXPECT_EQ(known,
              (std::set<std::string>{"head#1 " + head_.endpoint(), "driver#1 " + head_.endpoint(),
                                     "stage/0#1 " + first.place.endpoint(), "stage/1#1 " + second.place.endpoint()}));
  }
  network_.expect_no_mail();
  pass(2s);
  EXPECT_EQ(all_up_.count(), 1U) << "nothing changed";
}

TEST_F(HeadActor, HD3_AllUpComesAgainAfterEachChange) {
  lead({"stage/0", "stage/1"});
  PlayedAgent& a = joined_agent("a");
  PlayedWorker& stays = ready_worker({"stage/0", 1});
  ready_worker({"stage/1", 1});
  ASSERT_EQ(all_up_.count(), 1U);
  for (std::uint32_t next = 2; next <= 4; ++next) {
    a.exited({"stage/1", next - 1}, "killed");
    network_.deliver_all();
    EXPECT_EQ(stays.updates.last().dead.size(), 1U);
    EXPECT_EQ(stays.updates.last().dead.at(0).actor, (ActorId{"stage/1", next - 1}));
    EXPECT_EQ(lost_.count(), next - 1);
    pass(300ms);
    EXPECT_EQ(all_up_.count(), next - 1);
    ready_worker({"stage/1", next});
    ASSERT_EQ(all_up_.count(), next);
    EXPECT_EQ(all_up_.last().actors, (Ids{{"stage/0", 1}, {"stage/1", next}}));
  }
}

TEST_F(HeadActor, HD3_AProcessThatDoesNotConfirmIsKilledAndTheJobIsNotCalledWhole) {
  lead({"stage/0", "stage/1"});
  PlayedAgent& a = joined_agent("a");
  PlayedWorker& deaf = ready_worker({"stage/0", 1});
  deaf.ear = PlayedWorker::Ear::deaf;
  ready_worker({"stage/1", 1});
  pass(4800ms);
  EXPECT_EQ(a.kills.count(), 0U);
  pass(600ms);
  ASSERT_EQ(a.kills.count(), 1U);
  EXPECT_EQ(a.kills.last().actor, deaf.id);
  EXPECT_EQ(all_up_.count(), 0U) << "stage/0 does not know where stage/1 is";
  a.exited(deaf.id, "killed by signal 9 (SIGKILL)");
  network_.deliver_all();
  tick();
  EXPECT_EQ(all_up_.count(), 0U);
  ready_worker({"stage/0", 2});
  ASSERT_EQ(all_up_.count(), 1U);
  EXPECT_EQ(all_up_.last().actors, (Ids{{"stage/0", 2}, {"stage/1", 1}}));
}

TEST_F(HeadActor, HD4_TheDriverHearsOfADeathBeforeItsRequestFailsByIt) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  PlayedWorker& worker = ready_worker({"stage/0", 1});
  std::vector<std::size_t> losses_heard;
  drive([&](runtime::Context& context) {
    context.request<scheduler::Ack>({"stage/0", 1}, scheduler::DirectoryUpdate{}, 60s,
                                    [&](const runtime::Result<scheduler::Ack>& answer, runtime::Context&) {
                                      EXPECT_FALSE(answer);
                                      losses_heard.push_back(lost_.count());
                                    });
  });
  network_.drop("member.directory_update").from(head_).to(worker.place);
  a.exited({"stage/0", 1}, "killed");
  network_.deliver_all();
  EXPECT_EQ(losses_heard, std::vector<std::size_t>{1});
}

TEST_F(HeadActor, HD5_WhatTheProcessesOfAnEarlierHeadDoChangesNothing) {
  lead({"stage/0", "stage/1"}, [](JobSpec& spec) { spec.term = 2; });
  PlayedAgent& a = joined_agent("a");
  EXPECT_EQ(a.spawns.last().term, 2U);
  PlayedWorker& of_this = worker({"stage/0", 1});
  of_this.term = 2;
  of_this.ready();
  PlayedWorker& of_the_other = worker({"stage/1", 1});
  of_the_other.ready();
  network_.deliver_all();
  EXPECT_EQ(of_this.answer, "taken");
  EXPECT_EQ(of_the_other.answer, "the head does not expect stage/1#1");
  PlayedAgent& old = agent("b");  // it ends what the head before had placed there
  old.exited({"stage/0", 1}, "killed by signal 15 (SIGTERM)");
  network_.deliver_all();
  EXPECT_EQ(lost_.count(), 0U);
  a.term = 2;
  a.exited({"stage/0", 1}, "killed by signal 9 (SIGKILL)");
  network_.deliver_all();
  EXPECT_EQ(lost_.count(), 1U);
}

TEST_F(HeadActor, AnActorWhoseStartIsNotConfirmedIsKilledWhereItMayRun) {
  lead({"stage/0"});
  PlayedAgent& a = agent("a");
  a.obeys = PlayedAgent::Obeys::never;
  a.join();
  network_.deliver_all();
  pass(9s);
  EXPECT_EQ(a.kills.count(), 0U);
  pass(2s);
  EXPECT_EQ(lost_.count(), 1U);
  ASSERT_EQ(a.kills.count(), 1U);
  EXPECT_EQ(a.kills.last().actor, (ActorId{"stage/0", 1}));
}

TEST_F(HeadActor, AWorkerThatIsNotReadyInAMinuteIsKilled) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  pass(59s);
  EXPECT_EQ(a.kills.count(), 0U);
  pass(2s);
  ASSERT_EQ(a.kills.count(), 1U);
  EXPECT_EQ(a.kills.last().actor, (ActorId{"stage/0", 1}));
}

}  // namespace
}  // namespace troupe::head_actor_test
