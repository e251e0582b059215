#include "runtime/simulation/event_queue.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace troupe::runtime::simulation {
namespace {

TEST(EventQueue, SQ1_InTheOrderOfTheirTimes) {
  EventQueue events{Random(1)};
  const TimePoint begin = events.now();
  std::vector<int> order;
  for (const int at : {5, 1, 4, 2, 3}) events.after(Duration(at), [&order, at] { order.push_back(at); });
  while (events.run_next(begin + Duration(4))) {
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(events.now(), begin + Duration(4)) << "the fifth is still to come";
}

TEST(EventQueue, SQ1_OrderOfTheSameTimeComesFromTheSeed) {
  const auto order_of = [](std::uint64_t seed) {
    EventQueue events{Random(seed)};
    std::string order;
    for (const char each : std::string("abcdefgh")) events.after(Duration(1), [&order, each] { order += each; });
    while (events.run_next(events.now() + Duration(1))) {
    }
    return order;
  };
  EXPECT_EQ(order_of(1), order_of(1));
  EXPECT_NE(order_of(1), order_of(2));
  EXPECT_EQ(order_of(1).size(), 8U);
}

}  // namespace
}  // namespace troupe::runtime::simulation
