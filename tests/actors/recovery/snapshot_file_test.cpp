#include "actors/recovery/snapshot_file.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

namespace troupe::actors {
namespace {

constexpr std::size_t kBytes = 100'000;
using Steps = std::vector<std::uint32_t>;

std::unique_ptr<SnapshotFile> open(const std::filesystem::path& path, std::uint64_t fingerprint = 1) {
  return SnapshotFile::open(path, kBytes, fingerprint).value();
}

void seal(SnapshotFile& file, std::uint32_t step) {
  std::ranges::fill(file.begin(step > 0 ? step - 1 : 0), static_cast<std::byte>(step));
  (void)file.seal(step, step + 100);
}

bool holds(const SnapshotFile& file, std::uint32_t step) {
  const auto state = file.read(step);
  return state && state->updates == step + 100 &&
         std::ranges::all_of(state->bytes, [step](std::byte each) { return each == static_cast<std::byte>(step); });
}

TEST(SnapshotFile, TheNewestTwoStatesAreThereForTheNextProcess) {
  const test::TemporaryFolder folder;
  {
    const auto file = open(folder.path() / "stage");
    EXPECT_EQ(file->steps(), Steps{});
    for (std::uint32_t step = 0; step < 5; ++step) seal(*file, step);
  }
  const auto next = open(folder.path() / "stage");
  EXPECT_EQ(next->steps(), (Steps{4, 3}));
  EXPECT_TRUE(holds(*next, 4));
  EXPECT_TRUE(holds(*next, 3));
  EXPECT_FALSE(next->read(2));
}

TEST(SnapshotFile, SF1_AHalfWrittenStateIsNotFound) {
  const test::TemporaryFolder folder;
  {
    const auto file = open(folder.path() / "stage");
    for (std::uint32_t step = 0; step < 3; ++step) seal(*file, step);
    std::ranges::fill(file->begin(2).first(kBytes / 2), std::byte{3});  // the process is killed here
  }
  const auto next = open(folder.path() / "stage");
  EXPECT_EQ(next->steps(), Steps{2});
  EXPECT_TRUE(holds(*next, 2));
}

TEST(SnapshotFile, SF1_AStateWithAnyBitChangedIsNotGiven) {
  const test::TemporaryFolder folder;
  const auto file = open(folder.path() / "stage");
  seal(*file, 1);
  seal(*file, 2);
  std::fstream raw(folder.path() / "stage", std::ios::in | std::ios::out | std::ios::binary);
  raw.seekp(4096 + 77);  // in the first buffer
  raw.put('\x55');
  raw.close();
  EXPECT_NE(holds(*file, 1), holds(*file, 2)) << "one of the two is damaged";
}

TEST(SnapshotFile, SF2_TheStateThatIsContinuedStays) {
  const test::TemporaryFolder folder;
  const auto file = open(folder.path() / "stage");
  for (std::uint32_t step = 0; step < 6; ++step) seal(*file, step);
  // All have gone back to step 4: what comes next is step 5 again, and 4 is what it comes from.
  seal(*file, 5);
  EXPECT_TRUE(holds(*file, 4));
  EXPECT_TRUE(holds(*file, 5));
  seal(*file, 6);
  EXPECT_TRUE(holds(*file, 5));
  EXPECT_FALSE(holds(*file, 4));
}

TEST(SnapshotFile, OfAnotherJobOrSizeNothingIsLeft) {
  const test::TemporaryFolder folder;
  seal(*open(folder.path() / "stage"), 3);
  EXPECT_EQ(open(folder.path() / "stage", 2)->steps(), Steps{});
  seal(*open(folder.path() / "stage", 2), 3);
  EXPECT_EQ(SnapshotFile::open(folder.path() / "stage", kBytes / 2, 2).value()->steps(), Steps{});
}

TEST(SnapshotFile, WhatIsForgottenIsNotFound) {
  const test::TemporaryFolder folder;
  const auto file = open(folder.path() / "stage");
  seal(*file, 1);
  seal(*file, 2);
  file->forget(2);
  EXPECT_EQ(file->steps(), Steps{1});
}

TEST(SnapshotFile, WithoutAFolderItSaysSo) {
  const auto none = SnapshotFile::open("/nowhere/stage", kBytes, 1);
  ASSERT_FALSE(none);
  EXPECT_NE(none.failure().text.find("/nowhere/stage: No such file"), std::string::npos) << none.failure().text;
  EXPECT_EQ(SnapshotFile::open_or_warn("/nowhere/stage", kBytes, 1), nullptr);
}

}  // namespace
}  // namespace troupe::actors
