#include "runtime/job_protocol.hpp"
#include "scheduler/head_actor.hpp"
#include "scheduler/member_actor.hpp"
#include "tests/support/one_thread_world.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// Two processes that live have lost their link: from MemberActor, which hears of it, over HeadActor, which decides, to
/// the agent, which kills.
namespace troupe::lost_link_test {
namespace {

using runtime::ActorId;
using runtime::Context;
using runtime::Failure;
using runtime::FailureKind;
using runtime::Node;
using scheduler::KillProcess;
using scheduler::PeerLost;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::hears;
using test::ScriptedActor;

constexpr std::uint32_t kTerm = 3;  // of the head

/// What one actor sends another, and must not be waited for in vain.
struct Activation {
  static constexpr std::string_view kName = "test.activation";
  template <class Archive>
  void serialize(Archive&) {}
};

/// A job of two actors: head and members as they are; agent, actors and driver are played.
class LostLink : public testing::Test {
protected:
  LostLink() {
    EXPECT_TRUE(head_node_.start());
    EXPECT_TRUE(head_node_.spawn("driver", std::make_unique<ScriptedActor>(runtime::Behavior{
                                               hears<runtime::AllUp>(all_up_), hears<runtime::ActorLost>(lost_)})));
    EXPECT_TRUE(head_node_.spawn("head", std::make_unique<scheduler::HeadActor>(spec(), events_, log_)));
    EXPECT_TRUE(agent_node_.start());
    agent_node_.announce({{"head", 1}, "memory://head"});
    const auto start = [this](const scheduler::SpawnActor& order, Context& context) {
      context.reply(runtime::Ack{});
      start_worker(order.actor);
    };
    EXPECT_TRUE(
        agent_node_.spawn("node/n", std::make_unique<ScriptedActor>(runtime::Behavior{
                                        hears<scheduler::SpawnActor>(spawns_, start), hears<KillProcess>(kills_)})));
    EXPECT_TRUE(agent_node_.request<scheduler::Registered>(
        "head", scheduler::RegisterNode{"n", {{"node/n", 1}, agent_node_.endpoint()}, 0, {}, {}}, seconds(1)));
  }
  ~LostLink() override {
    for (auto& [name, node] : workers_) node->shutdown(seconds(1));
  }

  static scheduler::JobSpec spec() {
    scheduler::JobSpec spec;
    spec.actors = {"a", "b"};
    spec.driver = "driver";
    spec.term = kTerm;
    return spec;
  }

  void start_worker(const ActorId& actor) {
    const std::string name = actor.name + std::to_string(actor.incarnation);
    auto& node = workers_[name] = std::make_unique<Node>(runtime::NodeOptions{.name = name}, world_.parts(name));
    EXPECT_TRUE(node->start());
    node->announce({{"head", 1}, "memory://head"});
    EXPECT_TRUE(node->spawn_later(actor.name,
                                  std::make_unique<ScriptedActor>(runtime::Behavior{hears<Activation>(activations_)}),
                                  {.incarnation = actor.incarnation}));
    const std::string member = scheduler::member_name(actor.name);
    EXPECT_TRUE(node->spawn_later(member, std::make_unique<scheduler::MemberActor>(actor, kTerm, [](const Failure&) {}),
                                  {.incarnation = actor.incarnation}));
    const auto say_ready = [actor, member, endpoint = node->endpoint()](Context& context) {
      const scheduler::WorkerReady ready{{actor, endpoint}, {{member, actor.incarnation}, endpoint}, 1, kTerm};
      context.request<runtime::Ack>({"head", 0}, ready, seconds(5),
                                    [](const runtime::Result<runtime::Ack>&, Context&) {});
    };
    EXPECT_TRUE(node->spawn_later("root", std::make_unique<ScriptedActor>(runtime::Behavior{}, say_ready)));
  }

  /// Time passes while the node beats.
  void advance(milliseconds time) {
    constexpr milliseconds kBeat{200};
    for (; time > milliseconds(0); time -= kBeat) {
      EXPECT_TRUE(agent_node_.send("head", scheduler::NodeHeartbeat{"n"}));
      deliver();
      world_.advance(std::min(time, kBeat));
      deliver();
    }
  }
  /// What is held arrives, and what follows from it.
  void deliver() {
    while (world_.network.release_next()) {
    }
  }
  void report(const ActorId& reporter, const ActorId& peer) {
    EXPECT_TRUE(agent_node_.send("head", PeerLost{reporter, peer, {FailureKind::disconnected, "silence"}}));
  }
  void exited(const ActorId& actor) {
    EXPECT_TRUE(agent_node_.send(
        "head", scheduler::ActorExited{actor, {FailureKind::faulted, "killed by signal 9 (SIGKILL)"}, 1, kTerm}));
  }
  [[nodiscard]] std::size_t recorded(const std::string& event) const {
    std::size_t count = 0;
    for (const std::string& line : test::read_lines(folder_.path() / "events.jsonl")) {
      if (line.find('"' + event + '"') != std::string::npos) ++count;
    }
    return count;
  }

  const test::TemporaryFolder folder_;
  const runtime::SteadyClock clock_{};
  scheduler::EventLog events_{folder_.path() / "events.jsonl", clock_};
  scheduler::HeadLog log_{folder_.path() / "head.log"};
  test::Heard<runtime::AllUp> all_up_;
  test::Heard<runtime::ActorLost> lost_;
  test::Heard<scheduler::SpawnActor> spawns_;
  test::Heard<KillProcess> kills_;
  test::Heard<Activation> activations_;
  test::OneThreadWorld world_;
  std::map<std::string, std::unique_ptr<Node>> workers_;
  Node head_node_{{.name = "head"}, world_.parts("head")};
  Node agent_node_{{.name = "agent"}, world_.parts("agent")};
};

TEST_F(LostLink, HD6_OneOfTwoThatLostEachOtherIsStartedAgain) {
  ASSERT_EQ(all_up_.count(), 1U);
  world_.network.hold();
  ASSERT_TRUE(workers_.at("a1")->send("b", Activation{}));
  world_.network.cut("memory://a1", "memory://b1");  // both ends hear, and both report
  deliver();
  EXPECT_EQ(activations_.count(), 0U) << "it is gone, and nobody will send it again";
  EXPECT_EQ(kills_.count(), 0U) << "a hint first: one that died is reported by its agent";
  advance(seconds(2));
  ASSERT_EQ(kills_.count(), 1U) << "one of the two, once";
  const ActorId killed = kills_.last().actor;
  EXPECT_EQ(killed, (ActorId{"b", 1})) << "a's report was the first";
  EXPECT_EQ(recorded("link_lost"), 1U);
  exited(killed);
  advance(seconds(1));
  ASSERT_EQ(spawns_.count(), 3U);
  EXPECT_EQ(spawns_.last().actor, (ActorId{"b", 2}));
  EXPECT_EQ(lost_.count(), 1U);
  ASSERT_EQ(all_up_.count(), 2U) << "the job is whole again";
  ASSERT_TRUE(workers_.at("a1")->send("b", Activation{}));
  deliver();
  EXPECT_EQ(activations_.count(), 1U);
}

TEST_F(LostLink, HD6_OfTwoReportsTheFirstOneIsBelieved) {
  report({"b", 1}, {"a", 1});
  report({"a", 1}, {"b", 1});
  report({"b", 1}, {"a", 1});
  advance(seconds(3));
  ASSERT_EQ(kills_.count(), 1U);
  EXPECT_EQ(kills_.last().actor, (ActorId{"a", 1}));
  exited({"a", 1});
  advance(seconds(1));
  ASSERT_EQ(spawns_.last().actor, (ActorId{"a", 2}));
  // Late reports of, and from, the incarnation that is dead.
  report({"b", 1}, {"a", 1});
  report({"a", 1}, {"b", 1});
  advance(seconds(3));
  EXPECT_EQ(kills_.count(), 1U);
  report({"a", 2}, {"b", 1});
  advance(seconds(3));
  ASSERT_EQ(kills_.count(), 2U) << "a new loss is a new case";
  EXPECT_EQ(kills_.last().actor, (ActorId{"b", 1}));
}

TEST_F(LostLink, WhoDiedIsReportedByItsAgentAndNotKilledAgain) {
  report({"a", 1}, {"b", 1});
  exited({"b", 1});
  advance(seconds(3));
  EXPECT_EQ(kills_.count(), 0U);
  ASSERT_EQ(lost_.count(), 1U);
  EXPECT_EQ(lost_.last().cause.text, "killed by signal 9 (SIGKILL)") << "the true cause";
  EXPECT_EQ(recorded("link_lost"), 0U);
  EXPECT_EQ(recorded("actor_restart"), 1U);
}

TEST_F(LostLink, WhoseReporterDiesIsLeftAlone) {
  report({"a", 1}, {"b", 1});
  exited({"a", 1});
  advance(seconds(3));
  EXPECT_EQ(kills_.count(), 0U);
  report({"a", 2}, {"b", 1});
  advance(seconds(3));
  EXPECT_EQ(kills_.count(), 1U) << "but not for ever";
}

TEST_F(LostLink, ReportsOfStrangersAreNotHeard) {
  report({"nobody", 1}, {"b", 1});
  report({"a", 1}, {"nobody", 1});
  report({"a", 2}, {"b", 1});
  report({"a", 1}, {"b", 2});
  report({"a", 1}, {"head", 1});
  advance(seconds(3));
  EXPECT_EQ(kills_.count(), 0U);
}

}  // namespace
}  // namespace troupe::lost_link_test
