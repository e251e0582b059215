#include "tests/support/stage_bench.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace troupe::actors {
namespace {

using test::StageBench;

constexpr std::uint32_t kMicroBatches = 4;

/// The second of three stages, of one replica.
JobConfig middle_of_three() {
  return test::tiny_job(3, 1);
}

void tell_step(StageBench& bench, std::uint32_t step) {
  for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
    BatchTargets targets = test::targets_of(bench.job, {1, step, i});
    targets.targets = {};
    bench.tell(targets);
    bench.tell(ForwardActivations{1, step, i, Purpose::train, test::activations_of(bench.job, 100 * step + i)});
    bench.tell(BackwardGradients{1, step, i, test::activations_of(bench.job, 100 * step + i + 7000)});
  }
}

Commit replay_commit(std::uint32_t epoch, std::uint32_t step, std::uint32_t until) {
  return {epoch, step, until, 0.5, 1e-2};
}

StageReport report_of(StageBench& bench, std::uint32_t epoch) {
  return bench.ask<StageReport>(Regroup{epoch, {}}).value();
}

TEST(StageReplay, SG5_AVoteSaysThatTheStateBeforeTheStepIsSealed) {
  const test::TemporaryFolder memory;
  StageBench bench(middle_of_three(), 1, memory.path());
  bench.load(1, 0);
  bench.tell(RunSteps{1, 0, 3});
  for (std::uint32_t step = 0; step < 3; ++step) {
    tell_step(bench, step);
    ASSERT_EQ(bench.votes.count(), step + 1);
    EXPECT_FALSE(bench.votes.last().digest.empty());
    const StageReport report = report_of(bench, 2 + step);
    EXPECT_EQ(report.step, step);
    EXPECT_EQ(report.vote, StageReport::Vote::given);
    EXPECT_EQ(report.snapshots.front(), step);
    bench.tell(replay_commit(2 + step, step, 3));
  }
  EXPECT_EQ(report_of(bench, 9).snapshots, (std::vector<std::uint32_t>{3, 2}));
}

TEST(StageReplay, SG6_ARestartedStageSendsTheSameAgain) {
  const test::TemporaryFolder memory;
  std::vector<ForwardActivations> first;
  {
    StageBench bench(middle_of_three(), 1, memory.path());
    bench.load(1, 0);
    bench.tell(RunSteps{1, 0, 3});
    tell_step(bench, 0);
    bench.tell(replay_commit(1, 0, 3));
    tell_step(bench, 1);
    first = bench.forward.all();
  }  // it dies with its vote for the second step given
  StageBench again(middle_of_three(), 1, memory.path());
  const StageReport report = report_of(again, 2);
  EXPECT_EQ(report.holds, StageReport::Holds::nothing);
  EXPECT_EQ(report.snapshots, (std::vector<std::uint32_t>{1, 0}));
  LoadState order = test::load_order(2, 1);
  order.since = 1;
  order.source = StateSource::snapshot;
  ASSERT_TRUE(again.ask<StateLoaded>(order));
  EXPECT_EQ(report_of(again, 3).inputs, StageReport::Inputs::missing);
  again.tell(RunSteps{3, 1, 3});
  tell_step(again, 1);  // sent in epoch 1, and sent again
  ASSERT_EQ(again.votes.count(), 1U);
  ASSERT_EQ(again.forward.count(), kMicroBatches);
  for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
    EXPECT_TRUE(test::is_same(again.forward.all()[i].activations, first[kMicroBatches + i].activations)) << i;
  }
}

TEST(StageReplay, ASiblingLendsItsState) {
  StageBench lender(middle_of_three(), 1);
  lender.load(1, 0);
  lender.tell(RunSteps{1, 0, 3});
  tell_step(lender, 0);
  lender.tell(replay_commit(1, 0, 3));
  EXPECT_FALSE(lender.ask<StateLent>(LendState{1, 0, 0})) << "it has gone on";
  EXPECT_FALSE(lender.ask<StateLent>(LendState{1, 1, kStateParts}));
  std::size_t bytes = 0;
  for (std::uint32_t part = 0; part < kStateParts; ++part) {
    const auto lent = lender.ask<StateLent>(LendState{1, 1, part});
    ASSERT_TRUE(lent);
    EXPECT_EQ(lent->updates, 1U);
    bytes += lent->part.data.size();
  }
  EXPECT_EQ(bytes, lender.state_bytes());
}

TEST(StageReplay, WhatIsNotThereIsRefusedInWords) {
  const test::TemporaryFolder memory;
  StageBench bench(middle_of_three(), 1, memory.path());
  LoadState order = test::load_order(1, 5);
  order.source = StateSource::snapshot;
  EXPECT_EQ(bench.ask<StateLoaded>(order).failure().text, "stage/r0.s1 finds no sound snapshot of step 5");
  order.source = StateSource::memory;
  EXPECT_EQ(bench.ask<StateLoaded>(order).failure().text, "stage/r0.s1 does not hold the state of step 5");
  bench.load(1, 0);
  EXPECT_NE(bench.ask<StageReport>(Regroup{1, {}}).failure().text.find("epoch 1 is over"), std::string::npos);
}

TEST(StageReplay, OnRequestItSendsAgainAndVotesAgain) {
  StageBench bench(middle_of_three(), 1);
  bench.load(1, 0);
  bench.tell(RunSteps{1, 0, 3});
  tell_step(bench, 0);
  EXPECT_EQ(bench.forward.count(), kMicroBatches);
  (void)report_of(bench, 2);
  ASSERT_TRUE(bench.ask<Resumed>(Resume{2, {{stage_name(0, 2), 0}}}));
  EXPECT_EQ(bench.forward.count(), 2 * kMicroBatches);
  EXPECT_EQ(bench.backward.count(), kMicroBatches) << "the other neighbour has what it needs";
  EXPECT_EQ(bench.votes.count(), 2U);
  EXPECT_EQ(bench.votes.last().epoch, 2U);
}

}  // namespace
}  // namespace troupe::actors
