#include "scheduler/hang_detector.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace troupe::scheduler {
namespace {

using namespace std::chrono_literals;
using runtime::Duration;
using runtime::Phase;
using Process = ActorSight::Process;

constexpr Duration kEvery = 100ms;

/// One actor that is looked at every 100 ms.
struct Looked {
  explicit Looked(HangLimits limits = {}) : detector(limits) {}

  /// What a look shows now: `part` is the part of a turn that runs, 0 between turns.
  std::string look(std::int64_t part, Duration after = kEvery) {
    now += after;
    sight.busy_since_ns = part == 0 ? 0 : 1;
    sight.updated_ns = part == 0 ? idle_ns-- : part;
    const std::vector<Hang> hangs = detector.look(now, std::span(&sight, 1));
    return hangs.empty() ? "" : hangs.front().why;
  }
  /// Looks at the same part until it is called hung: after how long, at most `most`.
  Duration time_to_hang(std::int64_t part, Duration most = 1h) {
    for (Duration age = 0ms; age <= most; age += kEvery) {
      if (!look(part).empty()) return age;
    }
    return most + kEvery;
  }
  /// A part that lasts so long, and ends.
  void lasts(Duration time) {
    const std::int64_t part = ++parts;
    for (Duration age = 0ms; age <= time; age += kEvery) EXPECT_EQ(look(part), "");
    EXPECT_EQ(look(0), "");
  }

  HangDetector detector;
  ActorSight sight{{"stage/r0.s1", 1}, Phase::backward, 7, 3, 0, 0, Process::runs, 0ms};
  runtime::TimePoint now = runtime::TimePoint{} + 1h;
  std::int64_t parts = 0;
  std::int64_t idle_ns = -1;
};

TEST(HangDetector, HG1_BetweenTurnsNobodyIsHung) {
  Looked at;
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(at.look(0), "");
}

TEST(HangDetector, HG1_ManyShortTurnsAreProgress) {
  Looked at;
  for (int turn = 1; turn < 10'000; ++turn) EXPECT_EQ(at.look(turn), "");
}

TEST(HangDetector, HG2_AShortPhaseHasTheFloor) {
  Looked at;
  at.lasts(100ms);
  EXPECT_EQ(at.time_to_hang(99), 2100ms);
}

TEST(HangDetector, HG2_ALongPhaseHasEightTimesItsLongest) {
  Looked at;
  at.lasts(1s);
  at.lasts(300ms);  // the longest counts, a little less with each that is shorter
  const Duration allowed = at.time_to_hang(99);
  EXPECT_GT(allowed, 7500ms);
  EXPECT_LE(allowed, 8100ms);
}

TEST(HangDetector, HG2_APhaseThatNobodyHasSeenHasLonger) {
  Looked at;
  at.lasts(100ms);
  at.sight.phase = Phase::checkpoint;
  EXPECT_EQ(at.time_to_hang(99), 120'100ms);
}

TEST(HangDetector, HG2_WhoHasDoneStepsHasBeenThroughTheirPhases) {
  Looked at;
  EXPECT_EQ(at.look(0), "");
  at.sight.step += 2;
  EXPECT_EQ(at.time_to_hang(99), 2100ms);
  Looked other;
  EXPECT_EQ(other.look(0), "");
  other.sight.step += 2;
  other.sight.phase = Phase::evaluate;
  EXPECT_EQ(other.time_to_hang(99), 120'100ms) << "not every step has that";
}

TEST(HangDetector, HG2_WhatAPhaseTakesIsKnownOfLaterIncarnationsToo) {
  Looked at;
  at.lasts(100ms);
  at.sight.actor.incarnation = 2;
  EXPECT_EQ(at.look(50), "");
  EXPECT_EQ(at.time_to_hang(99), 2100ms);
}

TEST(HangDetector, HG2_ATurnThatUsesTheProcessorHasLonger) {
  Looked at;
  at.lasts(100ms);
  Duration age = 0ms;
  std::string why;
  while (why.empty() && age < 1h) {
    at.sight.processor_time += 60ms;
    why = at.look(99);
    age += kEvery;
  }
  EXPECT_EQ(age, 8200ms);
}

TEST(HangDetector, SaysWhatItWasAndWhatWasAllowed) {
  Looked at;
  at.lasts(100ms);
  std::string why;
  while (why.empty()) why = at.look(99);
  EXPECT_EQ(why, "hang: no progress for 2.1 s in phase backward, step 7, micro-batch 3 (deadline 2.0 s)");
}

TEST(HangDetector, HG3_AStoppedProcessIsReportedAfterASecondAndNotBefore) {
  for (const std::int64_t part : {0, 99}) {
    Looked at;
    EXPECT_EQ(at.look(part), "");
    at.sight.process = Process::stopped;
    for (int i = 0; i < 10; ++i) EXPECT_EQ(at.look(part), "") << i;
    EXPECT_EQ(at.look(part), "stopped: a signal has stopped the process for 1.1 s");
  }
}

TEST(HangDetector, HG3_OneThatGoesOnInTimeIsNot) {
  Looked at;
  at.lasts(100ms);
  for (int again = 0; again < 100; ++again) {
    at.sight.process = Process::stopped;
    for (int i = 0; i < 9; ++i) EXPECT_EQ(at.look(99 + again), "");
    at.sight.process = Process::runs;
    EXPECT_EQ(at.look(99 + again), "");
  }
}

TEST(HangDetector, ADebuggerMayTakeItsTime) {
  Looked at;
  at.lasts(100ms);
  EXPECT_EQ(at.look(99), "");
  at.sight.process = Process::traced;
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(at.look(99), "");
}

TEST(HangDetector, HG4_TimeWithoutLooksCountsForNobody) {
  Looked at;
  at.lasts(100ms);
  EXPECT_EQ(at.look(99), "");
  EXPECT_EQ(at.look(99, 1h), "") << "the looker itself did not run";
  EXPECT_EQ(at.look(99), "");
}

TEST(HangDetector, HG4_LateLooksLengthenEveryDeadline) {
  Looked at;
  at.lasts(100ms);
  Duration age = 0ms;
  for (; age < 1h; age += 300ms) {
    if (!at.look(99, 300ms).empty()) break;
  }
  EXPECT_GT(age, 6s);  // three times, of which a third is not counted
  EXPECT_LT(age, 12s);
}

TEST(HangDetector, HG5_AnIncarnationIsReportedOnce) {
  Looked at;
  at.lasts(100ms);
  EXPECT_EQ(at.time_to_hang(99), 2100ms);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(at.look(99), "");
  at.sight.actor.incarnation = 2;
  EXPECT_EQ(at.look(99), "");
  EXPECT_EQ(at.time_to_hang(99), 2000ms);
}

TEST(HangDetector, AFloorOfNothingJudgesNobody) {
  HangLimits limits;
  limits.floor = 0s;
  Looked at(limits);
  at.lasts(100ms);
  EXPECT_GT(at.time_to_hang(99, 1000s), 1000s);
}

TEST(HangDetector, ReadsTheFloorFromText) {
  EXPECT_EQ(parse_hang_limits(nullptr).floor, 2s);
  EXPECT_EQ(parse_hang_limits("").floor, 2s);
  EXPECT_EQ(parse_hang_limits("0").floor, 0s);
  EXPECT_EQ(parse_hang_limits("0.5").floor, 500ms);
  for (const char* const wrong : {"soon", "-1", "2s", "nan"}) {
    EXPECT_THROW((void)parse_hang_limits(wrong), std::runtime_error) << wrong;
  }
}

}  // namespace
}  // namespace troupe::scheduler
