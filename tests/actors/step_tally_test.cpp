#include "actors/step_tally.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace troupe::actors {
namespace {

/// Votes of 2 replicas x 2 stages whose sums depend on the order of addition.
std::vector<StepVote> votes() {
  std::vector<StepVote> all;
  for (std::uint32_t replica = 0; replica < 2; ++replica) {
    for (std::uint32_t stage = 0; stage < 2; ++stage) {
      StepVote vote{1, 7, replica, stage, {}, {}, 0.1 * (replica + 2 * stage)};
      if (stage == 1) {
        vote.losses = {{2 * replica, replica == 0 ? 1e16 : 1.0, 3, 4},
                       {2 * replica + 1, replica == 0 ? 1.0 : -1e16, 1, 4}};
      }
      if (replica == 0) vote.squares = {{2 * stage, stage == 0 ? 1e16 : 1.0}, {2 * stage + 1, 1.0}};
      all.push_back(vote);
    }
  }
  return all;
}

TEST(StepTally, ST1_ResultsDoNotDependOnTheOrderOfVotes) {
  std::vector<StepVote> order = votes();
  std::vector<int> index{0, 1, 2, 3};
  // Summed in micro-batch order; in another order the small terms survive.
  const double loss_sum = ((1e16 + 1.0) + 1.0) + -1e16;
  const double norm = std::sqrt(((1e16 + 1.0) + 1.0) + 1.0);
  ASSERT_NE(loss_sum, (1e16 + -1e16) + 1.0 + 1.0);
  do {
    StepTally tally(4, 0);
    for (const int i : index) tally.add(order[static_cast<std::size_t>(i)]);
    const std::optional<StepResult> result = tally.take(7);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->loss_sum, loss_sum);
    EXPECT_EQ(result->gradient_norm, norm);
    EXPECT_EQ(result->correct, 8);
    EXPECT_EQ(result->valid, 16);
    EXPECT_DOUBLE_EQ(result->busy_seconds, 0.3);
  } while (std::next_permutation(index.begin(), index.end()));
}

TEST(StepTally, ST2_CompleteWhenEveryStageVotedOnce) {
  StepTally tally(4, 0);
  const std::vector<StepVote> all = votes();
  for (std::size_t i = 0; i < 3; ++i) tally.add(all[i]);
  tally.add(all[0]);
  tally.add(all[1]);  // again
  EXPECT_FALSE(tally.take(7));
  tally.add(all[3]);
  EXPECT_FALSE(tally.take(8));
  ASSERT_TRUE(tally.take(7));
  EXPECT_FALSE(tally.take(7)) << "taken twice";
}

TEST(StepTally, ST2_OwnersOfParametersVoteToo) {
  StepTally tally(4, 1);
  for (const StepVote& vote : votes()) tally.add(vote);
  EXPECT_FALSE(tally.take(7));
  tally.add(ServerVote{1, 7, {{9, 4.0}}});
  EXPECT_TRUE(tally.take(7));
}

TEST(StepTally, AsyncUpdatesTellTheirStaleness) {
  StepTally tally(1, 2);
  tally.add(StepVote{1, 0, 0, 0, {{0, 8.0, 1, 4}}, {}, 0.0});
  tally.add(AsyncApplied{1, 0, 1, 3, 0.5, 0.1});
  tally.add(AsyncApplied{1, 0, 1, 9, 9.0, 0.1});  // again
  EXPECT_FALSE(tally.take(0));
  tally.add(AsyncApplied{1, 0, 0, 1, 0.25, 0.1});
  const std::optional<StepResult> result = tally.take(0);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->staleness, (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(result->gradient_norm, 0.5);
  EXPECT_EQ(result->loss(), 2.0);
  EXPECT_EQ(result->accuracy(), 0.25);
}

TEST(StepTally, ANormThatIsNoNumberIsNotLost) {
  for (const bool first : {true, false}) {
    StepTally tally(1, 2);
    tally.add(StepVote{1, 0, 0, 0, {{0, 8.0, 1, 4}}, {}, 0.0});
    tally.add(AsyncApplied{1, 0, first ? 0U : 1U, 0, std::nan(""), 0.1});
    tally.add(AsyncApplied{1, 0, first ? 1U : 0U, 0, 0.5, 0.1});
    EXPECT_TRUE(std::isnan(tally.take(0)->gradient_norm));
  }
}

TEST(StepTally, ST3_AStageThatWasStartedAgainVotesAgain) {
  StepTally tally(4, 0);
  const std::vector<StepVote> all = votes();
  for (std::size_t i = 0; i < 3; ++i) tally.add(all[i]);
  tally.forget(all[1].replica, all[1].stage);
  tally.add(all[3]);
  EXPECT_FALSE(tally.take(7)) << "its vote was that of a dead process";
  tally.add(all[1]);
  tally.add(all[1]);
  EXPECT_TRUE(tally.take(7));
}

TEST(StepTally, ReplicasThatHoldDifferentStatesAreNamed) {
  StepTally tally(4, 0);
  for (std::uint32_t replica = 0; replica < 2; ++replica) {
    for (std::uint32_t stage = 0; stage < 2; ++stage) {
      StepVote vote{1, 0, replica, stage, {}, {}, 0.0};
      vote.digest = stage == 0 ? "same" : "of replica " + std::to_string(replica);
      tally.add(vote);
    }
  }
  const std::optional<StepResult> result = tally.take(0);
  EXPECT_EQ(result->different_stage(), 1U);
  EXPECT_EQ(result->states.at(1), (std::vector<std::string>{"of replica 0", "of replica 1"}));
}

TEST(StepTally, ClearForgetsAllVotes) {
  StepTally tally(4, 0);
  const std::vector<StepVote> all = votes();
  for (std::size_t i = 0; i < 3; ++i) tally.add(all[i]);
  tally.clear();
  tally.add(all[3]);
  EXPECT_FALSE(tally.take(7));
}

}  // namespace
}  // namespace troupe::actors
