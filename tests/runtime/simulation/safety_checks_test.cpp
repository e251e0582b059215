#include "runtime/message/safety_checks.hpp"

#include "runtime/simulation/simulation.hpp"
#include "tests/runtime/simulation/quiet.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

/// Takes out one check after the other: the simulation has to notice.
namespace troupe::runtime::simulation {
namespace {

TEST(SafetyChecks, SI2_WithoutAnyOneOfThemSomeSeedFails) {
  const Quiet quiet;
  constexpr std::array<std::pair<const char*, bool SafetyChecks::*>, 7> checks{
      {{"dedup", &SafetyChecks::dedup},
       {"gap", &SafetyChecks::gap},
       {"incarnation", &SafetyChecks::incarnation},
       {"credit", &SafetyChecks::credit},
       {"ack", &SafetyChecks::ack},
       {"deadline", &SafetyChecks::deadline},
       {"checksum", &SafetyChecks::checksum}}};
  constexpr std::uint64_t kMostSeeds = 400;
  for (const auto& [name, check] : checks) {
    SimulationOptions options;
    options.checks.*check = false;
    std::uint64_t seed = 1;
    while (seed <= kMostSeeds && !simulate(seed, {}, options).violation) ++seed;
    EXPECT_LE(seed, kMostSeeds) << "nobody noticed that " << name << " is missing";
  }
}

}  // namespace
}  // namespace troupe::runtime::simulation
