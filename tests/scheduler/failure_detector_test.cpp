#include "scheduler/failure_detector.hpp"

#include <gtest/gtest.h>

namespace troupe::scheduler {
namespace {

using namespace std::chrono_literals;
using runtime::TimePoint;

const TimePoint kStart = TimePoint{} + 1h;

TEST(FailureDetector, FD1_DeadOnlyAfterSoLongWithoutABeat) {
  FailureDetector detector(100ms, 300ms);
  EXPECT_EQ(detector.health("a", kStart), Health::dead) << "never heard of";
  detector.heard_from("a", kStart);
  EXPECT_EQ(detector.health("a", kStart), Health::alive);
  EXPECT_EQ(detector.health("a", kStart + 100ms - 1ns), Health::alive);
  EXPECT_EQ(detector.health("a", kStart + 100ms), Health::suspected);
  EXPECT_EQ(detector.health("a", kStart + 300ms - 1ns), Health::suspected);
  EXPECT_EQ(detector.health("a", kStart + 300ms), Health::dead);
  detector.heard_from("a", kStart + 299ms);
  EXPECT_EQ(detector.health("a", kStart + 300ms), Health::alive) << "a beat clears the suspicion";
}

TEST(FailureDetector, FD1_ListsTheDeadAndForgets) {
  FailureDetector detector(100ms, 300ms);
  detector.heard_from("a", kStart);
  detector.heard_from("b", kStart + 200ms);
  detector.heard_from("c", kStart);
  EXPECT_TRUE(detector.dead(kStart + 299ms).empty());
  EXPECT_EQ(detector.dead(kStart + 300ms), (std::vector<std::string>{"a", "c"}));
  detector.forget("a");
  EXPECT_EQ(detector.dead(kStart + 300ms), (std::vector<std::string>{"c"}));
  EXPECT_EQ(detector.dead(kStart + 500ms), (std::vector<std::string>{"b", "c"}));
}

TEST(FailureDetector, FD2_ThePauseOfTheObserverCountsForNobody) {
  FailureDetector detector(100ms, 300ms);
  detector.heard_from("a", kStart);
  detector.heard_from("b", kStart + 50ms);
  const TimePoint after = kStart + 50ms + 10s;  // stopped right after b's beat
  EXPECT_EQ(detector.dead(after).size(), 2U);
  detector.observe_pause(10s);
  EXPECT_TRUE(detector.dead(after).empty());
  EXPECT_EQ(detector.health("a", after), Health::alive);
  EXPECT_EQ(detector.health("a", after + 50ms), Health::suspected);
  EXPECT_EQ(detector.health("a", after + 250ms), Health::dead) << "the deadline moved by the pause and no more";
  EXPECT_EQ(detector.health("b", after + 250ms), Health::suspected);
}

}  // namespace
}  // namespace troupe::scheduler
