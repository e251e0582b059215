#include "runtime/directory.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace troupe::runtime {
namespace {

const std::uint64_t kStage = name_hash("stage");

DirectoryEntry at(std::uint32_t incarnation, std::string endpoint = "here") {
  return {{"stage", incarnation}, std::move(endpoint)};
}

TEST(Directory, DI1_OlderNeverReplacesNewer) {
  Directory directory;
  EXPECT_TRUE(directory.announce(at(2, "two")));
  EXPECT_FALSE(directory.announce(at(1, "one")));
  EXPECT_EQ(directory.find(kStage)->endpoint, "two");
  EXPECT_TRUE(directory.announce(at(2, "moved"))) << "the same one may correct its endpoint";
  EXPECT_EQ(directory.find(kStage)->endpoint, "moved");
  EXPECT_TRUE(directory.announce(at(3, "three")));
  EXPECT_EQ(directory.find(kStage)->actor.incarnation, 3U);
}

TEST(Directory, DI1_TheDeadAreNotRevived) {
  Directory directory;
  ASSERT_TRUE(directory.announce(at(2)));
  directory.bury({"stage", 2});
  EXPECT_FALSE(directory.find(kStage));
  EXPECT_FALSE(directory.announce(at(2)));
  EXPECT_FALSE(directory.find(kStage));
  EXPECT_TRUE(directory.announce(at(3)));
}

TEST(Directory, DI1_BurialMayComeBeforeTheAnnouncement) {
  Directory directory;
  directory.bury({"stage", 5});
  EXPECT_FALSE(directory.announce(at(4)));
  EXPECT_FALSE(directory.announce(at(5)));
  EXPECT_TRUE(directory.announce(at(6)));
  directory.bury({"stage", 5});
  EXPECT_EQ(directory.find(kStage)->actor.incarnation, 6U) << "an older one's burial leaves the living alone";
}

TEST(Directory, DI2_StaleIsWhatIsOlderOrBuried) {
  Directory directory;
  EXPECT_FALSE(directory.is_stale(kStage, 1)) << "nothing is known";
  ASSERT_TRUE(directory.announce(at(3)));
  EXPECT_TRUE(directory.is_stale(kStage, 2));
  EXPECT_FALSE(directory.is_stale(kStage, 3));
  EXPECT_FALSE(directory.is_stale(kStage, 4)) << "newer than all that was announced";
  directory.bury({"stage", 3});
  EXPECT_TRUE(directory.is_stale(kStage, 3));
  EXPECT_FALSE(directory.is_stale(kStage, 4));
  EXPECT_FALSE(directory.is_stale(name_hash("other"), 1));
}

TEST(Directory, DI3_EveryChangeIsAnotherVersion) {
  Directory directory;
  std::uint64_t version = directory.version();
  const auto has_changed = [&] { return std::exchange(version, directory.version()) != directory.version(); };
  ASSERT_TRUE(directory.announce(at(2)));
  EXPECT_TRUE(has_changed());
  EXPECT_FALSE(directory.announce(at(1)));
  EXPECT_FALSE(has_changed());
  directory.bury({"stage", 2});
  EXPECT_TRUE(has_changed());
  (void)directory.find(kStage);
  EXPECT_FALSE(has_changed());
}

TEST(Directory, ListsByNameAndByEndpoint) {
  Directory directory;
  ASSERT_TRUE(directory.announce({{"b", 1}, "left"}));
  ASSERT_TRUE(directory.announce({{"a", 7}, "right"}));
  ASSERT_TRUE(directory.announce({{"c", 1}, "left"}));
  directory.bury({"c", 1});
  const std::vector<DirectoryEntry> all = directory.all();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].actor.name, "a");
  EXPECT_EQ(all[1].actor.name, "b");
  EXPECT_EQ(directory.living_at("left"), (std::vector<ActorId>{{"b", 1}}));
  EXPECT_TRUE(directory.living_at("nowhere").empty());
}

TEST(Directory, DI1_HoldsWhileManyThreadsAnnounceAndBury) {
  Directory directory;
  constexpr std::uint32_t kLast = 2000;
  std::vector<std::thread> threads;
  for (std::uint32_t part = 0; part < 2; ++part) {
    threads.emplace_back([&directory, part] {
      for (std::uint32_t i = 1 + part; i <= kLast; i += 2) {
        directory.announce(at(i));
        if (i < kLast) directory.bury({"stage", i});
      }
    });
  }
  std::uint32_t newest = 0;
  while (newest < kLast) {
    const std::optional<DirectoryEntry> entry = directory.find(kStage);
    if (!entry) continue;
    ASSERT_GE(entry->actor.incarnation, newest);
    newest = entry->actor.incarnation;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(directory.find(kStage)->actor.incarnation, kLast);
}

}  // namespace
}  // namespace troupe::runtime
