#include "scheduler/node_agent.hpp"

#include "tests/scheduler/real_agent.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace troupe::agent_return_test {
namespace {

using namespace std::chrono_literals;
using runtime::ActorId;
using runtime::Context;
using runtime::Node;
using runtime::Result;
using scheduler::Ack;
using scheduler::ActorExited;
using scheduler::KillProcess;
using scheduler::NodeHeartbeat;
using scheduler::RegisterNode;
using scheduler::SpawnActor;
using scheduler::StopAll;
using test::Heard;
using test::hears;
using test::ScriptedActor;

using test::is_there;
using test::Refuse;

/// The same agent, when it has lost its head.
class AgentReturn : public test::RealAgent {};

// ---- without a head -------------------------------------------------------------------------------------------------

TEST_F(AgentReturn, NA2_AHeadThatStaysAwayLongerThanTheLeaseEndsEveryProcess) {
  lease_ = 300ms;
  start_agent();
  const pid_t one = runs({"long/1", 1});
  const pid_t other = runs({"long/2", 1});
  ASSERT_TRUE(head_.stop("head", test::kPatience));  // which is an end in good order, and no loss
  while (is_there(one) || is_there(other)) std::this_thread::yield();
}

TEST_F(AgentReturn, NA2_WhileNobodyAnswersTheLeaseRunsOut) {
  lease_ = 400ms;
  start_agent();
  const pid_t pid = runs({"long/1", 1});
  welcomes_ = Welcomes::later;  // the head that is asked says nothing
  network_.cut("memory://head", "memory://n");
  ASSERT_TRUE(registrations_.wait_for(2));
  EXPECT_TRUE(is_there(pid)) << "it waits for a head to come back";
  EXPECT_EQ(registrations_.last().held.at(0).process, pid);
  while (is_there(pid)) std::this_thread::yield();
}

TEST_F(AgentReturn, NA2_AProcessThatIgnoresItIsKilledAfterTheGrace) {
  grace_ = 200ms;
  lease_ = 100ms;
  start_agent();
  const pid_t stubborn = runs({"stubborn/1", 1});
  welcomes_ = Welcomes::later;
  network_.cut("memory://head", "memory://n");
  while (is_there(stubborn)) std::this_thread::yield();
  welcomes_ = Welcomes::at_once;
  ASSERT_TRUE(head_.send("head", Refuse{}));
  ASSERT_TRUE(registrations_.wait_for(3));
  ASSERT_EQ(registrations_.last().ended.size(), 1U) << "nobody has heard of it yet";
  EXPECT_EQ(registrations_.last().ended[0].cause.text, "killed by signal 9 (SIGKILL)");
}

TEST_F(AgentReturn, NA3_WhatWasPlacedWhileTheRegistrationFailedIsOffered) {
  welcomes_ = Welcomes::later;  // the head has heard and places an actor, and only its answer is lost
  start_agent();
  const pid_t pid = runs({"long/1", 1});
  ASSERT_TRUE(head_.send("head", Refuse{}));
  ASSERT_TRUE(registrations_.wait_for(2));
  ASSERT_EQ(registrations_.last().held.size(), 1U);
  EXPECT_EQ(registrations_.last().held[0].actor, (ActorId{"long/1", 1}));
  ASSERT_TRUE(beats_.wait_for(3)) << "it has joined";
  EXPECT_TRUE(is_there(pid)) << "and it was adopted";
}

TEST_F(AgentReturn, NA2_AnAgentThatEndsTakesItsProcessesAlong) {
  start_agent();
  const std::vector<pid_t> pids = {runs({"long/1", 1}), runs({"stubborn/1", 1})};
  ASSERT_TRUE(place_.stop("node/n", test::kPatience));
  for (const pid_t pid : pids) EXPECT_FALSE(is_there(pid));
  EXPECT_EQ(sweeps_, 1) << "what they have left goes too";
  EXPECT_FALSE(newest_was_there_) << "only what the dead have left can be swept";
}

// ---- joining --------------------------------------------------------------------------------------------------------

TEST_F(AgentReturn, NA3_WhatTheHeadAdoptsRunsOnAfterALostLink) {
  start_agent();
  const pid_t one = runs({"long/1", 4});
  const pid_t other = runs({"stubborn/1", 1});
  network_.cut("memory://head", "memory://n");
  ASSERT_TRUE(registrations_.wait_for(2));
  const auto held = registrations_.last().held;
  ASSERT_EQ(held.size(), 2U);
  for (const auto& each : held) {
    EXPECT_EQ(each.term, 3U);
    EXPECT_EQ(each.process, each.actor.name == "long/1" ? one : other);
    EXPECT_EQ(each.actor.incarnation, each.actor.name == "long/1" ? 4U : 1U);
  }
  const std::size_t beats = beats_.count();
  ASSERT_TRUE(beats_.wait_for(beats + 3)) << "it has joined and beats";
  EXPECT_TRUE(is_there(one) && is_there(other));
  EXPECT_EQ(exits_.count(), 0U);
  const pid_t after = runs({"long/2", 1});
  EXPECT_TRUE(is_there(after)) << "it takes orders again";
}

TEST_F(AgentReturn, NA3_WhatTheHeadDoesNotAdoptIsKilled) {
  start_agent();
  const pid_t stubborn = runs({"stubborn/1", 1});
  adopts_ = Adopts::none;
  network_.cut("memory://head", "memory://n");
  ASSERT_TRUE(registrations_.wait_for(2));
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().cause.text, "killed by signal 9 (SIGKILL)");
  EXPECT_FALSE(is_there(stubborn));
}

TEST_F(AgentReturn, NA3_WhatEndedMeanwhileIsToldWithTheRegistrationOnce) {
  start_agent();
  const pid_t pid = runs({"long/1", 1});
  welcomes_ = Welcomes::later;
  network_.cut("memory://head", "memory://n");
  ASSERT_TRUE(registrations_.wait_for(2));
  kill(pid, SIGKILL);
  while (is_there(pid)) std::this_thread::yield();
  welcomes_ = Welcomes::at_once;
  ASSERT_TRUE(head_.send("head", Refuse{}));
  ASSERT_TRUE(registrations_.wait_for(3));
  const RegisterNode third = registrations_.last();
  ASSERT_EQ(third.ended.size(), 1U);
  EXPECT_EQ(third.ended[0].actor, (ActorId{"long/1", 1}));
  EXPECT_EQ(third.ended[0].process, pid);
  EXPECT_EQ(third.ended[0].cause.text, "killed by signal 9 (SIGKILL)");
  EXPECT_TRUE(third.held.empty());
  ASSERT_TRUE(beats_.wait_for(beats_.count() + 1));
  network_.cut("memory://head", "memory://n");
  ASSERT_TRUE(registrations_.wait_for(4));
  EXPECT_TRUE(registrations_.last().ended.empty());
  EXPECT_EQ(exits_.count(), 0U);
}

TEST_F(AgentReturn, NA3_ANodeTheHeadHasGivenUpOffersWhatItRunsAndJoinsAgain) {
  start_agent();
  ASSERT_TRUE(beats_.wait_for(1));
  const pid_t before = runs({"long/1", 1});
  adopts_ = Adopts::none;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(head_.send("node/n", scheduler::JoinAgain{}));  // one for each beat
  ASSERT_TRUE(registrations_.wait_for(2));
  ASSERT_TRUE(exits_.wait_for(1)) << "it was placed elsewhere meanwhile";
  EXPECT_FALSE(is_there(before));
  const std::size_t beats = beats_.count();
  ASSERT_TRUE(beats_.wait_for(beats + 3)) << "it has joined and beats";
  pids_.clear();
  const pid_t after = runs({"long/2", 1});
  EXPECT_TRUE(beats_.wait_for(beats_.count() + 12)) << "longer than a registration takes";
  EXPECT_TRUE(is_there(after));
  EXPECT_GE(registrations_.count(), 2U);
  EXPECT_EQ(registrations_.last().node, "n");
  EXPECT_EQ(registrations_.last().slots, 5U);
}

}  // namespace
}  // namespace troupe::agent_return_test
