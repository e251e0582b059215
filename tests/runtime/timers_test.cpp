#include "runtime/dispatcher.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

namespace troupe::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
constexpr std::chrono::seconds kTimerPatience{20};

TimePoint now() {
  return SteadyClock().now();
}

TEST(Timers, TQ1_TasksRunWhenDueInOrder) {
  const std::unique_ptr<Timers> timers = make_threaded_timers();
  const TimePoint start = now();
  std::vector<int> order;  // the timers' thread only, until `done`
  std::atomic<int> early = 0;
  std::promise<void> done;
  const auto task = [&](int number, milliseconds delay) {
    timers->run_at(start + delay, [&, number, delay] {
      if (now() < start + delay) ++early;
      order.push_back(number);
      if (number == 6) done.set_value();
    });
  };
  task(6, milliseconds(30));
  task(3, milliseconds(20));
  task(4, milliseconds(20));
  task(5, milliseconds(20));
  task(2, milliseconds(10));  // becomes the first while the thread waits for another
  task(1, milliseconds(-5));
  ASSERT_EQ(done.get_future().wait_for(kTimerPatience), std::future_status::ready);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(early.load(), 0);
}

TEST(Timers, TQ2_ACancelledTaskDoesNotRun) {
  const std::unique_ptr<Timers> timers = make_threaded_timers();
  const TimePoint start = now();
  std::atomic<int> ran = 0;
  std::promise<void> done;
  const std::uint64_t second = timers->run_at(start + milliseconds(10), [&ran] { ++ran; });
  timers->run_at(start + milliseconds(5), [&] { timers->cancel(second); });
  const std::uint64_t third = timers->run_at(start + milliseconds(6), [&ran] { ++ran; });
  timers->cancel(third);
  timers->cancel(third);
  timers->cancel(987654);
  timers->run_at(start + milliseconds(15), [&done] { done.set_value(); });
  ASSERT_EQ(done.get_future().wait_for(kTimerPatience), std::future_status::ready);
  EXPECT_EQ(ran.load(), 0);
}

TEST(Timers, TQ2_HoldsWhileOthersAddAndCancel) {
  const std::unique_ptr<Timers> timers = make_threaded_timers();
  std::atomic<int> ran = 0;
  std::atomic<int> cancelled_ran = 0;
  constexpr int kEach = 1000;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int task = 0; task < kEach; ++task) {
        timers->run_at(now(), [&ran] { ++ran; });
        timers->cancel(timers->run_at(now() + hours(1), [&cancelled_ran] { ++cancelled_ran; }));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::promise<void> done;
  timers->run_at(now(), [&done] { done.set_value(); });
  ASSERT_EQ(done.get_future().wait_for(kTimerPatience), std::future_status::ready);
  EXPECT_EQ(ran.load(), 3 * kEach) << "due earlier, so run earlier";
  EXPECT_EQ(cancelled_ran.load(), 0);
}

TEST(Timers, StopDropsWhatIsNotDue) {
  const std::unique_ptr<Timers> timers = make_threaded_timers();
  const auto witness = std::make_shared<int>(0);
  timers->run_at(now() + hours(1), [witness] { ++*witness; });
  timers->stop();
  timers->run_at(now(), [witness] { ++*witness; });
  timers->stop();
  EXPECT_EQ(*witness, 0);
  EXPECT_EQ(witness.use_count(), 1);
}

TEST(Timers, ATaskMayAddAnother) {
  const std::unique_ptr<Timers> timers = make_threaded_timers();
  std::promise<void> done;
  timers->run_at(now(), [&] { timers->run_at(now(), [&done] { done.set_value(); }); });
  EXPECT_EQ(done.get_future().wait_for(kTimerPatience), std::future_status::ready);
}

}  // namespace
}  // namespace troupe::runtime
