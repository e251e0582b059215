#include "scheduler/node_agent.hpp"

#include "runtime/node.hpp"
#include "runtime/observe/status_page.hpp"
#include "runtime/transport/memory_transport.hpp"
#include "scheduler/worker_input.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
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

/// The workers of these tests: what one does is its actor's name. Each writes its pid, and what it reads, to its log.
constexpr const char* kWorker = R"(#!/bin/sh
echo $$
case "$2" in
  exit/*) exit "${2#exit/}" ;;
  signal/*) kill -"${2#signal/}" $$ ;;
  reads/*) cat ;;
  stubborn/*) trap '' TERM; echo ready; while :; do sleep 0.02; done ;;
  *) exec sleep 1000 ;;
esac
)";

/// Makes the scripted head refuse the registration that waits.
struct Refuse {
  static constexpr std::string_view kName = "test.refuse";
  template <class Archive>
  void serialize(Archive&) {}
};

bool is_there(pid_t pid) {
  return kill(pid, 0) == 0;
}

/// A real agent with real processes; the head is scripted.
class NodeAgent : public testing::Test {
protected:
  NodeAgent() {
    const auto worker = folder_.write("worker", kWorker);
    std::filesystem::permissions(worker, std::filesystem::perms::owner_all);
    std::filesystem::create_directories(folder_.path() / "logs");
    std::filesystem::create_directories(folder_.path() / "actors");
    EXPECT_TRUE(head_.start());
    EXPECT_TRUE(place_.start());
    const auto welcome = [this](const RegisterNode& message, Context& context) {
      for (const pid_t pid : pids_) EXPECT_FALSE(is_there(pid)) << "NA-3: it registers and holds process " << pid;
      head_.announce(message.agent);
      if (welcomes_ == Welcomes::at_once) context.reply(registered_);
      if (welcomes_ == Welcomes::later) waiting_ = context.defer_reply();
    };
    const auto refuse = [this](const Refuse&, Context& context) {
      welcomes_ = Welcomes::at_once;
      context.fail_to(waiting_, {runtime::FailureKind::overloaded, "too many"});
    };
    EXPECT_TRUE(head_.spawn(
        "head", std::make_unique<ScriptedActor>(runtime::Behavior{
                    hears<RegisterNode>(registrations_, welcome), hears<ActorExited>(exits_),
                    hears<NodeHeartbeat>(beats_), hears<Refuse>(refusals_, refuse), hears<RecordEvent>(events_)})));
    place_.announce({{"head", 1}, head_.endpoint()});
  }

  void start_agent() {
    scheduler::NodeAgentOptions options;
    options.node = "n";
    options.slots = 5;
    options.program = folder_.path() / "worker";
    options.listen = "ipc:///somewhere";
    options.grace = grace_;
    options.hangs = {.floor = 200ms, .first = 400ms, .stopped = 300ms, .every = 20ms};
    ASSERT_TRUE(place_.spawn("node/n", std::make_unique<scheduler::NodeAgent>(options, place_, [this] { sweep(); })));
    ASSERT_TRUE(registrations_.wait_for(1));
  }

  void sweep() {
    ++sweeps_;
    newest_was_there_ = is_there(newest_);
  }
  [[nodiscard]] SpawnActor order(const ActorId& actor) const {
    return {actor, 7, 3, head_.endpoint(), folder_.path().string(), "the job"};
  }
  Result<Ack> spawn(const ActorId& actor) { return head_.request<Ack>("node/n", order(actor), test::kPatience); }
  /// The pid of an actor's process that has written `lines` lines.
  pid_t pid_of(const std::string& log, std::size_t lines = 1) const {
    std::vector<std::string> said;
    while (said.size() < lines) {
      std::this_thread::yield();
      said = test::read_lines(folder_.path() / "logs" / (log + ".log"));
    }
    return std::stoi(said.at(0));
  }
  /// Starts an actor that runs until it is ended.
  pid_t runs(const ActorId& actor) {
    EXPECT_TRUE(spawn(actor));
    std::string log = actor.name;
    std::replace(log.begin(), log.end(), '/', '_');
    pids_.push_back(pid_of(log, actor.name.starts_with("stubborn") ? 2 : 1));
    newest_ = pids_.back();
    return newest_;
  }
  [[nodiscard]] std::map<std::string, std::string> causes() const {
    std::map<std::string, std::string> causes;
    for (const ActorExited& exit : exits_.all()) causes[exit.actor.describe()] = exit.cause.text;
    return causes;
  }

  const test::TemporaryFolder folder_;
  runtime::Duration grace_ = test::kPatience;
  scheduler::Registered registered_{1, 7, 20};
  enum class Welcomes { at_once, later } welcomes_ = Welcomes::at_once;
  runtime::ReplyTo waiting_;  // the registration that is not answered yet
  std::vector<pid_t> pids_;   // started before a registration
  std::atomic<int> sweeps_ = 0;
  std::atomic<pid_t> newest_ = 0;               // of the processes of runs()
  std::atomic<bool> newest_was_there_ = false;  // at the last sweep
  Heard<RegisterNode> registrations_;
  Heard<ActorExited> exits_;
  Heard<NodeHeartbeat> beats_;
  Heard<Refuse> refusals_;
  Heard<RecordEvent> events_;
  runtime::MemoryNetwork network_;
  Node head_{{.name = "head"}, runtime::make_threaded_parts(1, runtime::make_memory_transport(network_, "head"))};
  Node place_{{.name = "n"}, runtime::make_threaded_parts(1, runtime::make_memory_transport(network_, "n"))};
};

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
  EXPECT_EQ(input.listen, "ipc:///somewhere");
  EXPECT_EQ(input.job_text, "the job");
}

// ---- without a head -------------------------------------------------------------------------------------------------

TEST_F(NodeAgent, NA2_AHeadThatIsGoneEndsEveryProcess) {
  start_agent();
  const pid_t one = runs({"long/1", 1});
  const pid_t other = runs({"long/2", 1});
  EXPECT_TRUE(is_there(one) && is_there(other));
  network_.cut("memory://head", "memory://n");
  ASSERT_TRUE(registrations_.wait_for(2));
  EXPECT_FALSE(is_there(one) || is_there(other));
  EXPECT_EQ(causes(), (std::map<std::string, std::string>{{"long/1#1", "killed by signal 15 (SIGTERM)"},
                                                          {"long/2#1", "killed by signal 15 (SIGTERM)"}}));
}

TEST_F(NodeAgent, NA2_AProcessThatIgnoresItIsKilledAfterTheGrace) {
  grace_ = 200ms;
  start_agent();
  const pid_t stubborn = runs({"stubborn/1", 1});
  network_.cut("memory://head", "memory://n");
  ASSERT_TRUE(registrations_.wait_for(2));
  EXPECT_FALSE(is_there(stubborn));
  EXPECT_EQ(exits_.last().cause.text, "killed by signal 9 (SIGKILL)");
}

TEST_F(NodeAgent, NA2_WhatWasPlacedWhileTheRegistrationFailedEnds) {
  welcomes_ = Welcomes::later;  // the head has heard and places an actor, and only its answer is lost
  start_agent();
  const pid_t pid = runs({"long/1", 1});
  ASSERT_TRUE(head_.send("head", Refuse{}));
  ASSERT_TRUE(registrations_.wait_for(2));
  EXPECT_FALSE(is_there(pid));
  EXPECT_EQ(exits_.last().cause.text, "killed by signal 15 (SIGTERM)");
}

TEST_F(NodeAgent, NA2_AnAgentThatEndsTakesItsProcessesAlong) {
  start_agent();
  const std::vector<pid_t> pids = {runs({"long/1", 1}), runs({"stubborn/1", 1})};
  ASSERT_TRUE(place_.stop("node/n", test::kPatience));
  for (const pid_t pid : pids) EXPECT_FALSE(is_there(pid));
  EXPECT_EQ(sweeps_, 1) << "what they have left goes too";
  EXPECT_FALSE(newest_was_there_) << "only what the dead have left can be swept";
}

// ---- joining --------------------------------------------------------------------------------------------------------

TEST_F(NodeAgent, NA3_RegistersWhenTheLastProcessIsGoneAndStartsNoneMeanwhile) {
  start_agent();
  const pid_t stubborn = runs({"stubborn/1", 1});
  runs({"long/1", 1});
  network_.cut("memory://head", "memory://n");
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().actor.name, "long/1");
  EXPECT_TRUE(registrations_.stays_at(1, 800ms)) << "it holds a process";
  const auto refused = spawn({"long/2", 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().text, "node n has left the head and will join again");
  kill(stubborn, SIGKILL);
  ASSERT_TRUE(registrations_.wait_for(2));
  EXPECT_FALSE(is_there(stubborn));
  EXPECT_EQ(exits_.count(), 2U);
}

TEST_F(NodeAgent, NA3_ANodeTheHeadHasGivenUpEndsWhatItRunsAndJoinsAgain) {
  start_agent();
  ASSERT_TRUE(beats_.wait_for(1));
  const pid_t before = runs({"long/1", 1});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(head_.send("node/n", scheduler::JoinAgain{}));  // one for each beat
  ASSERT_TRUE(registrations_.wait_for(2));
  EXPECT_FALSE(is_there(before));
  const std::size_t beats = beats_.count();
  ASSERT_TRUE(beats_.wait_for(beats + 3)) << "it has joined and beats";
  pids_.clear();
  const pid_t after = runs({"long/2", 1});
  EXPECT_TRUE(beats_.wait_for(beats_.count() + 12)) << "longer than a registration takes";
  EXPECT_TRUE(is_there(after));
  EXPECT_EQ(registrations_.count(), 2U);
  EXPECT_EQ(registrations_.last().node, "n");
  EXPECT_EQ(registrations_.last().slots, 5U);
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
