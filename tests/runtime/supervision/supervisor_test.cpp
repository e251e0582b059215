#include "runtime/supervision/supervisor.hpp"

#include "tests/runtime/script.hpp"

#include <algorithm>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Texts = std::vector<std::string>;

/// Writes down its starts and its ends; dies of a Number, stops at an Ask.
class Worker final : public Actor {
public:
  Worker(Texts& log, std::string name) : log_(log), name_(std::move(name)) {}
  Behavior behavior() override { return {on(this, &Worker::die), on(this, &Worker::leave)}; }
  void on_start(Context& context) override { log_.push_back("+" + context.self().describe()); }
  void on_stop(Context& context) override { log_.push_back("-" + context.self().describe()); }

private:
  void die(const Number& number, Context&) { throw std::runtime_error("number " + std::to_string(number.value)); }
  void leave(const Ask&, Context& context) {
    context.reply(Answer{});
    context.stop();
  }

  Texts& log_;
  const std::string name_;
};

/// A supervisor of workers a, b and c, and what happens to them.
struct Family {
  Texts log;
  DeterministicNetwork network;
  DeterministicNode& node = network.add_node("node");

  [[nodiscard]] SupervisorSpec spec(RestartScope scope, Restart restart = Restart::permanent) {
    SupervisorSpec made;
    made.scope = scope;
    made.jitter = 0;
    made.limits.max_restarts = 3;
    made.limits.window = seconds(10);
    made.limits.backoff = {Duration{0}, milliseconds(100)};
    for (const char* name : {"a", "b", "c"}) {
      made.children.push_back({name, [this, name] { return std::make_unique<Worker>(log, name); }, restart});
    }
    return made;
  }
  void start(const SupervisorSpec& wanted) {
    node.spawn<Supervisor>("boss", wanted);
    network.run_turns();
    EXPECT_EQ(log, (Texts{"+a#1", "+b#1", "+c#1"}));
    log.clear();
  }
  void kill(const std::string& name) {
    ASSERT_TRUE(node.node().send(name, Number{7}));
    network.run_turns();
    network.advance(Duration{0});  // a delay of nothing is a timer too
  }
  [[nodiscard]] bool lives(const std::string& name) { return static_cast<bool>(node.node().send(name, Stray{})); }
};

TEST(Supervisor, SV1_OneForOneStartsTheOneThatFailed) {
  Family family;
  family.start(family.spec(RestartScope::one_for_one));
  family.kill("b");
  EXPECT_EQ(family.log, Texts{"+b#2"});
}

TEST(Supervisor, SV1_OneForAllStopsTheOthersLastFirstAndStartsAll) {
  Family family;
  family.start(family.spec(RestartScope::one_for_all));
  family.kill("b");
  EXPECT_EQ(family.log, (Texts{"-c#1", "-a#1", "+a#2", "+b#2", "+c#2"}));
}

TEST(Supervisor, SV1_RestForOneStopsAndStartsThoseBehindIt) {
  Family family;
  family.start(family.spec(RestartScope::rest_for_one));
  family.kill("b");
  EXPECT_EQ(family.log, (Texts{"-c#1", "+b#2", "+c#2"}));
}

TEST(Supervisor, SV1_ASecondFailureWaitsForTheDelay) {
  Family family;
  family.start(family.spec(RestartScope::one_for_one));
  family.kill("a");
  family.log.clear();
  family.kill("a");
  EXPECT_EQ(family.log, Texts{});
  family.network.advance(milliseconds(99));
  EXPECT_EQ(family.log, Texts{});
  family.network.advance(milliseconds(1));
  EXPECT_EQ(family.log, Texts{"+a#3"});
}

TEST(Supervisor, SV1_WhoFailsWhileOthersWaitIsStartedWithThem) {
  Family family;
  family.start(family.spec(RestartScope::one_for_one));
  family.kill("a");
  family.log.clear();
  family.kill("a");
  family.kill("c");
  family.network.advance(milliseconds(100));
  EXPECT_EQ(family.log, (Texts{"+a#3", "+c#2"}));
}

TEST(Supervisor, SV2_BeyondItsLimitsItFailsWithTheLastCauseAndItsChildrenStop) {
  Family family;
  family.start(family.spec(RestartScope::one_for_one));
  for (int failure = 1; failure <= 3; ++failure) {
    family.kill("a");
    family.network.advance(milliseconds(100));
  }
  family.log.clear();
  family.kill("a");
  const Snapshot boss = family.node.snapshot_of("boss");
  EXPECT_EQ(boss.status, ActorStatus::failed);
  EXPECT_EQ(
      boss.failure,
      "gave up on a#4: 4 failures within 10 s, 3 restarts allowed: giving up; last: number 7 (in test.number) (in "
      "runtime.actor_down)");
  EXPECT_EQ(family.log, (Texts{"-c#1", "-b#1"})) << "SV-3";
  EXPECT_FALSE(family.lives("b"));
}

TEST(Supervisor, SV2_ItsOwnSupervisorBeginsAnew) {
  Family family;
  SupervisorSpec top;
  top.jitter = 0;
  SupervisorSpec below = family.spec(RestartScope::one_for_one);
  below.limits.max_restarts = 0;
  top.children.push_back({"boss", [below] { return std::make_unique<Supervisor>(below); }});
  family.node.spawn<Supervisor>("top", top);
  family.network.run_turns();
  family.log.clear();
  family.kill("b");
  family.network.advance(Duration{0});
  EXPECT_EQ(family.node.snapshot_of("boss").actor.incarnation, 2U);
  std::sort(family.log.begin(), family.log.end());
  EXPECT_EQ(family.log, (Texts{"+a#2", "+b#2", "+c#2", "-a#1", "-c#1"}));
}

TEST(Supervisor, SV3_AStoppedSupervisorStopsItsChildrenLastFirst) {
  Family family;
  family.start(family.spec(RestartScope::one_for_one));
  ASSERT_TRUE(family.node.stop("boss"));
  family.network.run_turns();
  EXPECT_EQ(family.log, (Texts{"-c#1", "-b#1", "-a#1"}));
  family.network.advance(seconds(10));
  EXPECT_EQ(family.log.size(), 3U) << "nobody comes back";
}

TEST(Supervisor, SV4_WhoIsNotToComeBackStaysDown) {
  for (const Restart restart : {Restart::temporary, Restart::transient, Restart::permanent}) {
    Family family;
    family.start(family.spec(RestartScope::one_for_all, restart));
    ASSERT_TRUE(family.node.request<Answer>("b", Ask{}));  // leaves in good order
    family.network.run_turns();
    family.network.advance(Duration{0});
    EXPECT_EQ(family.lives("b"), restart == Restart::permanent);
    EXPECT_EQ(family.log.size(), restart == Restart::permanent ? 6U : 1U);
  }
  Family family;
  family.start(family.spec(RestartScope::one_for_one, Restart::temporary));
  for (const char* name : {"a", "b", "c"}) family.kill(name);
  EXPECT_EQ(family.log, Texts{});
  EXPECT_EQ(family.node.snapshot_of("boss").status, ActorStatus::running);
}

TEST(Supervisor, ANameThatIsTakenIsAFailureInWords) {
  Family family;
  family.node.spawn<Worker>("b", family.log, "b");
  const Result<ActorId> boss =
      family.node.try_spawn("boss", std::make_unique<Supervisor>(family.spec(RestartScope::one_for_one)), 1);
  ASSERT_FALSE(boss);
  EXPECT_NE(boss.failure().text.find("cannot start b: there is already an actor named b"), std::string::npos)
      << boss.failure().text;
  family.network.run_turns();
  EXPECT_FALSE(family.lives("a")) << "who was started before it is stopped";
}

}  // namespace
}  // namespace troupe::runtime
