#include "scheduler/state_folder.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace troupe::scheduler {
namespace {

std::unique_ptr<StateFolder> open(const test::TemporaryFolder& memory, const std::string& run,
                                  const std::string& node) {
  return StateFolder::open(memory.path(), run, node).value();
}

/// As a killed process leaves it: the folder stays, its lock does not.
std::filesystem::path leave_folder(const test::TemporaryFolder& memory, const std::string& run) {
  const std::filesystem::path path = open(memory, run, "a")->path();
  std::filesystem::create_directory(path);
  std::ofstream(path / "stage") << "state";
  return path;
}

TEST(StateFolder, GoesWithItsObject) {
  const test::TemporaryFolder memory;
  std::filesystem::path path;
  {
    const auto folder = open(memory, "/runs/1", "a");
    path = folder->path();
    std::ofstream(path / "stage") << "state";
    EXPECT_TRUE(std::filesystem::exists(path / "stage"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(StateFolder, AnAgentThatComesBackFindsWhatWasThere) {
  const test::TemporaryFolder memory;
  const std::filesystem::path path = leave_folder(memory, "/runs/1");
  const auto again = open(memory, "/runs/1", "a");
  EXPECT_EQ(again->path(), path);
  EXPECT_TRUE(std::filesystem::exists(path / "stage"));
}

TEST(StateFolder, SD1_WhatOthersLeftIsRemovedAndWhatTheyUseIsNot) {
  const test::TemporaryFolder memory;
  const std::filesystem::path left = leave_folder(memory, "/runs/1");
  const auto used = open(memory, "/runs/2", "a");
  EXPECT_FALSE(std::filesystem::exists(left));
  const auto other = open(memory, "/runs/3", "a");
  EXPECT_TRUE(std::filesystem::exists(used->path()));
  EXPECT_EQ(sweep_state_folders(memory.path()), 0U);
  EXPECT_NE(open(memory, "/runs/2", "b")->path(), used->path());
}

TEST(StateFolder, TwoAgentsOfOneNameAreOneTooMany) {
  const test::TemporaryFolder memory;
  const auto first = open(memory, "/runs/1", "a");
  const auto second = StateFolder::open(memory.path(), "/runs/1", "a");
  ASSERT_FALSE(second);
  EXPECT_NE(second.failure().text.find("has another agent this name?"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(first->path()));
}

}  // namespace
}  // namespace troupe::scheduler
