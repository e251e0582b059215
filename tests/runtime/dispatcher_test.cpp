#include "runtime/dispatcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::runtime {
namespace {

constexpr std::chrono::seconds kTurnPatience{20};

/// Tasks as turns, in the order posted.
class Lane final : public Resumable, public std::enable_shared_from_this<Lane> {
public:
  explicit Lane(std::shared_ptr<Strand> strand) : strand_(std::move(strand)) {}

  void post(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back(std::move(task));
      if (std::exchange(awake_, true)) return;
    }
    strand_->wake(shared_from_this());
  }
  bool resume(int most) override {
    for (; most > 0; --most) {
      std::function<void()> task;
      {
        const std::lock_guard lock(mutex_);
        awake_ = !tasks_.empty();
        if (!awake_) return false;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
    return true;
  }

private:
  const std::shared_ptr<Strand> strand_;
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_
  bool awake_ = false;                       // guarded by mutex_
};

std::shared_ptr<Lane> make_lane(Dispatcher& dispatcher, Placement placement = Placement::shared) {
  return std::make_shared<Lane>(dispatcher.make_strand(placement));
}

TEST(Dispatcher, DP1_EveryoneIsResumedByOneThreadAtATimeUntilItSleeps) {
  constexpr int kLanes = 8;
  constexpr int kTasks = 2000;
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(3);
  struct Row {
    std::shared_ptr<Lane> lane;
    std::vector<int> order;  // plain on purpose: ThreadSanitizer sees two threads in it
    std::atomic<int> inside = 0;
    std::promise<void> done;
  };
  std::vector<Row> rows(kLanes);
  std::atomic<int> collisions = 0;
  for (Row& row : rows) row.lane = make_lane(*dispatcher, &row == rows.data() ? Placement::pinned : Placement::shared);
  for (int i = 0; i < kTasks; ++i) {
    for (Row& row : rows) {
      row.lane->post([&row, &collisions, i] {
        if (row.inside.fetch_add(1) != 0) ++collisions;
        row.order.push_back(i);
        row.inside.fetch_sub(1);
        if (i == kTasks - 1) row.done.set_value();
      });
    }
  }
  for (Row& row : rows) ASSERT_EQ(row.done.get_future().wait_for(kTurnPatience), std::future_status::ready);
  dispatcher->stop();
  EXPECT_EQ(collisions.load(), 0);
  for (const Row& row : rows) {
    ASSERT_EQ(row.order.size(), static_cast<std::size_t>(kTasks));
    EXPECT_TRUE(std::is_sorted(row.order.begin(), row.order.end()));
  }
}

TEST(Dispatcher, DP2_APinnedStrandHasAThreadOfItsOwn) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(2);
  std::vector<std::shared_ptr<Lane>> lanes;
  std::vector<std::set<std::thread::id>> threads(3);
  std::vector<std::promise<void>> done(threads.size());
  for (std::size_t i = 0; i < threads.size(); ++i) {
    lanes.push_back(make_lane(*dispatcher, Placement::pinned));
    for (int task = 0; task < 200; ++task) {
      lanes[i]->post([&threads, i] { threads[i].insert(std::this_thread::get_id()); });
    }
    lanes[i]->post([&done, i] { done[i].set_value(); });
  }
  for (std::promise<void>& each : done) {
    ASSERT_EQ(each.get_future().wait_for(kTurnPatience), std::future_status::ready);
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

TEST(Dispatcher, DP2_ThreadsOfPinnedStrandsThatAreGoneAreGone) {
  const auto count_threads = [] {
    std::error_code ignored;
    return std::distance(std::filesystem::directory_iterator("/proc/self/task", ignored), {});
  };
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(1);
  const auto before = count_threads();
  for (int i = 0; i < 50; ++i) {
    std::promise<void> ran;
    make_lane(*dispatcher, Placement::pinned)->post([&ran] { ran.set_value(); });
    ASSERT_EQ(ran.get_future().wait_for(kTurnPatience), std::future_status::ready);
  }
  const auto give_up = std::chrono::steady_clock::now() + kTurnPatience;
  while (count_threads() > before && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_LE(count_threads(), before);
  dispatcher->stop();
}

TEST(Dispatcher, DP3_WhoAlwaysHasWorkLeavesTurnsToOthers) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(1);
  const std::shared_ptr<Lane> greedy = make_lane(*dispatcher);
  const std::shared_ptr<Lane> modest = make_lane(*dispatcher);
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

TEST(Dispatcher, DP3_WhoIsWokenFromOutsideWaitsForOneRound) {
  constexpr int kRounds = 20;
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(1);
  const std::shared_ptr<Lane> outside = make_lane(*dispatcher);
  // The one worker's alone, until `done`.
  int turns = 0;
  int woken_at = 0;
  std::vector<int> waited;
  bool is_waiting = false;
  std::promise<void> done;
  const auto wake_outside = [&] {
    is_waiting = true;
    woken_at = turns;
    std::thread([&] {
      outside->post([&] {
        is_waiting = false;
        waited.push_back(turns - woken_at);
        if (waited.size() == kRounds) done.set_value();
      });
    }).join();
  };
  std::vector<std::shared_ptr<Lane>> busy;
  std::vector<std::function<void()>> again(2);
  for (std::function<void()>& task : again) {
    busy.push_back(make_lane(*dispatcher));
    task = [&, lane = busy.back().get()] {
      if (waited.size() == kRounds) return;
      if (++turns % 500 == 0 && !is_waiting) wake_outside();
      lane->post(task);
    };
    for (int i = 0; i < 100; ++i) busy.back()->post(task);
  }
  ASSERT_EQ(done.get_future().wait_for(kTurnPatience), std::future_status::ready);
  dispatcher->stop();
  EXPECT_LE(*std::max_element(waited.begin(), waited.end()), 3 * 64) << "turns of others";
}

TEST(Dispatcher, DP3_NobodyWaitsBehindALongTurnWhileAWorkerIsIdle) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(2);
  for (int round = 0; round < 20; ++round) {
    const std::shared_ptr<Lane> busy = make_lane(*dispatcher);
    const std::shared_ptr<Lane> waiting = make_lane(*dispatcher);
    std::promise<void> helped;
    std::promise<bool> outcome;
    busy->post([&] {  // woken here, `waiting` is behind this turn
      waiting->post([&helped] { helped.set_value(); });
      outcome.set_value(helped.get_future().wait_for(kTurnPatience) == std::future_status::ready);
    });
    ASSERT_TRUE(outcome.get_future().get());
  }
  dispatcher->stop();
}

TEST(Dispatcher, DP3_ManyWhoWaitAreSharedOut) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(2);
  constexpr int kLanes = 200;
  std::vector<std::shared_ptr<Lane>> lanes;
  for (int i = 0; i < kLanes; ++i) lanes.push_back(make_lane(*dispatcher));
  std::atomic<int> left = kLanes;
  std::promise<void> done;
  const std::shared_ptr<Lane> first = make_lane(*dispatcher);
  first->post([&] {
    for (const auto& lane : lanes) {
      lane->post([&] {
        (void)std::promise<void>().get_future().wait_for(std::chrono::microseconds(100));
        if (left.fetch_sub(1) == 1) done.set_value();
      });
    }
  });
  EXPECT_EQ(done.get_future().wait_for(kTurnPatience), std::future_status::ready);
  dispatcher->stop();
}

TEST(Dispatcher, StopEndsAlthoughATaskPostsItselfForEver) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(1);
  std::vector<std::shared_ptr<Lane>> lanes;
  std::vector<std::function<void()>> again(2);
  for (const Placement placement : {Placement::shared, Placement::pinned}) {
    lanes.push_back(make_lane(*dispatcher, placement));
    std::function<void()>& task = again[static_cast<std::size_t>(placement)];
    task = [lane = lanes.back().get(), &task] { lane->post(task); };
    lanes.back()->post(task);
  }
  dispatcher->stop();
  dispatcher->stop();
}

TEST(Dispatcher, WhoIsWokenAfterTheStopIsLetGo) {
  const std::unique_ptr<Dispatcher> dispatcher = make_threaded_dispatcher(1);
  const std::shared_ptr<Lane> shared = make_lane(*dispatcher);
  const std::shared_ptr<Lane> pinned = make_lane(*dispatcher, Placement::pinned);
  dispatcher->stop();
  int ran = 0;
  shared->post([&ran] { ++ran; });
  pinned->post([&ran] { ++ran; });
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(shared.use_count(), 1) << "let go, not kept";
  EXPECT_EQ(pinned.use_count(), 1);
}

}  // namespace
}  // namespace troupe::runtime
