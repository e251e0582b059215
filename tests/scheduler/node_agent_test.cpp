#include "scheduler/node_agent.hpp"

#include "runtime/observe/status_page.hpp"
#include "scheduler/worker_input.hpp"
#include "tests/scheduler/real_agent.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace troupe::node_agent_test {
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
using scheduler::RecordEvent;
using scheduler::RegisterNode;
using scheduler::SpawnActor;
using scheduler::StopAll;
using test::Heard;
using test::hears;
using test::ScriptedActor;

using test::is_there;

class NodeAgent : public test::RealAgent {};

// ---- what the head hears --------------------------------------------------------------------------------------------

TEST_F(NodeAgent, NA1_TheHeadHearsEveryEndOnceWithExitStatusOrSignal) {
  start_agent();
  const std::map<std::string, std::string> expected = {
      {"exit/0#1", "exited with status 0"},           {"exit/42#1", "exited with status 42"},
      {"signal/9#1", "killed by signal 9 (SIGKILL)"}, {"signal/11#1", "killed by signal 11 (SIGSEGV)"},
      {"signal/6#1", "killed by signal 6 (SIGABRT)"}, {"long/1#3", "killed by signal 9 (SIGKILL)"}};
  for (const char* name : {"exit/0", "exit/42", "signal/9", "signal/11", "signal/6"}) ASSERT_TRUE(spawn({name, 1}));
  const pid_t pid = runs({"long/1", 3});
  ASSERT_TRUE(exits_.wait_for(5));
  kill(pid, SIGKILL);  // by somebody else
  ASSERT_TRUE(exits_.wait_for(expected.size()));
  EXPECT_TRUE(exits_.stays_at(expected.size(), 100ms));
  EXPECT_EQ(causes(), expected);
  EXPECT_EQ(exits_.last().process, pid);
  EXPECT_EQ(exits_.last().term, 3U) << "of the head that had it started";
  EXPECT_EQ(sweeps_, 6);
}

TEST_F(NodeAgent, NA1_OfManyThatEndTogetherEachIsHeardOnce) {
  constexpr std::uint32_t kMany = 25;
  start_agent();
  for (std::uint32_t i = 1; i <= kMany; ++i) ASSERT_TRUE(spawn({"signal/9", i}));
  ASSERT_TRUE(exits_.wait_for(kMany));
  EXPECT_TRUE(exits_.stays_at(kMany, 100ms));
  EXPECT_EQ(causes().size(), kMany);
}

TEST_F(NodeAgent, NA1_WithTheTextOfTheExceptionThatEndedTheActor) {
  start_agent();
  const auto leave_words = [this](const ActorId& actor, pid_t process, const std::string& words) {
    runtime::Snapshot last;
    last.actor = actor;
    last.process = process;
    last.status = runtime::ActorStatus::failed;
    last.failure = words;
    runtime::StatusPage::open(folder_.path() / "actors", actor).value()->publish(last);
  };
  const pid_t speaks = runs({"long/1", 2});
  leave_words({"long/1", 1}, speaks, "of the incarnation before");
  leave_words({"long/1", 2}, speaks, "the loss is not a number");
  kill(speaks, SIGKILL);
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().cause.text, "the loss is not a number (killed by signal 9 (SIGKILL))");
  leave_words({"exit/70", 3}, speaks, "of an earlier run in the same folder");
  ASSERT_TRUE(spawn({"exit/70", 3}));
  ASSERT_TRUE(exits_.wait_for(2));
  EXPECT_EQ(exits_.last().cause.text, "exited with status 70") << "it left no words";
}

/// The page of a process whose actor is in a turn that began long ago.
void publish_endless_turn(const std::filesystem::path& folder, const ActorId& actor, pid_t process) {
  runtime::Snapshot page;
  page.actor = actor;
  page.process = process;
  page.busy_since_ns = 1;
  page.updated_ns = 1;
  runtime::StatusPage::open(folder / "actors", actor).value()->publish(page);
}

TEST_F(NodeAgent, NA4_AHungActorAndAStoppedOneAreKilledAndTheHeadHearsWhy) {
  start_agent();
  const pid_t hangs = runs({"long/1", 1});
  const pid_t stops = runs({"long/2", 1});
  const pid_t waits = runs({"long/3", 1});
  publish_endless_turn(folder_.path(), {"long/1", 1}, hangs);
  publish_endless_turn(folder_.path(), {"long/2", 1}, stops);
  kill(stops, SIGSTOP);
  ASSERT_TRUE(exits_.wait_for(2));
  const std::string cause = causes().at("long/1#1");
  EXPECT_TRUE(cause.starts_with("hang: no progress for")) << cause;
  EXPECT_TRUE(cause.ends_with("(killed by signal 9 (SIGKILL))")) << cause;
  EXPECT_TRUE(causes().at("long/2#1").starts_with("stopped: a signal has stopped")) << causes().at("long/2#1");
  EXPECT_TRUE(is_there(waits));
}

TEST_F(NodeAgent, NA5_EveryEndLeavesAPostMortemAndAnEvent) {
  start_agent();
  ASSERT_TRUE(spawn({"signal/11", 3}));
  ASSERT_TRUE(events_.wait_for(1));
  EXPECT_EQ(events_.last().event, "post_mortem");
  EXPECT_EQ(events_.last().fields, R"({"actor":"signal/11","incarnation":3,"file":"post-mortem/signal_11#3.json"})");
  const std::string file = test::read_all(folder_.path() / "post-mortem" / "signal_11#3.json");
  EXPECT_NE(file.find("killed by signal 11 (SIGSEGV)"), std::string::npos) << file;
  runs({"long/1", 1});
  ASSERT_TRUE(head_.request<Ack>("node/n", StopAll{}, test::kPatience));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "post-mortem" / "long_1#1.json")) << "the job's own end";
}

TEST_F(NodeAgent, WhatCannotBeStartedIsARefusalAndNoEnd) {
  start_agent();
  std::filesystem::remove(folder_.path() / "worker");
  const auto answer = spawn({"stage/0", 1});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.failure().text,
            "node n: cannot start " + (folder_.path() / "worker").string() + ": No such file or directory");
  EXPECT_TRUE(exits_.stays_at(0, 100ms));
}

TEST_F(NodeAgent, GivesTheWorkerItsInput) {
  start_agent();
  ASSERT_TRUE(spawn({"reads/it", 4}));
  ASSERT_TRUE(exits_.wait_for(1));
  const auto said = test::read_all(folder_.path() / "logs" / "reads_it.log");
  const auto input = scheduler::parse_worker_input(said.substr(said.find('\n')));
  EXPECT_EQ(input.actor, (ActorId{"reads/it", 4}));
  EXPECT_EQ(input.job, 7U);
  EXPECT_EQ(input.head_endpoint, head_.endpoint());
  EXPECT_EQ(input.head_incarnation, 6U);
  EXPECT_EQ(input.listen, "ipc:///somewhere");
  EXPECT_EQ(input.job_text, "the job");
}

TEST_F(NodeAgent, NI1_AnAgentThatStartsALittleLaterHasAHigherIncarnation) {
  using Time = std::chrono::system_clock::time_point;
  for (const std::chrono::seconds at : {1'800'000'000s, 2'100'000'000s}) {  // 2027, 2036
    for (auto later = 0ms; later < 3s; later += 1ms) {
      const Time start = Time{at} + later;
      EXPECT_LT(scheduler::node_incarnation(start),
                scheduler::node_incarnation(start + scheduler::kNodeIncarnationTick));
    }
  }
  EXPECT_LT(scheduler::node_incarnation(Time{1'800'000'000s}), scheduler::node_incarnation(Time{2'100'000'000s}));
}

// ---- ending ---------------------------------------------------------------------------------------------------------

TEST_F(NodeAgent, KillsTheNamedIncarnationAlone) {
  start_agent();
  const pid_t pid = runs({"long/1", 2});
  ASSERT_TRUE(head_.send("node/n", KillProcess{{"long/1", 1}}));
  ASSERT_TRUE(spawn({"exit/1", 1}));  // handled after it
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_TRUE(is_there(pid));
  ASSERT_TRUE(head_.send("node/n", KillProcess{{"long/1", 2}}));
  ASSERT_TRUE(exits_.wait_for(2));
  EXPECT_EQ(causes().at("long/1#2"), "killed by signal 9 (SIGKILL)");
}

TEST_F(NodeAgent, StopAllIsAnsweredWhenTheLastProcessIsGone) {
  grace_ = 200ms;
  start_agent();
  EXPECT_TRUE(head_.request<Ack>("node/n", StopAll{}, test::kPatience)) << "nothing runs";
  const std::vector<pid_t> pids = {runs({"long/1", 1}), runs({"stubborn/1", 1})};
  EXPECT_TRUE(head_.request<Ack>("node/n", StopAll{}, test::kPatience));
  for (const pid_t pid : pids) EXPECT_FALSE(is_there(pid));
  ASSERT_TRUE(exits_.wait_for(2));
  EXPECT_EQ(causes().at("long/1#1"), "killed by signal 15 (SIGTERM)");
  EXPECT_EQ(causes().at("stubborn/1#1"), "killed by signal 9 (SIGKILL)");
}

TEST_F(NodeAgent, TheGraceOfOneEndDoesNotReachWhatIsStartedAfterIt) {
  grace_ = 300ms;
  start_agent();
  runs({"long/1", 1});
  ASSERT_TRUE(head_.request<Ack>("node/n", StopAll{}, test::kPatience));
  const pid_t next = runs({"long/2", 1});
  ASSERT_TRUE(beats_.wait_for(beats_.count() + 12)) << "two graces";
  EXPECT_TRUE(is_there(next));
}

}  // namespace
}  // namespace troupe::node_agent_test
