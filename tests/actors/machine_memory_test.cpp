#include "actors/machine_memory.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

TEST(MachineMemory, IsThatOfAMachineThatRunsTests) {
  EXPECT_GT(machine_memory(), 100'000'000U);
  EXPECT_LT(machine_memory(), std::uint64_t{1} << 50);
}

TEST(MachineMemory, IsShownInGigabytes) {
  EXPECT_EQ(gigabytes(1.5e9), "1.5 GB");
  EXPECT_EQ(gigabytes(1e3), "1e-06 GB");
}

}  // namespace
}  // namespace troupe::actors
