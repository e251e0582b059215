#include "tests/scheduler/played_job.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <vector>

namespace troupe::head_return_test {
namespace {

using namespace std::chrono_literals;
using runtime::ActorId;
using scheduler::Leader;
using scheduler::WhoLeads;
using test::PlayedAgent;
using test::PlayedWorker;
using Held = scheduler::RegisterNode::Held;

using Ids = std::vector<ActorId>;

constexpr std::int64_t kProcess = 4711;  // of every played worker

/// A head that dies, and the one that takes its place.
class HeadReturn : public test::PlayedJob {
protected:
  /// Two stages at one node, both up, known to the driver.
  PlayedAgent& two_stages_up() {
    lead({"stage/0", "stage/1"});
    PlayedAgent& a = joined_agent("a");
    ready_worker({"stage/0", 1});
    ready_worker({"stage/1", 1});
    EXPECT_EQ(all_up_.count(), 1U);
    return a;
  }
  Leader who_leads(PlayedWorker& worker, const WhoLeads& question) {
    const auto answer = leader().request<Leader>("head", question);
    EXPECT_TRUE(answer) << worker.id.describe();
    return *answer;
  }
};

TEST_F(HeadReturn, HD7_WhoLivesIsAdoptedAndTheDriverHearsOfTheSameIncarnations) {
  PlayedAgent& a = two_stages_up();
  return_head();
  pass(600ms);
  EXPECT_EQ(all_up_.count(), 1U) << "nobody has said yet who lives";
  EXPECT_GE(a.join_agains.count(), 1U) << "its beats tell that it does not know of the loss";
  a.held = {{{"stage/0", 1}, kProcess, 1}, {{"stage/1", 1}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  EXPECT_EQ(a.joined.last().adopted, (Ids{{"stage/0", 1}, {"stage/1", 1}}));
  EXPECT_EQ(a.joined.last().head.actor, (ActorId{"head", 2}));
  ASSERT_EQ(all_up_.count(), 2U);
  EXPECT_EQ(all_up_.last().actors, (Ids{{"stage/0", 1}, {"stage/1", 1}}));
  pass(20s);
  EXPECT_EQ(lost_.count(), 0U);
  EXPECT_EQ(a.spawns.count(), 2U) << "nobody was started again";
  EXPECT_EQ(count_events("actor_down"), 0U);
  EXPECT_EQ(count_events("head_returned"), 1U);
}

TEST_F(HeadReturn, HD7_TheMembersLearnWhereTheHeadAndTheDriverAre) {
  PlayedAgent& a = two_stages_up();
  return_head();
  a.held = {{{"stage/0", 1}, kProcess, 1}, {{"stage/1", 1}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  for (const PlayedWorker& worker : workers_) {
    const auto update = worker.updates.last();
    ASSERT_EQ(update.alive.size(), 4U);
    EXPECT_EQ(update.alive[0].actor, (ActorId{"head", 2}));
    EXPECT_EQ(update.alive[0].endpoint, leader().endpoint());
    EXPECT_EQ(update.alive[1].actor, (ActorId{"driver", 2}));
    EXPECT_EQ(update.alive[1].endpoint, leader().endpoint());
  }
}

TEST_F(HeadReturn, HD7_WhoIsMissingHasDiedAndIsStartedAgainAlone) {
  PlayedAgent& a = two_stages_up();
  return_head();
  a.held = {{{"stage/1", 1}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  ASSERT_EQ(lost_.count(), 1U);
  EXPECT_EQ(lost_.last().actor, (ActorId{"stage/0", 1}));
  EXPECT_EQ(lost_.last().cause.text, "its process ended while there was no head");
  tick();
  EXPECT_EQ(a.spawned().back(), (ActorId{"stage/0", 2}));
  EXPECT_EQ(a.spawns.last().head_incarnation, 2U);
  EXPECT_EQ(a.spawns.last().head_endpoint, leader().endpoint());
}

TEST_F(HeadReturn, HD7_TheTrueCauseOfADeathMeanwhileIsHeard) {
  PlayedAgent& a = two_stages_up();
  return_head();
  a.held = {{{"stage/1", 1}, kProcess, 1}};
  a.ended = {{{"stage/0", 1}, {runtime::FailureKind::faulted, "exited with status 3"}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  ASSERT_EQ(lost_.count(), 1U);
  EXPECT_EQ(lost_.last().cause.text, "exited with status 3");
}

TEST_F(HeadReturn, HD7_WhoIsNotKnownIsNotAdopted) {
  PlayedAgent& a = two_stages_up();
  return_head();
  a.held = {{{"stage/0", 1}, kProcess, 99},     // of another job
            {{"stage/1", 1}, kProcess + 1, 1},  // another process
            {{"stage/2", 1}, kProcess, 1},      // nobody's
            {{"stage/1", 2}, kProcess, 1}};     // never given out
  a.join();
  network_.deliver_all();
  EXPECT_EQ(a.joined.last().adopted, Ids{});
  EXPECT_EQ(lost_.count(), 2U);
}

TEST_F(HeadReturn, HD1_NoIncarnationIsGivenOutASecondTimeByTheNextHead) {
  PlayedAgent& a = two_stages_up();
  a.exited({"stage/0", 1}, "killed");
  network_.deliver_all();
  tick();
  ASSERT_EQ(a.spawned().back(), (ActorId{"stage/0", 2}));
  for (int i = 0; i < 3; ++i) {
    return_head();
    a.join();  // and it holds nothing any more
    network_.deliver_all();
    pass(900ms);
  }
  const Ids all = a.spawned();
  std::set<std::string> unlike;
  for (const ActorId& actor : all) unlike.insert(actor.describe());
  EXPECT_EQ(unlike.size(), all.size());
  EXPECT_EQ(unlike, (std::set<std::string>{"stage/0#1", "stage/0#2", "stage/0#3", "stage/0#4", "stage/0#5", "stage/1#1",
                                           "stage/1#2", "stage/1#3", "stage/1#4"}));
}

TEST_F(HeadReturn, HD7_AStartThatWasUnderWayIsFinished) {
  lead({"stage/0"});
  PlayedAgent& a = joined_agent("a");
  PlayedWorker& slow = worker({"stage/0", 1});
  return_head();
  a.held = {{{"stage/0", 1}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  EXPECT_EQ(a.joined.last().adopted, (Ids{{"stage/0", 1}}));
  slow.ready();
  network_.deliver_all();
  EXPECT_EQ(slow.answer, "taken");
  ASSERT_EQ(all_up_.count(), 1U);
  EXPECT_EQ(lost_.count(), 0U);
}

TEST_F(HeadReturn, AWorkerWhoseAnswerDiedWithTheHeadIsTakenOnce) {
  PlayedAgent& a = two_stages_up();
  return_head();
  a.held = {{{"stage/0", 1}, kProcess, 1}, {{"stage/1", 1}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  workers_.front().answer.clear();
  workers_.front().ready();
  network_.deliver_all();
  EXPECT_EQ(workers_.front().answer, "taken");
  EXPECT_EQ(count_events("actor_up"), 2U);
}

TEST_F(HeadReturn, HD7_ANodeThatDoesNotComeBackIsGivenUpAfterItsActorsLease) {
  lead({"stage/0", "stage/1"}, [](scheduler::JobSpec& spec) { spec.nodes_wanted = 2; });
  PlayedAgent& a = joined_agent("a");
  PlayedAgent& b = joined_agent("b");
  ready_worker({"stage/0", 1});
  ready_worker({"stage/1", 1});
  return_head();
  b.pulse = PlayedAgent::Pulse::paused;
  a.held = {{{"stage/0", 1}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  pass(11s);
  EXPECT_EQ(lost_.count(), 0U) << "what it holds may still run";
  EXPECT_EQ(a.spawns.count(), 1U);
  EXPECT_EQ(all_up_.count(), 1U);
  pass(2s);
  ASSERT_EQ(lost_.count(), 1U);
  EXPECT_EQ(lost_.last().actor, (ActorId{"stage/1", 1}));
  EXPECT_EQ(lost_.last().cause.text, "node b did not come back to the head that returned");
  EXPECT_EQ(a.spawned(), (Ids{{"stage/0", 1}, {"stage/1", 2}}));
  ready_worker({"stage/1", 2});
  EXPECT_EQ(all_up_.count(), 2U);
  static_assert(scheduler::kReturnPatience > scheduler::kHeadLease);
}

TEST_F(HeadReturn, ANodeThatLostOnlyItsLinkKeepsItsActors) {
  PlayedAgent& a = two_stages_up();
  a.held = {{{"stage/0", 1}, kProcess, 1}, {{"stage/1", 1}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  EXPECT_EQ(a.joined.last().adopted, (Ids{{"stage/0", 1}, {"stage/1", 1}}));
  EXPECT_EQ(lost_.count(), 0U);
  EXPECT_EQ(a.spawns.count(), 2U);
}

TEST_F(HeadReturn, HD3_AnAnswerThatIsLostWithAnOldLinkIsAskedForAgain) {
  PlayedAgent& a = two_stages_up();
  return_head();
  a.held = {{{"stage/0", 1}, kProcess, 1}, {{"stage/1", 1}, kProcess, 1}};
  a.join();
  network_.expect("head.register_node").from(a.place).to(leader());
  network_.expect("member.directory_update").from(leader()).to(workers_.front().place);
  network_.drop("runtime.ack").from(workers_.front().place).to(leader());
  network_.deliver_all();
  EXPECT_EQ(all_up_.count(), 1U);
  pass(900ms);
  EXPECT_EQ(all_up_.count(), 2U);
  pass(6s);
  EXPECT_EQ(a.kills.count(), 0U);
}

TEST_F(HeadReturn, AMemberThatAsksHearsWhoLeadsAndWhetherItBelongs) {
  two_stages_up();
  PlayedWorker& worker = workers_.front();
  EXPECT_EQ(who_leads(worker, {{"stage/0", 1}, 1}).asker, Leader::Asker::belongs);
  return_head();
  const Leader after = who_leads(worker, {{"stage/0", 1}, 1});
  EXPECT_EQ(after.asker, Leader::Asker::belongs) << "also before its node has come back";
  EXPECT_EQ(after.head.actor, (ActorId{"head", 2}));
  EXPECT_EQ(after.driver.actor, (ActorId{"driver", 2}));
  EXPECT_EQ(after.head.endpoint, leader().endpoint());
  EXPECT_EQ(who_leads(worker, {{"stage/0", 1}, 2}).asker, Leader::Asker::does_not_belong) << "of another job";
  EXPECT_EQ(who_leads(worker, {{"stage/0", 2}, 1}).asker, Leader::Asker::does_not_belong);
  EXPECT_EQ(who_leads(worker, {{"stage/9", 1}, 1}).asker, Leader::Asker::does_not_belong);
}

TEST_F(HeadReturn, TheRestartPolicyCountsTheFailuresOfBefore) {
  lead({"stage/0"}, [](scheduler::JobSpec& spec) { spec.limits.max_restarts = 2; });
  PlayedAgent& a = joined_agent("a");
  for (std::uint32_t i = 1; i <= 2; ++i) {
    a.exited({"stage/0", i}, "the disk is full");
    network_.deliver_all();
    pass(300ms);
  }
  return_head();
  a.held = {{{"stage/0", 3}, kProcess, 1}};
  a.join();
  network_.deliver_all();
  a.exited({"stage/0", 3}, "the disk is still full");
  network_.deliver_all();
  ASSERT_EQ(failed_.count(), 1U);
  EXPECT_NE(failed_.last().report.find("cause:  the disk is full"), std::string::npos) << failed_.last().report;
}

TEST_F(HeadReturn, KillingAnActorWhoseNodeHasNotComeBackIsRefusedInWords) {
  PlayedAgent& a = two_stages_up();
  return_head();
  test::Heard<scheduler::Ack> killed;
  a.ask(scheduler::KillActor{"stage/0"}, killed);
  network_.deliver_all();
  EXPECT_EQ(killed.count(), 0U);
  EXPECT_NE(a.refused.find("node a has not come back to this head yet"), std::string::npos) << a.refused;
}

}  // namespace
}  // namespace troupe::head_return_test
