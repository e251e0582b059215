#include "runtime/node.hpp"

#include "runtime/observe/status_page.hpp"
#include "tests/runtime/script.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <atomic>
#include <future>
#include <thread>

namespace troupe::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A node with threads, as a program has it.
struct ThreadedNode {
  MemoryNetwork network;
  Node node;

  explicit ThreadedNode(NodeOptions options = {})
      : node(std::move(options), make_threaded_parts(2, make_memory_transport(network, "node"))) {
    (void)node.start().value();
  }
};

TEST(Node, ND1_SpawnReturnsWhenTheActorIsReady) {
  ThreadedNode threaded;
  std::atomic<bool> ready = false;
  HookedActor::Hooks hooks;
  hooks.start = [&ready](Context&) {
    std::promise<void> never;
    (void)never.get_future().wait_for(milliseconds(20));
    ready = true;
  };
  const Result<ActorId> spawned = threaded.node.spawn("slow", hooked(std::move(hooks)));
  EXPECT_TRUE(ready.load());
  ASSERT_TRUE(spawned);
  EXPECT_EQ(spawned->describe(), "slow#1");
}

TEST(Node, ND1_AThrowAtTheStartIsReportedBySpawn) {
  ThreadedNode threaded;
  HookedActor::Hooks hooks;
  hooks.start = [](Context&) { throw std::runtime_error("no such file"); };
  const Result<ActorId> spawned = threaded.node.spawn("broken", hooked(std::move(hooks)));
  ASSERT_FALSE(spawned);
  EXPECT_EQ(spawned.failure().describe(), "faulted: broken#1: no such file (in on_start)");
  EXPECT_FALSE(threaded.node.send("broken", Number{}));
  SpawnOptions again;
  again.incarnation = 2;
  EXPECT_TRUE(threaded.node.spawn("broken", hooked({}), again)) << "the name is free for the next incarnation";
}

TEST(Node, ND1_AStartThatTakesTooLongIsAFailureAtTheDeadline) {
  ThreadedNode threaded;
  std::promise<void> let_go;
  HookedActor::Hooks hooks;
  hooks.start = [&let_go](Context&) { let_go.get_future().wait(); };
  SpawnOptions options;
  options.deadline = milliseconds(30);
  const Result<ActorId> spawned = threaded.node.spawn("stuck", hooked(std::move(hooks)), options);
  let_go.set_value();
  ASSERT_FALSE(spawned);
  EXPECT_EQ(spawned.failure().text, "stuck#1 did not start within its deadline");
  threaded.node.shutdown(seconds(5));
  EXPECT_EQ(threaded.node.snapshots().at(0).status, ActorStatus::stopped) << "it does not live on unowned";
}

TEST(Node, ND1_StopHandlesWhatWasSentBefore) {
  ThreadedNode threaded;
  std::atomic<int> handled = 0;
  std::atomic<int> handled_at_stop = -1;
  HookedActor::Hooks hooks;
  hooks.number = [&handled](const Number&, Context&) { ++handled; };
  hooks.stop = [&](Context&) { handled_at_stop = handled.load(); };
  ASSERT_TRUE(threaded.node.spawn("worker", hooked(std::move(hooks))));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(threaded.node.send("worker", Number{}));
  ASSERT_TRUE(threaded.node.stop("worker", seconds(10)));
  EXPECT_EQ(handled_at_stop.load(), 100);
  const Result<Done> again = threaded.node.stop("worker", seconds(1));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.failure().text, "no actor named worker");
}

TEST(Node, ND1_StopOfABusyActorSaysSoAtTheDeadline) {
  ThreadedNode threaded;
  std::promise<void> inside;
  std::promise<void> let_go;
  HookedActor::Hooks hooks;
  hooks.number = [&](const Number&, Context&) {
    inside.set_value();
    let_go.get_future().wait();
  };
  ASSERT_TRUE(threaded.node.spawn("busy", hooked(std::move(hooks))));
  ASSERT_TRUE(threaded.node.send("busy", Number{}));
  inside.get_future().wait();
  const Result<Done> stopped = threaded.node.stop("busy", milliseconds(20));
  const Snapshot seen = threaded.node.snapshots().at(0);
  let_go.set_value();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.failure().text, "busy#1 is still busy after its deadline");
  EXPECT_EQ(seen.status, ActorStatus::running) << "readable while its turn does not end";
  EXPECT_NE(seen.busy_since_ns, 0);
  EXPECT_EQ(seen.last_message, "test.number");
}

TEST(Node, NamesAreCheckedAndTakenOnce) {
  const TestFolder folder;
  NodeOptions options;
  options.status_directory = folder.path();
  ThreadedNode threaded(options);
  EXPECT_FALSE(threaded.node.spawn("", hooked({})));
  EXPECT_FALSE(threaded.node.spawn(std::string(kMaxNameBytes + 1, 'x'), hooked({})));
  ASSERT_TRUE(threaded.node.spawn("one", hooked({})));
  ASSERT_TRUE(threaded.node.send("one", Number{}));
  ASSERT_TRUE(threaded.node.stop("one", seconds(10)));
  SpawnOptions second;
  second.incarnation = 2;
  ASSERT_TRUE(threaded.node.spawn("one", hooked({}), second));
  for (const std::uint32_t incarnation : {1U, 2U, 3U}) {
    SpawnOptions taken;
    taken.incarnation = incarnation;
    EXPECT_FALSE(threaded.node.spawn("one", hooked({}), taken)) << incarnation;
  }
  const std::vector<Snapshot> pages = read_status_pages(folder.path());
  ASSERT_EQ(pages.size(), 2U) << "a refused spawn leaves no page";
  EXPECT_EQ(pages[0].status, ActorStatus::stopped) << "and touches none";
  EXPECT_EQ(pages[0].handled, 1U);
  EXPECT_EQ(pages[1].status, ActorStatus::running);
}

TEST(Node, ND5_ShutdownDoesNotHandleAMailboxToItsEnd) {
  ThreadedNode threaded;
  std::atomic<int> handled = 0;
  std::atomic<bool> stopped = false;
  HookedActor::Hooks hooks;
  hooks.number = [&handled](const Number&, Context&) {
    std::promise<void> never;
    (void)never.get_future().wait_for(milliseconds(10));
    ++handled;
  };
  hooks.stop = [&stopped](Context&) { stopped = true; };
  ASSERT_TRUE(threaded.node.spawn("slow", hooked(std::move(hooks))));
  constexpr int kWaiting = 4000;  // 40 seconds of work
  for (int i = 0; i < kWaiting; ++i) ASSERT_TRUE(threaded.node.send("slow", Number{}));
  std::future<Result<Answer>> answer =
      std::async(std::launch::async, [&threaded] { return threaded.node.request<Answer>("slow", Ask{}, hours(1)); });
  const auto begin = std::chrono::steady_clock::now();
  while (threaded.node.snapshots().at(0).queued + static_cast<std::uint32_t>(handled) < kWaiting)
    std::this_thread::yield();
  threaded.node.shutdown(milliseconds(50));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(10));
  EXPECT_LT(handled.load(), kWaiting);
  EXPECT_TRUE(stopped.load()) << "the last turn is still on_stop()";
  EXPECT_FALSE(answer.get()) << "who asked is told";
}

TEST(Node, ND5_ShutdownEndsAlthoughActorsKeepEachOtherBusy) {
  ThreadedNode threaded;
  for (const auto& [name, other] : {std::pair{"ping", "pong"}, std::pair{"pong", "ping"}}) {
    HookedActor::Hooks hooks;
    hooks.number = [other = std::string(other)](const Number& message, Context& context) {
      (void)context.send(other, message);
    };
    ASSERT_TRUE(threaded.node.spawn(name, hooked(std::move(hooks))));
  }
  ASSERT_TRUE(threaded.node.send("ping", Number{}));
  threaded.node.shutdown(seconds(20));
  threaded.node.shutdown(seconds(20));
  for (const Snapshot& actor : threaded.node.snapshots()) EXPECT_EQ(actor.status, ActorStatus::stopped);
  EXPECT_FALSE(threaded.node.spawn("late", hooked({})));
}

TEST(Node, ND5_RequestsDuringAndAfterShutdownFail) {
  for (int round = 0; round < 20; ++round) {
    ThreadedNode threaded;
    ASSERT_TRUE(threaded.node.spawn("silent", hooked(dying_of(""))));
    std::atomic<bool> go_on = true;
    std::atomic<int> asked = 0;
    std::thread asker([&] {
      while (go_on) {
        EXPECT_FALSE(threaded.node.request<Answer>("silent", Ask{}, milliseconds(1)));
        ++asked;
      }
    });
    while (asked == 0) std::this_thread::yield();
    threaded.node.shutdown(seconds(5));
    EXPECT_FALSE(threaded.node.request<Answer>("silent", Ask{}, hours(1)));
    go_on = false;
    asker.join();
  }
}

TEST(Node, SnapshotsShowTheLivingAndTheDead) {
  Script script;
  script.spawn(script.left, "living", {});
  script.spawn(script.left, "failed", dying_of("boom"));
  script.spawn(script.left, "stopped", {});
  ASSERT_TRUE(script.left.node().send("failed", Number{}));
  ASSERT_TRUE(script.left.stop("stopped"));
  script.network.run_turns();
  EXPECT_EQ(script.left.node().snapshots().size(), 3U);
  EXPECT_EQ(script.left.snapshot_of("living").status, ActorStatus::running);
  EXPECT_EQ(script.left.snapshot_of("failed").status, ActorStatus::failed);
  EXPECT_EQ(script.left.snapshot_of("failed").failure, "boom (in test.number)");
  EXPECT_EQ(script.left.snapshot_of("stopped").status, ActorStatus::stopped);
  EXPECT_EQ(script.left.snapshot_of("living").process, getpid());
}

TEST(Node, SnapshotsKeepABoundedNumberOfDead) {
  Script script;
  for (std::uint32_t i = 1; i <= 300; ++i) {
    script.spawn(script.left, "brief", {}, i);
    ASSERT_TRUE(script.left.stop("brief"));
  }
  const std::vector<Snapshot> all = script.left.node().snapshots();
  ASSERT_EQ(all.size(), 256U);
  EXPECT_EQ(all.back().actor.incarnation, 300U);
}

TEST(Node, StatusPagesAreReadableWhileATurnDoesNotEnd) {
  const TestFolder folder;
  NodeOptions options;
  options.status_directory = folder.path();
  std::promise<void> inside;  // before the node: the actor's last turn may still use them while this test leaves
  std::promise<void> let_go;
  ThreadedNode threaded(options);
  HookedActor::Hooks hooks;
  hooks.number = [&](const Number&, Context& context) {
    context.note(Phase::forward, 3, 1);
    inside.set_value();
    let_go.get_future().wait();
  };
  ASSERT_TRUE(threaded.node.spawn("stage/r0.s0", hooked(std::move(hooks))));
  ASSERT_TRUE(threaded.node.send("stage/r0.s0", Number{}));
  inside.get_future().wait();
  const std::vector<Snapshot> pages = read_status_pages(folder.path());
  let_go.set_value();
  ASSERT_EQ(pages.size(), 1U);
  EXPECT_EQ(pages[0].phase, Phase::forward);
  EXPECT_EQ(pages[0].step, 3U);
  EXPECT_NE(pages[0].busy_since_ns, 0);
}

struct OfEpoch {
  static constexpr std::string_view kName = "test.of_epoch";
  std::uint32_t epoch = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch);
  }
};

class EpochActor final : public Actor {
public:
  Behavior behavior() override { return {on(this, &EpochActor::hear)}; }

private:
  void hear(const OfEpoch&, Context&) {}
};

TEST(Node, ASnapshotHasTheHighestEpochThatItHasHandled) {
  Script script;
  ASSERT_TRUE(script.left.node().spawn_later("member", std::make_unique<EpochActor>()));
  script.network.run_turns();
  EXPECT_EQ(script.left.snapshot_of("member").epoch, 0U);
  for (const std::uint32_t epoch : {1U, 3U, 2U}) ASSERT_TRUE(script.left.node().send("member", OfEpoch{epoch}));
  script.network.run_turns();
  EXPECT_EQ(script.left.snapshot_of("member").epoch, 3U);
}

}  // namespace
}  // namespace troupe::runtime
