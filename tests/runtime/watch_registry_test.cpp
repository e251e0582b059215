#include "runtime/watch_registry.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace troupe::runtime {
namespace {

const std::uint64_t kWatchedStage = name_hash("stage");

Watcher watcher(std::string_view name, std::string endpoint = "") {
  return {name_hash(name), 1, std::move(endpoint)};
}

TEST(WatchRegistry, WR1_AWatchIsHandedOutOnce) {
  WatchRegistry watches;
  watches.add({"stage", 1}, watcher("trainer"));
  watches.add({"stage", 1}, watcher("trainer"));  // watching twice is one watch
  watches.add({"stage", 1}, watcher("head"));
  EXPECT_EQ(watches.take(kWatchedStage, 1).size(), 2U);
  EXPECT_TRUE(watches.take(kWatchedStage, 1).empty());
}

TEST(WatchRegistry, TakesTheDeadIncarnationAndOlderOnes) {
  WatchRegistry watches;
  watches.add({"stage", 1}, watcher("one"));
  watches.add({"stage", 2}, watcher("two"));
  watches.add({"stage", 3}, watcher("three"));
  EXPECT_EQ(watches.take(kWatchedStage, 2), (std::vector{watcher("one"), watcher("two")}));
  EXPECT_EQ(watches.take(kWatchedStage, 3), (std::vector{watcher("three")}));
}

TEST(WatchRegistry, WR2_ANodesWatchesAreBoundedAndGoWithIt) {
  WatchRegistry watches;
  const auto of_other = [](std::size_t i, const char* endpoint) { return Watcher{1000 + i, 1, endpoint}; };
  for (std::size_t i = 0; i < WatchRegistry::kMaxWatchesOfNode + 5; ++i) {
    watches.add({"stage" + std::to_string(i % 64), 1}, of_other(i, "tcp://hostile"));
  }
  watches.add({"stage", 1}, of_other(0, "tcp://other"));
  watches.add({"stage", 1}, watcher("trainer"));
  std::size_t kept = 0;
  for (std::size_t i = 0; i < 32; ++i) kept += watches.take(name_hash("stage" + std::to_string(i)), 1).size();
  EXPECT_EQ(kept, WatchRegistry::kMaxWatchesOfNode / 2);
  watches.add({"stage", 1}, of_other(1, "tcp://hostile"));  // there is room again
  watches.remove_endpoint("tcp://hostile");
  for (std::size_t i = 32; i < 64; ++i) EXPECT_TRUE(watches.take(name_hash("stage" + std::to_string(i)), 1).empty());
  EXPECT_EQ(watches.take(kWatchedStage, 1), (std::vector{of_other(0, "tcp://other"), watcher("trainer")}));
}

TEST(WatchRegistry, RemoveForgetsOneWatcherOfOneTarget) {
  WatchRegistry watches;
  watches.add({"stage", 1}, watcher("trainer"));
  watches.add({"data", 1}, watcher("trainer"));
  watches.add({"stage", 1}, watcher("trainer", "ipc:///elsewhere"));
  watches.remove(kWatchedStage, watcher("trainer"));
  EXPECT_EQ(watches.take(kWatchedStage, 1), (std::vector{watcher("trainer", "ipc:///elsewhere")}));
  EXPECT_EQ(watches.take(name_hash("data"), 1).size(), 1U);
}

TEST(WatchRegistry, ADeadWatchersWatchesAreForgotten) {
  WatchRegistry watches;
  watches.add({"stage", 1}, watcher("trainer"));
  watches.add({"data", 1}, watcher("trainer"));
  watches.add({"stage", 1}, watcher("trainer", "ipc:///elsewhere"));  // an actor of the same name on another node
  watches.remove_watcher(name_hash("trainer"));
  EXPECT_EQ(watches.take(kWatchedStage, 1), (std::vector{watcher("trainer", "ipc:///elsewhere")}));
  EXPECT_TRUE(watches.take(name_hash("data"), 1).empty());
}

TEST(WatchRegistry, WR1_HoldsWhenTwoCausesRace) {
  WatchRegistry watches;
  constexpr std::uint32_t kRounds = 2000;
  for (std::uint32_t i = 1; i <= kRounds; ++i) watches.add({"stage", i}, watcher("trainer"));
  std::atomic<std::size_t> taken = 0;
  const auto take_all = [&] {
    for (std::uint32_t i = 1; i <= kRounds; ++i) taken += watches.take(kWatchedStage, i).size();
  };
  std::thread first(take_all);
  std::thread second(take_all);
  first.join();
  second.join();
  EXPECT_EQ(taken.load(), kRounds);
}

}  // namespace
}  // namespace troupe::runtime
