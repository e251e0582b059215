#include "runtime/dispatcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <set>
#include <thread>
#include <vector>

namespace troupe::runtime {
namespace {

constexpr std::chrono::seconds kTurnPatience{20};

TEST(Dispatcher, DP1_TasksOfAStrandRunOneAtATimeInOrder) {
  constexpr int kStrands = 8;
  constexpr int kTasks = 2000;
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(3);
  struct Lane {
    std::unique_ptr<Strand> strand;
    std::vector<int> order;  // plain on purpose: ThreadSanitizer sees two tasks in it
    std::atomic<int> inside = 0;
  };
  std::vector<Lane> lanes(kStrands);
  std::atomic<int> collisions = 0;
  for (Lane& lane : lanes) {
    lane.strand = dispatcher->make_strand(&lane == lanes.data() ? Placement::pinned : Placement::shared);
  }
  for (int i = 0; i < kTasks; ++i) {
    for (Lane& lane : lanes) {
      lane.strand->post([&lane, &collisions, i] {
        if (lane.inside.fetch_add(1) != 0) ++collisions;
        lane.order.push_back(i);
        lane.inside.fetch_sub(1);
      });
    }
  }
  dispatcher->stop();  // runs what was posted
  EXPECT_EQ(collisions.load(), 0);
  for (const Lane& lane : lanes) {
    ASSERT_EQ(lane.order.size(), static_cast<std::size_t>(kTasks));
    EXPECT_TRUE(std::is_sorted(lane.order.begin(), lane.order.end()));
  }
}

TEST(Dispatcher, DP2_APinnedStrandHasAThreadOfItsOwn) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(2);
  std::vector<std::unique_ptr<Strand>> strands;
  std::vector<std::set<std::thread::id>> threads(3);
  for (std::size_t i = 0; i < threads.size(); ++i) {
    strands.push_back(dispatcher->make_strand(Placement::pinned));
    for (int task = 0; task < 200; ++task) {
      strands[i]->post([&threads, i] { threads[i].insert(std::this_thread::get_id()); });
    }
  }
  dispatcher->stop();
  std::set<std::thread::id> all;
  for (const auto& own : threads) {
    EXPECT_EQ(own.size(), 1U);
    all.insert(own.begin(), own.end());
  }
  EXPECT_EQ(all.size(), threads.size());
  EXPECT_FALSE(all.contains(std::this_thread::get_id()));
}

TEST(Dispatcher, AStrandThatAlwaysHasWorkLeavesTurnsToOthers) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(1);
  const std::unique_ptr<Strand> greedy = dispatcher->make_strand(Placement::shared);
  const std::unique_ptr<Strand> modest = dispatcher->make_strand(Placement::shared);
  std::promise<void> got_a_turn;
  std::atomic<bool> go_on = true;
  const std::function<void()> again = [&] {
    if (go_on) greedy->post(again);
  };
  greedy->post(again);
  modest->post([&got_a_turn] { got_a_turn.set_value(); });
  EXPECT_EQ(got_a_turn.get_future().wait_for(kTurnPatience), std::future_status::ready);
  go_on = false;
  dispatcher->stop();
}

TEST(Dispatcher, StopEndsAlthoughATaskPostsItselfForEver) {
  struct Loop {
    std::unique_ptr<Strand> strand;
    void post_again() {
      strand->post([this] { post_again(); });
    }
  };
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(1);
  Loop shared{dispatcher->make_strand(Placement::shared)};
  Loop pinned{dispatcher->make_strand(Placement::pinned)};
  shared.post_again();
  pinned.post_again();
  dispatcher->stop();
  dispatcher->stop();
}

TEST(Dispatcher, TasksPostedAfterTheStopAreDropped) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(1);
  const std::unique_ptr<Strand> shared = dispatcher->make_strand(Placement::shared);
  const std::unique_ptr<Strand> pinned = dispatcher->make_strand(Placement::pinned);
  dispatcher->stop();
  const auto witness = std::make_shared<int>(0);
  shared->post([witness] { ++*witness; });
  pinned->post([witness] { ++*witness; });
  EXPECT_EQ(*witness, 0);
  EXPECT_EQ(witness.use_count(), 1) << "dropped, not kept";
}

}  // namespace
}  // namespace troupe::runtime
