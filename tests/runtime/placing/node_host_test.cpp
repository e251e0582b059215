#include "runtime/placing/node_host.hpp"

#include "tests/runtime/placing/placing_job.hpp"

namespace troupe::runtime {
namespace {

using std::chrono::seconds;
using HostTexts = std::vector<std::string>;

std::string ask_start(DeterministicNode& node, const StartActor& start) {
  const auto started = node.request<StartedActor>("host/a", start);
  return started ? started->actor.describe() : started.failure().describe();
}

TEST(NodeHost, NH1_AStartIsAnsweredWhenItIsUpOrWithWhyNot) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  EXPECT_EQ(ask_start(a, {{"w/x", 1}, "worker", {}}), "w/x#1");
  EXPECT_EQ(job.take_log(), HostTexts{"+w/x#1@a"});
  EXPECT_EQ(ask_start(a, {{"w/x", 2}, "worker", {}}), "unknown: there is already an actor named w/x on node a");
  EXPECT_EQ(ask_start(a, {{"w/y", 1}, "broken", {}}), "faulted: did not start: no such device (in on_start)");
  EXPECT_EQ(ask_start(a, {{"w/y", 1}, "sized", {}}),
            "unknown: class sized: arguments are to be a test.number, and are nothing");
  EXPECT_EQ(ask_start(a, {{"w/y", 1}, "workre", {}}),
            "unknown: no class named workre here (did you mean worker?); there are: broken, sized, unmade, worker");
  EXPECT_EQ(ask_start(a, {{"w/y", 1}, "worker", {}}), "w/y#2") << "the first has been";
  EXPECT_EQ(ask_start(a, {{"", 1}, "worker", {}}), "unknown: an actor's name has 1 to 200 letters");
}

TEST(NodeHost, NH1_AFactoryThatThrowsIsAnAnswerAndTheOthersLiveOn) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  EXPECT_EQ(ask_start(a, {{"w/x", 1}, "worker", {}}), "w/x#1");
  EXPECT_EQ(ask_start(a, {{"w/y", 1}, "unmade", {}}), "faulted: class unmade: no room (while it was made)");
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), HostTexts{"+w/x#1@a"}) << "nothing has ended";
  EXPECT_EQ(ask_start(a, {{"w/y", 1}, "worker", {}}), "w/y#1");
}

TEST(NodeHost, NH2_AStopIsAnsweredWhenTheActorIsGone) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  EXPECT_EQ(ask_start(a, {{"w/x", 1}, "worker", {}}), "w/x#1");
  job.take_log();
  EXPECT_TRUE(a.request<Ack>("host/a", StopHosted{{"w/other", 1}}));
  EXPECT_TRUE(a.request<Ack>("host/a", StopHosted{{"w/x", 7}})) << "of another incarnation: not here";
  EXPECT_EQ(job.take_log(), HostTexts{});
  EXPECT_TRUE(a.request<Ack>("host/a", StopHosted{{"w/x", 1}}));
  EXPECT_EQ(job.take_log(), HostTexts{"-w/x#1@a"});
}

TEST(NodeHost, NH3_AfterTheLossOfItsPlacerItEndsAllAndJoinsAnew) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  job.take_log();
  (void)job.head.stop(kPlacerName);
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), HostTexts{"-w/x#1@a"});
  EXPECT_EQ(ask_start(a, {{"w/y", 1}, "worker", {}}), "disconnected: node a has no placer");
  (void)job.head.try_spawn(std::string(kPlacerName), std::make_unique<Placer>(1), 2).value();
  job.network.deliver_all();
  for (int i = 0; i < 3; ++i) {
    job.network.advance(seconds(5));
    job.network.deliver_all();
  }
  job.take_outcomes();
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  EXPECT_EQ(job.take_outcomes(), HostTexts{"w/x: w/x#2"});
}

TEST(NodeHost, NH3_APlacerThatHasGivenTheNodeUpSaysSo) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  job.act(a, "main", job.placing_worker("w/x", "cpu=1"));
  job.take_log();
  ASSERT_TRUE(a.node().send("host/a", GivenUp{}));
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), HostTexts{"-w/x#1@a"});
  job.network.advance(seconds(1));
  job.network.deliver_all();
  EXPECT_EQ(ask_start(a, {{"w/y", 1}, "worker", {}}), "w/y#1");
}

TEST(NodeHost, NH4_ItsEndIsTheEndOfWhatItStarted) {
  PlacingJob job;
  DeterministicNode& a = job.add("a", "cpu=1");
  EXPECT_EQ(ask_start(a, {{"w/x", 1}, "worker", {}}), "w/x#1");
  job.take_log();
  (void)a.stop("host/a");
  job.network.deliver_all();
  EXPECT_EQ(job.take_log(), HostTexts{"-w/x#1@a"});
}

}  // namespace
}  // namespace troupe::runtime
