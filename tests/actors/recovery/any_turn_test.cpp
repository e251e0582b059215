#include "tests/support/tiny_training.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

namespace troupe::actors {
namespace {

using test::TinyTraining;
using test::Trained;

JobConfig four_steps(std::uint32_t stages, std::uint32_t replicas) {
  JobConfig job = test::tiny_job(stages, replicas);
  job.model.layers = 2;
  job.train.steps = 4;
  job.train.eval_every = 2;
  job.train.checkpoint_every = 2;
  return job;
}

/// Up to three actors die at random turns, also while others come back; sometimes with what their node kept.
Trained train_with_deaths(const JobConfig& job, std::uint64_t seed, std::string& story) {
  std::mt19937_64 random(seed);
  const auto roll = [&random](std::uint64_t sides) { return random() % sides; };
  TinyTraining training(job);
  std::vector<std::string> victims = training.names();
  victims.emplace_back(kTrainerName);
  for (std::uint64_t deaths = 1 + roll(3); deaths > 0; --deaths) {
    for (std::uint64_t turns = roll(roll(2) == 0 ? 60 : 500); turns > 0 && training.run_turn(); --turns) continue;
    const std::string& victim = victims[roll(victims.size())];
    if (training.down().contains(victim)) continue;
    story += " " + victim;
    training.kill(victim);
    if (roll(8) == 0 && victim != kTrainerName) training.lose_memory(victim);
    if (deaths > 1 && roll(3) == 0) continue;  // the next dies before this one is back
    training.restart();
    story += ";";
  }
  if (!training.down().empty()) training.restart();
  training.run();
  for (const std::string kind : {"step_divergence", "replay_differs", "states_differ", "step_aborted"}) {
    if (!training.events(kind).empty()) story += " " + kind;
  }
  return training.result();
}

/// How many seeds to try: so many, a tenth with sanitizers, or what the environment says.
std::uint64_t seeds(std::uint64_t usual) {
  if (const char* wanted = std::getenv("TROUPE_TURN_SEEDS")) return std::stoull(wanted);
#ifdef __SANITIZE_ADDRESS__
  return usual / 10;
#else
  return usual;
#endif
}

/// P1: the same losses, the same samples, the same weights, whoever dies when.
void expect_nothing_lost(const JobConfig& job, std::uint64_t first, std::uint64_t count) {
  const Trained golden = test::train_tiny(job);
  ASSERT_EQ(golden.end, "");
  ASSERT_EQ(golden.figures.size(), job.train.steps);
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    std::string story;
    const Trained trained = train_with_deaths(job, seed, story);
    ASSERT_EQ(trained.end, "") << "seed " << seed << ":" << story;
    ASSERT_EQ(trained.figures, golden.figures) << "seed " << seed << ":" << story;
    ASSERT_EQ(trained.samples, golden.samples) << "seed " << seed << ":" << story;
    ASSERT_EQ(trained.digest, golden.digest) << "seed " << seed << ":" << story;
    for (const std::string wrong : {"divergence", "differ", "aborted"}) {
      ASSERT_EQ(story.find(wrong), std::string::npos) << "seed " << seed << ":" << story;
    }
  }
}

TEST(AnyTurn, TA4_P1_TwoStagesOfTwoReplicas) {
  expect_nothing_lost(four_steps(2, 2), 1, seeds(500));
}

TEST(AnyTurn, TA5_P1_TwoStagesAlone) {
  expect_nothing_lost(four_steps(2, 1), 10'001, seeds(300));
}

TEST(AnyTurn, P1_OneStageOfTwoReplicas) {
  JobConfig job = four_steps(1, 2);
  expect_nothing_lost(job, 20'001, seeds(200));
}

}  // namespace
}  // namespace troupe::actors
