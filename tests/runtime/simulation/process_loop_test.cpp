#include "runtime/simulation/process_loop.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime::simulation {
namespace {

TEST(ProcessLoop, SL1_NothingHappensInOneThatIsPausedOrDead) {
  EventQueue events{Random(1)};
  const auto loop = std::make_shared<ProcessLoop>(events, Random(2), 0);
  const TimePoint begin = events.now();
  std::vector<Duration> ran;
  loop->pause(std::chrono::milliseconds(10));
  (void)loop->add_timer(loop->now() + std::chrono::milliseconds(1), [&] { ran.push_back(events.now() - begin); });
  while (events.run_next(begin + std::chrono::milliseconds(100))) {
  }
  ASSERT_EQ(ran.size(), 1U);
  EXPECT_GE(ran[0], std::chrono::milliseconds(10));
  (void)loop->add_timer(loop->now() + std::chrono::milliseconds(1), [&] { ran.emplace_back(); });
  loop->die();
  while (events.run_next(events.now() + std::chrono::milliseconds(100))) {
  }
  EXPECT_EQ(ran.size(), 1U);
}

TEST(ProcessLoop, SL2_TimersGoByAClockWithARateOfItsOwn) {
  EventQueue events{Random(1)};
  const auto loop = std::make_shared<ProcessLoop>(events, Random(2), 50'000);  // 5 % fast
  const TimePoint begin = events.now();
  Duration ran{};
  (void)loop->add_timer(loop->now() + std::chrono::milliseconds(105), [&] { ran = events.now() - begin; });
  while (events.run_next(begin + std::chrono::seconds(1))) {
  }
  EXPECT_GE(ran, std::chrono::milliseconds(100));
  EXPECT_LT(ran, std::chrono::milliseconds(105)) << "true time";
}

}  // namespace
}  // namespace troupe::runtime::simulation
