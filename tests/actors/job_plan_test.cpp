#include "actors/job_plan.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace troupe::actors {
namespace {

JobConfig job_of(std::uint32_t replicas, std::uint32_t stages) {
  JobConfig job;
  job.train.steps = 10;
  job.train.global_batch = 16;
  job.train.micro_batch = 2;
  job.train.eval_every = 4;
  job.train.checkpoint_every = 3;
  job.layout.replicas = replicas;
  job.layout.stages = stages;
  return job;
}

/// Every border of a run: step, then what it is good for.
std::vector<std::vector<std::uint32_t>> borders(const JobPlan& plan) {
  std::vector<std::vector<std::uint32_t>> all;
  for (std::uint32_t step = 0; step < plan.total_steps();) {
    const Border border = plan.next_border(step);
    EXPECT_GT(border.step, step);
    step = border.step;
    all.push_back({step, border.evaluate == Border::Evaluate::yes, border.save == Border::Save::yes,
                   border.epoch_end == Border::EpochEnd::yes});
  }
  return all;
}

TEST(JobPlan, JP1_EveryMicroBatchBelongsToExactlyOneReplica) {
  for (const std::uint32_t replicas : {1U, 2U, 4U, 8U}) {
    const JobConfig job = job_of(replicas, 1);
    const JobPlan plan(job, 100, 20);
    std::vector<int> owners(job.micro_batches(), 0);
    for (std::uint32_t replica = 0; replica < replicas; ++replica) {
      const std::uint32_t first = plan.first_micro_batch(replica);
      for (std::uint32_t i = 0; i < job.micro_batches_per_replica(); ++i) ++owners.at(first + i);
    }
    EXPECT_EQ(owners, std::vector<int>(8, 1)) << replicas << " replicas";
  }
}

TEST(JobPlan, JP2_BordersAreTheSameOnEveryLayout) {
  const auto expected = borders(JobPlan(job_of(1, 1), 112, 20));  // 7 steps an epoch
  EXPECT_EQ(expected,
            (std::vector<std::vector<std::uint32_t>>{
                {3, 0, 1, 0}, {4, 1, 0, 0}, {6, 0, 1, 0}, {7, 1, 0, 1}, {8, 1, 0, 0}, {9, 0, 1, 0}, {10, 1, 1, 0}}));
  EXPECT_EQ(borders(JobPlan(job_of(4, 1), 112, 20)), expected);
  EXPECT_EQ(borders(JobPlan(job_of(2, 4), 112, 20)), expected);
}

JobConfig epochs_of(std::uint32_t epochs) {
  JobConfig job = job_of(1, 1);
  job.train.steps = 0;
  job.train.epochs = epochs;
  job.train.eval_every = 0;
  job.train.checkpoint_every = 0;
  return job;
}

std::string refusal(const JobConfig& job, std::uint64_t training_samples) {
  try {
    const JobPlan plan(job, training_samples, 20);
    return "accepted with " + std::to_string(plan.total_steps()) + " steps";
  } catch (const ConfigError& error) {
    return error.what();
  }
}

TEST(JobPlan, AJobMayBeCountedInEpochs) {
  const JobPlan plan(epochs_of(3), 100, 20);
  EXPECT_EQ(plan.total_steps(), 19U);  // 3 x 100 / 16, rounded up once
  EXPECT_EQ(borders(plan), (std::vector<std::vector<std::uint32_t>>{{7, 1, 0, 1}, {13, 1, 0, 1}, {19, 1, 1, 1}}));
}

TEST(JobPlan, JP3_AnEpochEndsWithTheStepThatUsesItsLastSample) {
  for (const std::uint64_t samples : {16U, 17U, 31U, 33U, 100U, 160U}) {
    const JobPlan plan(epochs_of(9), samples, 20);
    EXPECT_EQ(plan.total_steps(), (9 * samples + 15) / 16) << samples;
    std::uint64_t epoch = 0;
    for (const auto& border : borders(plan)) {
      ++epoch;
      EXPECT_GE(border.front() * 16ULL, epoch * samples);
      EXPECT_LT((border.front() - 1) * 16ULL, epoch * samples);
      EXPECT_EQ(border.back(), 1U);
      EXPECT_EQ(plan.epoch_of(border.front() - 1), epoch - 1);
      EXPECT_EQ(plan.next_border(border.front() - 1).step, border.front());
    }
    EXPECT_EQ(epoch, 9U);
  }
}

TEST(JobPlan, JP3_AStepBelongsToTheEpochOfItsFirstSample) {
  const JobPlan plan(epochs_of(4), 17, 20);
  EXPECT_EQ(plan.total_steps(), 5U);  // 68 samples, not four times two steps
  for (std::uint32_t step = 0; step < 5; ++step) EXPECT_EQ(plan.epoch_of(step), step * 16 / 17) << step;
}

TEST(JobPlan, RefusesMoreStepsThanItCanCount) {
  EXPECT_NE(refusal(epochs_of(2147483648), 32).find("train.epochs = 2147483648"), std::string::npos);
  EXPECT_NE(refusal(epochs_of(2147483648), 32).find("4294967295"), std::string::npos);
  EXPECT_EQ(refusal(epochs_of(2147483647), 32), "accepted with 4294967294 steps");
  EXPECT_NE(refusal(epochs_of(4294967295), 1ULL << 62).find("train.epochs"), std::string::npos);
}

TEST(JobPlan, BordersNearTheLastStepThereCanBeAreNotLost) {
  JobConfig job = job_of(1, 1);
  job.train.steps = 4294967295;
  job.train.checkpoint_every = 3000000000;
  job.train.eval_every = 0;
  const JobPlan plan(job, 1ULL << 40, 20);
  EXPECT_EQ(plan.next_border(5).step, 3000000000U);
  EXPECT_EQ(plan.next_border(3000000000U).step, 4294967295U);
}

TEST(JobPlan, RefusesAWarmUpLongerThanTheEpochs) {
  JobConfig job = epochs_of(3);
  job.train.warmup_steps = 19;
  EXPECT_EQ(refusal(job, 100), "accepted with 19 steps");
  job.train.warmup_steps = 20;
  EXPECT_NE(refusal(job, 100).find("train.warmup_steps = 20 is more than the 19 steps of train.epochs = 3"),
            std::string::npos)
      << refusal(job, 100);
}

TEST(JobPlan, ValidationIsBounded) {
  EXPECT_EQ(JobPlan(job_of(1, 1), 100, 21).evaluation_batches(), 10U);
  EXPECT_EQ(JobPlan(job_of(1, 1), 100, 100000).evaluation_batches(), kEvaluationBatches);
}

TEST(JobPlan, FewHeldOutSamplesAreOneShorterBatch) {
  EXPECT_EQ(JobPlan(job_of(1, 1), 100, 1).evaluation_batches(), 1U);
  EXPECT_EQ(JobPlan(job_of(1, 1), 100, 0).evaluation_batches(), 0U);
}

TEST(JobPlan, RefusesDataSmallerThanAStep) {
  EXPECT_THROW(JobPlan(job_of(1, 1), 0, 0), ConfigError);
  EXPECT_THROW(JobPlan(job_of(1, 1), 15, 0), ConfigError);
  EXPECT_NO_THROW(JobPlan(job_of(1, 1), 16, 0));
}

TEST(JobPlan, NamesEveryActorInTheOrderOfTheirStart) {
  LayoutConfig layout;
  layout.replicas = 2;
  layout.stages = 2;
  layout.exchange = Exchange::ps_sync;
  EXPECT_EQ(JobPlan::names_of(layout), (std::vector<std::string>{"stage/r0.s0", "stage/r0.s1", "stage/r1.s0",
                                                                 "stage/r1.s1", "data/r0", "data/r1", "ps"}));
  layout.exchange = Exchange::allreduce;
  EXPECT_EQ(JobPlan::names_of(layout).size(), 6U);
}

}  // namespace
}  // namespace troupe::actors
