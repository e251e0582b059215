#include "actors/trainer_actor.hpp"

#include "tests/actors/played_training.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace troupe::actors {
namespace {

using test::Training;
using test::two_replicas;
using test::votes_of;

/// Four steps, their validation, and the last checkpoint asked for, of whose owner nothing is heard.
void train_to_the_last_checkpoint(Training& training) {
  training.hold_saves();
  training.all_up();
  for (std::uint32_t step = 0; step < 4; ++step) training.tell_all(votes_of(training.job, 1, step));
  for (std::uint32_t i = 0; i < 2; ++i) training.tell(EvaluationPart{1, 4, {i, 8.0, 1, 16}});
  ASSERT_EQ(training.saved.count(), 1U);
}

using Kills = std::vector<std::string>;

Kills killed(const Training& training) {
  Kills kills;
  for (const runtime::KillActor& kill : training.kills.all()) {
    kills.push_back(runtime::ActorId{kill.name, kill.incarnation}.describe());
  }
  return kills;
}

TEST(TrainerRecovery, AnOwnerThatDiesInTheLastCheckpointIsWaitedForAndTheStepsComeAgain) {
  Training training(two_replicas());
  train_to_the_last_checkpoint(training);
  training.end_first_stage();
  EXPECT_EQ(training.ends.size(), 0U) << "the head has not said yet that it starts it again";
  EXPECT_EQ(killed(training), Kills{"stage/r0.s0#1"});
  training.lose("stage/r0.s0");
  training.start_first_stage_again();
  training.all_up();
  ASSERT_EQ(training.runs.count(), 4U);
  EXPECT_EQ(training.runs.last().epoch, 2U);
  EXPECT_EQ(training.runs.last().step, 0U) << "there is no checkpoint";
}

TEST(TrainerRecovery, AnOwnerThatNeverReportsItsShardIsKilled) {
  Training training(two_replicas());
  train_to_the_last_checkpoint(training);
  training.let_time_pass(std::chrono::minutes(6));
  EXPECT_EQ(training.ends.size(), 0U);
  EXPECT_EQ(killed(training), Kills{"stage/r0.s0#1"});
}

TEST(TrainerRecovery, AStageThatDiesBeforeItsLoadStateIsWaitedFor) {
  Training training(two_replicas());
  training.end_first_stage();
  training.all_up();  // said when it was alive
  EXPECT_EQ(training.ends.size(), 0U);
  EXPECT_EQ(killed(training), Kills{"stage/r0.s0#1"});
  training.lose("stage/r0.s0");
  training.start_first_stage_again();
  training.all_up();
  EXPECT_EQ(training.runs.count(), 2U);
}

TEST(TrainerRecovery, AStageThatNeverAnswersLoadStateIsKilledAndTheJobGoesOn) {
  Training training(two_replicas());
  training.hold_loads();
  training.all_up();
  training.let_time_pass(std::chrono::seconds(119));
  EXPECT_EQ(killed(training), Kills{}) << "a large checkpoint on a slow disk";
  training.let_time_pass(std::chrono::seconds(2));
  EXPECT_EQ(killed(training), (Kills{"stage/r0.s0#1", "stage/r1.s0#1"}));
  EXPECT_EQ(training.ends.size(), 0U);
  EXPECT_TRUE(training.has_news("stage/r0.s0#1 is given up: no answer to "));
  training.answer_loads();
  EXPECT_EQ(training.runs.count(), 0U) << "too late";
  training.lose("stage/r0.s0");
  training.all_up();
  EXPECT_EQ(training.runs.count(), 2U);
}

TEST(TrainerRecovery, AStageThatFailsToLoadIsStartedAgainLikeAnyOther) {
  Training training(two_replicas());
  training.fail_loads();
  training.all_up();
  EXPECT_EQ(training.ends.size(), 0U) << "the head ends the job when it fails too often";
  EXPECT_EQ(killed(training), (Kills{"stage/r0.s0#1", "stage/r1.s0#1"}));
}

TEST(TrainerRecovery, AfterARollbackNoFiguresOfTheStepsThatAreGoneAreShown) {
  Training training(two_replicas());
  training.all_up();
  for (std::uint32_t step = 0; step < 2; ++step) {
    training.let_time_pass(std::chrono::seconds(1));
    training.tell_all(votes_of(training.job, 1, step));
  }
  EXPECT_EQ(training.progress.step, 2U);
  EXPECT_GT(training.progress.tokens_per_second, 0.0);
  training.lose("stage/r0.s0");
  training.all_up();
  EXPECT_EQ(training.progress.step, 0U);
  EXPECT_EQ(training.progress.tokens_per_second, 0.0);
}

TEST(TrainerRecovery, AStopThatWaitsForABorderEndsWhenAnActorIsLost) {
  Training training(two_replicas());
  training.all_up();
  training.tell(StopTraining{"Ctrl-C"});
  EXPECT_EQ(training.ends.size(), 0U);
  training.lose("stage/r0.s0");  // perhaps there is no node to start it on
  ASSERT_EQ(training.ends.size(), 1U);
  EXPECT_EQ(training.ends[0].kind, TrainingEnd::Kind::stopped);
  EXPECT_EQ(training.ends[0].text, "Ctrl-C");
}

}  // namespace
}  // namespace troupe::actors
