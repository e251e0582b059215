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

TEST(JobPlan, AJobMayBeCountedInEpochs) {
  JobConfig job = job_of(1, 1);
  job.train.steps = 0;
  job.train.epochs = 3;
  const JobPlan plan(job, 100, 20);
  EXPECT_EQ(plan.steps_per_epoch(), 7U);  // 100 / 16, rounded up
  EXPECT_EQ(plan.total_steps(), 21U);
  EXPECT_EQ(plan.epoch_of(6), 0U);
  EXPECT_EQ(plan.epoch_of(7), 1U);
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
