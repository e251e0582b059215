#include "actors/recovery/decision_log.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace troupe::actors {
namespace {

Decision decision(std::uint32_t step) {
  return {step, 3, step + 1, 0.5, 1e-3, 2.5 * step, 1, 16, 0.25};
}

TEST(DecisionLog, DL1_TheNextTrainerOfTheJobFindsTheLastDecision) {
  const test::TemporaryFolder folder;
  {
    DecisionLog log(folder.path() / "commits.log", 77);
    EXPECT_FALSE(log.last());
    for (std::uint32_t step = 0; step < 4; ++step) log.decide(decision(step));
  }
  const DecisionLog next(folder.path() / "commits.log", 77);
  ASSERT_TRUE(next.last());
  EXPECT_EQ(next.last()->step, 3U);
  EXPECT_EQ(next.last()->updates, 4U);
  EXPECT_EQ(next.last()->loss_sum, 7.5);
}

TEST(DecisionLog, DL1_AStepThatIsDoneAgainHasOneDecision) {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "commits.log";
  DecisionLog log(file, 77);
  for (const std::uint32_t step : {0U, 1U, 2U}) log.decide(decision(step));
  const auto size = std::filesystem::file_size(file);
  for (const std::uint32_t step : {1U, 2U}) log.decide(decision(step));
  EXPECT_EQ(std::filesystem::file_size(file), size);
  EXPECT_EQ(log.last()->step, 2U);
}

TEST(DecisionLog, DL2_EpochsAreThereAgain) {
  const test::TemporaryFolder folder;
  {
    DecisionLog log(folder.path() / "commits.log", 77);
    EXPECT_EQ(log.epoch(), 0U);
    log.begin_epoch(1, 1);
    log.decide(decision(0));
    log.begin_epoch(2, 1);
  }
  const DecisionLog next(folder.path() / "commits.log", 77);
  EXPECT_EQ(next.epoch(), 2U);
  EXPECT_EQ(next.since(), 1U);
}

TEST(DecisionLog, AnotherJobInTheFolderBeginsAnew) {
  const test::TemporaryFolder folder;
  {
    DecisionLog log(folder.path() / "commits.log", 77);
    log.begin_epoch(9, 8);
    log.decide(decision(5));
  }
  {
    DecisionLog other(folder.path() / "commits.log", 78);
    EXPECT_FALSE(other.last());
    EXPECT_EQ(other.epoch(), 0U);
    other.decide(decision(1));
  }
  EXPECT_EQ(DecisionLog(folder.path() / "commits.log", 78).last()->step, 1U);
}

TEST(DecisionLog, WithoutAFolderItSaysSo) {
  EXPECT_THROW(DecisionLog("/nowhere/commits.log", 1), std::runtime_error);
}

}  // namespace
}  // namespace troupe::actors
