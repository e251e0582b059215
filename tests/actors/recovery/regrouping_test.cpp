#include "tests/support/tiny_training.hpp"

#include "actors/recovery/regrouping.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace troupe::actors {
namespace {

using test::TinyTraining;

JobConfig five_steps(std::uint32_t stages, std::uint32_t replicas) {
  JobConfig job = test::tiny_job(stages, replicas);
  job.model.layers = 2;
  job.train.steps = 5;
  return job;
}

/// Kills somebody when so many steps are committed.
void run_until(TinyTraining& training, std::size_t steps) {
  while (training.steps() < steps && training.run_turn()) continue;
}

TEST(Regrouping, RE1_TheRestartedAloneDoesItsStepAgain) {
  TinyTraining training(five_steps(2, 2));
  run_until(training, 2);
  training.kill("stage/r1.s1");
  training.restart();
  training.run();
  EXPECT_EQ(training.result().end, "");
  const auto recovered = training.events("recovered");
  ASSERT_EQ(recovered.size(), 1U);
  EXPECT_EQ(recovered[0]["kind"], "replay");
  EXPECT_EQ(recovered[0]["restored"], std::vector<std::string>{"stage/r1.s1"});
  EXPECT_TRUE(training.events("rollback").empty());
}

TEST(Regrouping, RE2_ADeathWhileOthersComeBackBeginsAnew) {
  TinyTraining training(five_steps(2, 2));
  run_until(training, 2);
  training.kill("stage/r0.s0");
  training.restart();
  for (int turn = 0; turn < 6; ++turn) (void)training.run_turn();
  training.kill("stage/r1.s0");
  training.restart();
  training.run();
  EXPECT_EQ(training.result().end, "");
  EXPECT_EQ(training.result().digest, test::train_tiny(five_steps(2, 2)).digest);
}

TEST(Regrouping, AStageWhoseNodeIsGoneTakesTheStateOfItsSibling) {
  TinyTraining training(five_steps(2, 2));
  run_until(training, 3);
  training.kill("stage/r0.s1");
  training.lose_memory("stage/r0.s1");
  training.restart();
  training.run();
  EXPECT_EQ(training.result().end, "");
  EXPECT_EQ(training.events("recovered")[0]["kind"], "replay");
}

TEST(Regrouping, WithoutAnyCopyTheJobGoesBackToItsCheckpointAndSaysSo) {
  JobConfig job = five_steps(2, 1);
  job.train.checkpoint_every = 2;
  TinyTraining training(job);
  run_until(training, 3);
  training.kill("stage/r0.s1");
  training.lose_memory("stage/r0.s1");
  training.restart();
  training.run();
  EXPECT_EQ(training.result().end, "");
  EXPECT_EQ(training.events("recovered")[0]["kind"], "checkpoint");
  EXPECT_EQ(training.events("rollback")[0]["step"], 2);
  EXPECT_EQ(training.result().digest, test::train_tiny(job).digest);
}

TEST(Regrouping, AStopThatMeetsADeathEndsWithACheckpointOfEveryStep) {
  for (const bool before : {true, false}) {
    TinyTraining training(five_steps(2, 2));
    run_until(training, 2);
    if (before) training.stop();
    training.kill("stage/r0.s1");
    if (!before) training.stop();
    training.restart();
    training.run();
    EXPECT_EQ(training.result().end, "not finished: Ctrl-C");
    EXPECT_GE(training.saved_step(), 2U);
    EXPECT_EQ(training.saved_step(), training.steps()) << "nothing is lost";
  }
}

TEST(Regrouping, RE3_WhatWasSentBeforeAllWentBackDoesNotCount) {
  TinyTraining training(five_steps(2, 1));
  run_until(training, 2);
  training.kill("stage/r0.s1");
  training.lose_memory("stage/r0.s1");  // no other replica: all begin again
  training.restart();
  training.run();
  EXPECT_EQ(training.result().end, "");
  EXPECT_EQ(training.events("recovered")[0]["kind"], "checkpoint");
  EXPECT_EQ(training.result().digest, test::train_tiny(five_steps(2, 1)).digest);
}

TEST(Regrouping, EveryActorOfALayoutHasItsPeers) {
  EXPECT_EQ(grid_of(five_steps(2, 2)).peers_of(0), (std::vector<std::size_t>{1, 1, 2})) << "next, tied, sibling";
  JobConfig untied = five_steps(2, 1);
  untied.model.head = gpt2::HeadWeights::untied;
  EXPECT_EQ(grid_of(untied).peers_of(1), std::vector<std::size_t>{0});
}

}  // namespace
}  // namespace troupe::actors
