#include "runtime/supervision/restart_policy.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

using namespace std::chrono_literals;

TimePoint at(Duration since) {
  return TimePoint{} + 1h + since;
}

RestartLimits limits(int restarts) {
  RestartLimits some;
  some.max_restarts = restarts;
  some.window = 60s;
  some.backoff = {0ms, 50ms, 200ms};
  return some;
}

struct RestartCase {
  std::string what;
  std::vector<TimePoint> failures;
  TimePoint now;
  int restarts;
  std::optional<Duration> after;
};

TEST(RestartPolicy, RP1_OnlyFailuresWithinTheWindowCount) {
  const std::vector<RestartCase> cases = {
      {"the first goes on at once", {at(0s)}, at(0s), 3, 0ms},
      {"the second waits", {at(0s), at(1s)}, at(1s), 3, 50ms},
      {"the third waits longer", {at(0s), at(1s), at(2s)}, at(2s), 3, 200ms},
      {"beyond the table its last entry", {at(0s), at(1s), at(2s), at(3s)}, at(3s), 4, 200ms},
      {"one more than allowed", {at(0s), at(1s), at(2s), at(3s)}, at(3s), 3, std::nullopt},
      {"exactly at the window's edge counts", {at(0s), at(60s)}, at(60s), 3, 50ms},
      {"beyond the window does not", {at(0s), at(60s) + 1ns}, at(60s) + 1ns, 3, 0ms},
      {"ran well for long", {at(0s), at(1s), at(2s), at(3s), at(1000s)}, at(1000s), 3, 0ms},
      {"no restart allowed", {at(0s)}, at(0s), 0, std::nullopt},
      {"one allowed", {at(0s)}, at(0s), 1, 0ms},
  };
  for (const RestartCase& each : cases) {
    const RestartDecision decision = decide_restart(each.failures, each.now, limits(each.restarts));
    EXPECT_EQ(decision.restart_after, each.after) << each.what << ": " << decision.reason;
    EXPECT_EQ(decision.reason.ends_with("giving up"), !each.after.has_value()) << decision.reason;
  }
}

TEST(RestartPolicy, RP3_StartsThatFailInARowCountHoweverFarApart) {
  const std::vector<TimePoint> failures = {at(0s), at(100s), at(200s), at(300s)};
  EXPECT_TRUE(decide_restart(failures, at(300s), limits(3)).restart_after);
  EXPECT_TRUE(decide_restart(failures, at(300s), limits(3), 3).restart_after);
  const RestartDecision decision = decide_restart(failures, at(300s), limits(3), 4);
  EXPECT_FALSE(decision.restart_after);
  EXPECT_EQ(decision.reason, "4 starts in a row failed, 3 restarts allowed: giving up");
}

TEST(RestartPolicy, RP2_EqualArgumentsEqualAnswer) {
  const std::vector<TimePoint> failures = {at(0s), at(10s)};
  const RestartDecision first = decide_restart(failures, at(10s), limits(5));
  const RestartDecision second = decide_restart(failures, at(10s), limits(5));
  EXPECT_EQ(first.restart_after, second.restart_after);
  EXPECT_EQ(first.reason, second.reason);
  EXPECT_EQ(first.reason, "2 failures within 60 s, 5 restarts allowed");
}

TEST(RestartPolicy, WithoutABackoffTableNothingIsRestarted) {
  RestartLimits none = limits(5);
  none.backoff.clear();
  EXPECT_FALSE(decide_restart(std::vector<TimePoint>{at(0s)}, at(0s), none).restart_after);
}

TEST(RestartPolicy, DefaultsAllowTenRestartsAMinute) {
  std::vector<TimePoint> failures;
  Duration before{0};
  for (int i = 0; i < 10; ++i) {
    failures.push_back(at(i * 1s));
    const RestartDecision decision = decide_restart(failures, failures.back(), {});
    ASSERT_TRUE(decision.restart_after) << i;
    EXPECT_GE(*decision.restart_after, before) << "the delay grows";
    before = *decision.restart_after;
  }
  failures.push_back(at(10s));
  EXPECT_FALSE(decide_restart(failures, failures.back(), {}).restart_after);
}

}  // namespace
}  // namespace troupe::runtime
