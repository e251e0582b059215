#include "runtime/simulation/scenario.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime::simulation {
namespace {

TEST(Scenario, SaysWhatIsWrongAndWhere) {
  const auto why = [](const std::string& text) {
    const Result<Scenario> scenario = parse_scenario(text);
    return scenario ? std::string("accepted") : scenario.failure().text;
  };
  EXPECT_EQ(why("# a comment\nworkload = training\nwire = honest\nprocesses = 4\nactive_ms = 50\nmost_faults = 2\n"
                "kinds = crash cut\nfault = at 1 ms crash n3 for 2 ms\n"),
            "accepted");
  EXPECT_EQ(why("\nworkload = tea"), "line 2: workload is mixed, requests, group, tree or training");
  EXPECT_EQ(why("processes = 2"), "line 1: processes is a number from 3 to 8");
  EXPECT_NE(why("colour = green").find("line 1: no such key: colour"), std::string::npos);
  EXPECT_NE(why("kinds = crash flood").find("no kind of fault: flood"), std::string::npos);
  EXPECT_NE(why("fault = at 1 ms crash n7 for 2 ms").find("line 1: "), std::string::npos);
  EXPECT_NE(why("nonsense").find("no \"key = value\""), std::string::npos);
}

TEST(Scenario, FaultsAreReadAsTheyAreDescribed) {
  const FaultLimits limits{40, Scenario{}.kinds, 3, std::chrono::seconds(1)};
  const std::vector<Fault> faults = draw_faults(limits, Random(5));
  ASSERT_GT(faults.size(), 3U);
  for (const Fault& fault : faults) {
    const Result<Fault> read = parse_fault(describe(fault), 3);
    ASSERT_TRUE(read) << describe(fault) << ": " << read.failure().text;
    EXPECT_EQ(describe(*read), describe(fault));
  }
}

}  // namespace
}  // namespace troupe::runtime::simulation
