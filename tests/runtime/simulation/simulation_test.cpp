#include "runtime/simulation/simulation.hpp"

#include "tests/runtime/simulation/quiet.hpp"

#include <gtest/gtest.h>

/// The runtime on a simulated network: what it promises, and that a broken promise would be seen.
namespace troupe::runtime::simulation {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 60;  // each takes many times as long
#else
constexpr std::uint64_t kSeeds = 300;
#endif

Scenario only(WorkloadKind workload, WireMode wire = WireMode::honest) {
  Scenario scenario;
  scenario.workload = workload;
  scenario.wire = wire;
  return scenario;
}

TEST(Simulation, SI1_TheSameSeedGivesTheSameRun) {
  const Quiet quiet;
  for (std::uint64_t seed = 1; seed <= kSeeds / 15; ++seed) {
    const SimulationOutcome once = simulate(seed, {});
    std::uint64_t lines = 0;
    SimulationOptions watched;
    watched.reader = [&lines](TimePoint, const std::string&) { ++lines; };
    const SimulationOutcome again = simulate(seed, {}, watched);
    EXPECT_EQ(once.hash, again.hash) << "seed " << seed;
    EXPECT_EQ(once.events, again.events);
    EXPECT_GT(lines, 10U);
    EXPECT_NE(once.hash, simulate(seed + 1000, {}).hash);
  }
}

TEST(Simulation, SI2_EveryPromiseIsKept) {
  const Quiet quiet;
  std::uint64_t messages = 0;
  std::uint64_t requests = 0;
  std::size_t faults = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const SimulationOutcome outcome = simulate(seed, {});
    ASSERT_FALSE(outcome.violation) << "troupe simulate --seed " << seed << " --trace: " << *outcome.violation;
    messages += outcome.messages;
    requests += outcome.requests;
    faults += outcome.faults.size();
    EXPECT_TRUE(outcome.wire == WireMode::hostile || outcome.put_off == Duration{0}) << "seed " << seed;
  }
  EXPECT_GT(messages, 150 * kSeeds);
  EXPECT_GT(requests, 30 * kSeeds);
  EXPECT_GT(faults, kSeeds) << "nothing went wrong, so nothing was shown";
}

TEST(Simulation, AFailureIsShrunkToTheFaultsItTakes) {
  const Quiet quiet;
  SimulationOptions options;
  options.checks.incarnation = false;
  const Scenario scenario = only(WorkloadKind::tree);
  std::uint64_t seed = 1;
  while (!simulate(seed, scenario, options).violation) ++seed;
  const std::vector<std::size_t> faults = shrink(seed, scenario, options);
  options.only = faults;
  EXPECT_TRUE(simulate(seed, scenario, options).violation);
  for (std::size_t without = 0; without < faults.size(); ++without) {
    std::vector<std::size_t> rest = faults;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(without));
    options.only = rest;
    EXPECT_FALSE(simulate(seed, scenario, options).violation) << "it fails without fault " << faults[without] << " too";
  }
}

// With little rest it happens often that somebody has not caught up at the planned end, because a hello was lost.
SimulationOptions with_little_rest() {
  SimulationOptions options;
  options.rest = std::chrono::milliseconds(1200);
  return options;
}

constexpr std::uint64_t kEnough = 3;  // that were held up
constexpr std::uint64_t kMostTried = 3000;

TEST(Simulation, SI3_WhoIsHeldUpByAHostileWireIsWaitedFor) {
  const Quiet quiet;
  const Scenario scenario = only(WorkloadKind::training, WireMode::hostile);
  std::uint64_t held_up = 0;
  for (std::uint64_t seed = 1; held_up < kEnough; ++seed) {
    ASSERT_LE(seed, kMostTried) << "nobody is held up, so nothing is shown";
    const SimulationOutcome outcome = simulate(seed, scenario, with_little_rest());
    ASSERT_FALSE(outcome.violation) << "seed " << seed << ": " << *outcome.violation;
    if (outcome.put_off > Duration{0}) ++held_up;
  }
}

TEST(Simulation, SI3_NobodyIsWaitedForForEver) {
  const Quiet quiet;
  const Scenario scenario = only(WorkloadKind::training, WireMode::hostile);
  SimulationOptions options = with_little_rest();
  options.most_put_off = Duration{0};
  std::uint64_t left_behind = 0;
  for (std::uint64_t seed = 1; left_behind < kEnough; ++seed) {
    ASSERT_LE(seed, kMostTried) << "who has lost a step is not seen";
    const SimulationOutcome outcome = simulate(seed, scenario, options);
    EXPECT_EQ(outcome.put_off, Duration{0}) << "seed " << seed;
    if (outcome.violation && outcome.violation->starts_with("stage/")) ++left_behind;
  }
}

// Mail, mail, a welcome and a hello were lost one after the other, and each of the last two cost a silence.
TEST(Simulation, SI3_WhatIsLostAgainAndAgainDelaysTheEndAndIsNoViolation) {
  const Quiet quiet;
  const SimulationOutcome outcome = simulate(162962, {});
  EXPECT_FALSE(outcome.violation) << *outcome.violation;
}

// What was found by it, each with the seed that showed it.
TEST(Simulation, AHelloThatComesTwiceDoesNotBeginALinkAnewThatWasEnded) {
  const Quiet quiet;
  const SimulationOutcome outcome = simulate(3953, {});
  EXPECT_FALSE(outcome.violation) << *outcome.violation;
}

}  // namespace
}  // namespace troupe::runtime::simulation
