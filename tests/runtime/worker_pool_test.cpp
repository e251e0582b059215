#include "runtime/worker_pool.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>

namespace troupe::runtime {
namespace {

constexpr std::chrono::seconds kHelpPatience{20};

class OneTurn final : public Resumable {
public:
  explicit OneTurn(std::function<void()> turn) : turn_(std::move(turn)) {}
  bool resume(int) override {
    turn_();
    return false;
  }

private:
  const std::function<void()> turn_;
};

std::shared_ptr<Resumable> turn(std::function<void()> work) {
  return std::make_shared<OneTurn>(std::move(work));
}

TEST(WorkerPool, WP2_WhoWaitsBehindABusyWorkerIsTakenOver) {
  WorkerPool pool(2);
  std::array<std::promise<std::thread::id>, 3> helped;  // fewer than would be shared out at once
  std::promise<std::thread::id> busy;
  pool.wake(turn([&] {
    for (auto& each : helped) pool.wake(turn([&each] { each.set_value(std::this_thread::get_id()); }));
    bool all = true;
    for (auto& each : helped) all = each.get_future().wait_for(kHelpPatience) == std::future_status::ready && all;
    EXPECT_TRUE(all);
    busy.set_value(std::this_thread::get_id());
  }));
  ASSERT_EQ(busy.get_future().wait_for(kHelpPatience * 4), std::future_status::ready);
  pool.stop();
}

TEST(WorkerPool, WP2_NoWorkerStaysIdleWhileTurnsWaitBehindLongOnes) {
  constexpr int kTurns = 3;
  WorkerPool pool(kTurns);
  std::atomic<int> inside = 0;
  std::promise<void> all_run_at_once;
  std::shared_future<void> go = all_run_at_once.get_future().share();
  std::atomic<int> met = 0;
  std::promise<void> done;
  const auto long_turn = [&] {
    if (inside.fetch_add(1) + 1 == kTurns) all_run_at_once.set_value();
    if (go.wait_for(kHelpPatience) == std::future_status::ready) ++met;
    if (inside.fetch_add(100) > 100 * (kTurns - 1)) done.set_value();
  };
  pool.wake(turn([&] {
    for (int i = 1; i < kTurns; ++i) pool.wake(turn(long_turn));  // two behind this one
    long_turn();
  }));
  ASSERT_EQ(done.get_future().wait_for(kHelpPatience * 2), std::future_status::ready);
  pool.stop();
  EXPECT_EQ(met.load(), kTurns) << "each turn had a worker";
}

TEST(WorkerPool, ThoseWhoWakeEachOtherStayOnOneThread) {
  WorkerPool pool(2);
  constexpr int kExchanges = 2000;
  std::promise<void> done;
  int left = kExchanges;
  std::thread::id last;
  int moves = 0;
  std::function<void()> next = [&] {
    moves += std::exchange(last, std::this_thread::get_id()) == std::this_thread::get_id() ? 0 : 1;
    if (--left == 0) return done.set_value();
    pool.wake(turn([&next] { next(); }));
  };
  pool.wake(turn([&next] { next(); }));
  ASSERT_EQ(done.get_future().wait_for(kHelpPatience), std::future_status::ready);
  pool.stop();
  EXPECT_LT(moves, kExchanges / 10) << "another worker helps a stuck one, and no other";
}

TEST(WorkerPool, WP1_WhatWaitsAtTheStopIsRun) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(1);
    std::promise<void> go;
    std::shared_future<void> may_go = go.get_future().share();
    pool.wake(turn([may_go] { may_go.wait(); }));
    for (int i = 0; i < 10; ++i) pool.wake(turn([&ran] { ++ran; }));
    go.set_value();
    pool.stop();
  }
  EXPECT_EQ(ran.load(), 10);
}

TEST(WorkerPool, WP1_WhoIsWokenByManyThreadsBeforeTheStopIsResumedAndNobodyIsKept) {
  constexpr int kRounds = 200;
  constexpr int kThreads = 3;
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<int> ran = 0;
    std::vector<std::shared_ptr<Resumable>> turns;
    for (int i = 0; i < kThreads * 10; ++i) turns.push_back(turn([&ran] { ++ran; }));
    WorkerPool pool(2);
    std::vector<std::thread> wakers;
    for (int thread = 0; thread < kThreads; ++thread) {
      wakers.emplace_back([&pool, &turns, thread] {
        for (int i = 0; i < 10; ++i) pool.wake(turns[static_cast<std::size_t>(thread * 10 + i)]);
      });
    }
    const bool stops_meanwhile = round % 2 == 1;
    if (stops_meanwhile) pool.stop();
    for (std::thread& waker : wakers) waker.join();
    pool.stop();
    ASSERT_TRUE(stops_meanwhile || ran.load() == kThreads * 10) << ran.load();
    for (const auto& each : turns) ASSERT_EQ(each.use_count(), 1);
  }
}

/// Says on which thread it ran.
struct Where {
  std::promise<std::thread::id> ran;
  std::shared_ptr<Resumable> turn = std::make_shared<OneTurn>([this] { ran.set_value(std::this_thread::get_id()); });
  [[nodiscard]] bool is_here() { return ran.get_future().get() == std::this_thread::get_id(); }
};

TEST(WorkerPool, WP3_TheFirstThatTheHostWakesWaitsForItUntilThereIsAnother) {
  WorkerPool pool(1);
  std::array<Where, 5> who;
  pool.begin();
  std::thread([&] { pool.wake(who[0].turn); }).join();
  EXPECT_FALSE(who[0].is_here()) << "woken by somebody else";
  EXPECT_FALSE(pool.has_guest());
  pool.wake(who[1].turn);
  ASSERT_TRUE(pool.has_guest());
  pool.resume(pool.take_guest());
  EXPECT_TRUE(who[1].is_here());
  pool.begin();
  pool.wake(who[2].turn);
  pool.wake(who[3].turn);
  EXPECT_FALSE(pool.has_guest());
  EXPECT_FALSE(who[2].is_here());
  EXPECT_FALSE(who[3].is_here());
  pool.wake(who[4].turn);
  EXPECT_FALSE(who[4].is_here()) << "the host is one no longer";
  pool.stop();
}

TEST(WorkerPool, WP3_AGuestWithMoreToDoOrThatIsNotWantedGoesToAWorker) {
  class TwoTurns final : public Resumable {
  public:
    bool resume(int) override {
      if (++turns_ == 1) return true;
      second.set_value(std::this_thread::get_id());
      return false;
    }
    std::promise<std::thread::id> second;

  private:
    int turns_ = 0;
  };
  WorkerPool pool(1);
  const auto busy = std::make_shared<TwoTurns>();
  pool.begin();
  pool.wake(busy);
  pool.resume(pool.take_guest());
  EXPECT_NE(busy->second.get_future().get(), std::this_thread::get_id());
  Where unwanted;
  pool.begin();
  pool.wake(unwanted.turn);
  pool.end();
  EXPECT_FALSE(unwanted.is_here());
  pool.stop();
}

TEST(WorkerPool, WP4_WhoseTurnWasLongIsNoGuestTheNextTime) {
  WorkerPool pool(1);
  int turns = 0;
  std::promise<std::thread::id> second;
  const std::shared_ptr<Resumable> slow = turn([&] {
    if (++turns == 2) return second.set_value(std::this_thread::get_id());
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
  });
  pool.begin();
  pool.wake(slow);
  ASSERT_TRUE(pool.has_guest());
  pool.resume(pool.take_guest());
  pool.begin();
  pool.wake(slow);
  EXPECT_FALSE(pool.has_guest());
  EXPECT_NE(second.get_future().get(), std::this_thread::get_id());
  pool.stop();
}

}  // namespace
}  // namespace troupe::runtime
