#include "actors/stage_actor.hpp"

#include "tests/support/stage_bench.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace troupe::actors {
namespace {

using test::StageBench;
using test::Which;

constexpr std::uint32_t kMicroBatches = 4;
using Sends = std::vector<std::function<void(StageBench&)>>;

template <class M>
std::function<void(StageBench&)> tells(const M& message) {
  return [message](StageBench& bench) { bench.tell(message); };
}

ForwardActivations activations(const JobConfig& job, const Which& which) {
  return {which.epoch, which.step, which.micro_batch, which.purpose, test::activations_of(job, which.seed())};
}

BackwardGradients gradients(const JobConfig& job, const Which& which) {
  return {which.epoch, which.step, which.micro_batch, test::activations_of(job, which.seed() + 700000)};
}

TiedGradient tied_gradient(const JobConfig& job, std::uint32_t epoch, std::uint32_t step, float value) {
  const std::vector<float> values(static_cast<std::size_t>(job.model.vocabulary * job.model.width), value);
  return {epoch, step, test::bytes_of({job.model.vocabulary * job.model.width}, values)};
}

Commit commit_of(std::uint32_t epoch, std::uint32_t step, std::uint32_t until) {
  return {epoch, step, until, 0.5, 1e-2};
}

/// A decision that would be seen in the weights at once.
Commit wrong_commit(std::uint32_t epoch, std::uint32_t step) {
  return {epoch, step, step + 1, 1.0, 1.0};
}

// ---- the second of three stages: hears from both sides -------------------------------------------------------------

JobConfig three_stages(PipelineSchedule schedule) {
  JobConfig job = test::tiny_job(3, 1);
  job.layout.schedule = schedule;
  return job;
}

/// All that the second stage hears in a step, in the order of the micro-batches.
Sends of_step(const JobConfig& job, std::uint32_t step) {
  Sends sends;
  for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
    BatchTargets targets = test::targets_of(job, {1, step, i});
    targets.targets = {};
    sends.push_back(tells(targets));
    sends.push_back(tells(activations(job, {1, step, i})));
    sends.push_back(tells(gradients(job, {1, step, i})));
  }
  return sends;
}

struct Trained {
  std::vector<std::string> order;
  std::vector<ForwardActivations> forward;
  std::vector<BackwardGradients> backward;
  std::string state;
};

/// Two steps of the second stage, whose messages come as listed.
Trained train(const JobConfig& job, const Sends& sends) {
  StageBench bench(job, 1);
  bench.load(1, 0);
  bench.tell(RunSteps{1, 0, 2});
  for (const auto& send : sends) send(bench);
  EXPECT_EQ(bench.votes.count(), 1U);
  bench.tell(commit_of(1, 0, 2));
  EXPECT_EQ(bench.votes.count(), 2U);
  bench.tell(commit_of(1, 1, 2));
  return {bench.order, bench.forward.all(), bench.backward.all(), bench.state(1, 2)};
}

void expect_same(const Trained& trained, const Trained& expected) {
  EXPECT_EQ(trained.order, expected.order);
  EXPECT_EQ(trained.state, expected.state);
  ASSERT_EQ(trained.forward.size(), expected.forward.size());
  ASSERT_EQ(trained.backward.size(), expected.backward.size());
  for (std::size_t i = 0; i < expected.forward.size(); ++i) {
    EXPECT_TRUE(test::is_same(trained.forward[i].activations, expected.forward[i].activations)) << i;
  }
  for (std::size_t i = 0; i < expected.backward.size(); ++i) {
    EXPECT_TRUE(test::is_same(trained.backward[i].gradients, expected.backward[i].gradients)) << i;
  }
}

TEST(StageActor, SG1_TheScheduleDecidesTheOrderAndArrivalNothing) {
  for (const auto schedule : {PipelineSchedule::gpipe, PipelineSchedule::one_f_one_b}) {
    SCOPED_TRACE(schedule == PipelineSchedule::gpipe ? "gpipe" : "1f1b");
    const JobConfig job = three_stages(schedule);
    Sends in_order = of_step(job, 0);
    const Sends next = of_step(job, 1);
    in_order.insert(in_order.end(), next.begin(), next.end());
    const Trained expected = train(job, in_order);
    EXPECT_NE(expected.state.find("xxh3_128"), std::string::npos) << expected.state;
    std::vector<std::string> scheduled;
    for (std::uint32_t step = 0; step < 2; ++step) {
      for (const gpt2::Action& action : gpt2::compile_schedule(
               schedule == PipelineSchedule::gpipe ? gpt2::Schedule::gpipe : gpt2::Schedule::one_f_one_b, {1, 3},
               {0, kMicroBatches})) {
        const std::string kind = action.kind == gpt2::ActionKind::forward ? "forward " : "backward ";
        scheduled.push_back(kind + std::to_string(action.micro_batch));
      }
    }
    EXPECT_EQ(expected.order, scheduled);

    // Backwards: the next step first, of each step the last micro-batch first, of each of those the gradient first.
    expect_same(train(job, {in_order.rbegin(), in_order.rend()}), expected);
    Sends mixed = in_order;
    for (std::size_t i = 0; i + 7 < mixed.size(); i += 5) std::swap(mixed[i], mixed[i + 7]);
    expect_same(train(job, mixed), expected);
  }
}

TEST(StageActor, SG1_AGradientGoesToItsOwnMicroBatch) {
  const JobConfig job = three_stages(PipelineSchedule::gpipe);
  Sends sends = of_step(job, 0);
  const Sends next = of_step(job, 1);
  sends.insert(sends.end(), next.begin(), next.end());
  const Trained expected = train(job, sends);
  BackwardGradients other = gradients(job, {1, 0, 2});
  other.gradients = test::activations_of(job, 9);
  sends[3 * 2 + 2] = tells(other);
  const Trained changed = train(job, sends);
  ASSERT_EQ(changed.backward.size(), 2 * kMicroBatches);
  for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
    EXPECT_EQ(changed.backward[i].micro_batch, i);
    EXPECT_EQ(test::is_same(changed.backward[i].gradients, expected.backward[i].gradients), i != 2) << i;
  }
}

// ---- the first of two stages: also the end of a tied weight --------------------------------------------------------

struct FirstStep {
  std::vector<std::string> order;
  std::vector<ForwardActivations> forward;
  std::vector<StepVote> votes;
  std::string state;
};

/// A step of the first of two stages in epoch 2; `disturb` comes between any two messages of it.
FirstStep first_step(const JobConfig& job, const std::function<void(StageBench&)>& disturb) {
  StageBench bench(job, 0);
  bench.load(2, 0);
  disturb(bench);
  bench.tell(RunSteps{2, 0, 1});
  for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
    disturb(bench);
    bench.tell(test::targets_of(job, {2, 0, i}));
    disturb(bench);
    bench.tell(test::inputs_of(job, {2, 0, i}));
    disturb(bench);
    bench.tell(gradients(job, {2, 0, i}));
  }
  disturb(bench);
  EXPECT_EQ(bench.votes.count(), 0U) << "without the other end's part";
  bench.tell(tied_gradient(job, 2, 0, 0.01F));
  disturb(bench);
  EXPECT_NE(bench.state(2, 0).find("not at the border"), std::string::npos);
  EXPECT_NE(bench.state(2, 1).find("not at the border"), std::string::npos);
  bench.tell(commit_of(2, 0, 1));
  disturb(bench);
  return {bench.order, bench.forward.all(), bench.votes.all(), bench.state(2, 1)};
}

TEST(StageActor, SG2_MessagesOfOlderEpochsChangeNothing) {
  const JobConfig job = test::tiny_job(2, 1);
  const FirstStep expected = first_step(job, [](StageBench&) {});
  const FirstStep disturbed = first_step(job, [&job](StageBench& bench) {
    for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
      // What they say is another step's, so that it would show.
      BatchInputs inputs = test::inputs_of(job, {1, 5, i});
      BatchTargets targets = test::targets_of(job, {1, 5, i});
      BackwardGradients backward = gradients(job, {1, 5, i});
      inputs.step = targets.step = backward.step = 0;
      bench.tell(inputs);
      bench.tell(targets);
      bench.tell(backward);
    }
    bench.tell(tied_gradient(job, 1, 0, 5.0F));
    bench.tell(RunSteps{1, 0, 9});
    bench.tell(wrong_commit(1, 0));
    bench.tell(Continue{1, 0});
    EXPECT_NE(bench.state(1, 0).find("not at the border"), std::string::npos);
    EXPECT_NE(bench.state(1, 1).find("not at the border"), std::string::npos);
  });
  EXPECT_EQ(disturbed.order, expected.order);
  EXPECT_EQ(disturbed.state, expected.state);
  EXPECT_NE(expected.state.find("xxh3_128"), std::string::npos) << expected.state;
  ASSERT_EQ(expected.votes.size(), 1U);
  ASSERT_EQ(disturbed.votes.size(), 1U);
  ASSERT_EQ(disturbed.votes[0].squares.size(), expected.votes[0].squares.size());
  for (std::size_t i = 0; i < expected.votes[0].squares.size(); ++i) {
    EXPECT_EQ(disturbed.votes[0].squares[i].square, expected.votes[0].squares[i].square);
  }
}

TEST(StageActor, SG2_WhatAnOlderEpochLeftIsDropped) {
  const JobConfig job = test::tiny_job(2, 1);
  StageBench bench(job, 0);
  bench.load(1, 0);
  bench.tell(tied_gradient(job, 1, 0, 5.0F));
  bench.tell(RunSteps{1, 0, 1});
  for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
    bench.tell(test::targets_of(job, {1, 0, i}));
    bench.tell(gradients(job, {1, 0, i}));
  }
  bench.load(2, 0);
  bench.tell(RunSteps{2, 0, 1});
  for (std::uint32_t i = 0; i < kMicroBatches; ++i) bench.tell(test::inputs_of(job, {2, 0, i}));
  EXPECT_EQ(bench.order, std::vector<std::string>{}) << "the targets of the older epoch are gone";
  EXPECT_EQ(bench.votes.count(), 0U);
}

TEST(StageActor, ANewIncarnationWaitsForLoadState) {
  const JobConfig job = test::tiny_job(1, 1);
  StageBench bench(job, 0);
  bench.tell(RunSteps{1, 0, 2});
  for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
    bench.tell(test::targets_of(job, {1, 0, i}));
    bench.tell(test::inputs_of(job, {1, 0, i}));
  }
  EXPECT_EQ(bench.begun.count(), 0U);
  EXPECT_EQ(bench.votes.count(), 0U);
}

// ---- the only stage ------------------------------------------------------------------------------------------------

void feed(StageBench& bench, std::uint32_t step, std::uint32_t first, std::uint32_t end) {
  for (std::uint32_t i = first; i < end; ++i) {
    bench.tell(test::targets_of(bench.job, {1, step, i}));
    bench.tell(test::inputs_of(bench.job, {1, step, i}));
  }
}

void ask_evaluation(StageBench& bench, std::uint32_t step) {
  Which which{1, step, 0, Purpose::evaluate};
  BatchInputs inputs = test::inputs_of(bench.job, which);
  which.step = 77;  // the same samples at every border
  inputs.tokens = test::inputs_of(bench.job, which).tokens;
  BatchTargets targets = test::targets_of(bench.job, which);
  targets.step = step;
  bench.tell(targets);
  bench.tell(inputs);
}

/// Two steps of the only stage without anything in between: its state.
std::string undisturbed_state() {
  StageBench bench(test::tiny_job(1, 1), 0);
  bench.load(1, 0);
  bench.tell(RunSteps{1, 0, 2});
  for (std::uint32_t step = 0; step < 2; ++step) {
    feed(bench, step, 0, kMicroBatches);
    bench.tell(commit_of(1, step, 2));
  }
  return bench.state(1, 2);
}

TEST(StageActor, SG3_OnlyTheCommitOfThatEpochAndStepUpdates) {
  StageBench bench(test::tiny_job(1, 1), 0);
  bench.load(1, 0);
  bench.tell(wrong_commit(1, 0));  // before it began
  bench.tell(RunSteps{1, 0, 2});
  feed(bench, 0, 0, 3);
  bench.tell(wrong_commit(1, 0));  // before it voted
  EXPECT_EQ(bench.votes.count(), 0U);
  feed(bench, 0, 3, kMicroBatches);
  EXPECT_EQ(bench.votes.count(), 1U);
  bench.tell(wrong_commit(1, 1));
  bench.tell(wrong_commit(0, 0));
  bench.tell(wrong_commit(2, 0));
  EXPECT_EQ(bench.begun.count(), 1U);
  EXPECT_NE(bench.state(1, 0).find("not at the border"), std::string::npos) << "the step is not decided";
  bench.tell(commit_of(1, 0, 2));
  EXPECT_EQ(bench.begun.count(), 2U);
  EXPECT_EQ(bench.begun.last().step, 1U);
  bench.tell(wrong_commit(1, 0));  // a second time
  feed(bench, 1, 0, kMicroBatches);
  bench.tell(wrong_commit(1, 0));
  bench.tell(commit_of(1, 1, 2));
  bench.tell(wrong_commit(1, 1));
  EXPECT_EQ(bench.state(1, 2), undisturbed_state());
}

TEST(StageActor, SG4_EvaluationWaitsForItsBorderAndLeavesTheTrainingAlone) {
  StageBench reference(test::tiny_job(1, 1), 0);
  reference.load(1, 0);
  ask_evaluation(reference, 0);
  ASSERT_EQ(reference.parts.count(), 1U);
  ask_evaluation(reference, 2);
  ASSERT_EQ(reference.parts.count(), 1U) << "of a later border";
  reference.tell(RunSteps{1, 0, 1});
  feed(reference, 0, 0, kMicroBatches);
  reference.tell(commit_of(1, 0, 1));
  ask_evaluation(reference, 1);
  ASSERT_EQ(reference.parts.count(), 2U);
  EXPECT_EQ(reference.parts.last().loss.valid, 16);
  EXPECT_NE(reference.parts.all()[0].loss.loss_sum, reference.parts.all()[1].loss.loss_sum);

  StageBench bench(test::tiny_job(1, 1), 0);
  bench.load(1, 0);
  bench.tell(RunSteps{1, 0, 1});
  feed(bench, 0, 0, 2);
  ask_evaluation(bench, 1);  // early: the step is not over
  ask_evaluation(bench, 0);  // late: the step has begun
  EXPECT_EQ(bench.parts.count(), 0U);
  feed(bench, 0, 2, kMicroBatches);
  EXPECT_EQ(bench.votes.count(), 1U);
  EXPECT_EQ(bench.parts.count(), 0U) << "the old weights would give another loss";
  bench.tell(commit_of(1, 0, 1));
  ASSERT_EQ(bench.parts.count(), 1U);
  EXPECT_EQ(bench.parts.last().step, 1U);
  EXPECT_EQ(bench.parts.last().loss.loss_sum, reference.parts.last().loss.loss_sum);

  bench.tell(RunSteps{1, 1, 2});
  feed(bench, 1, 0, kMicroBatches);
  bench.tell(commit_of(1, 1, 2));
  EXPECT_EQ(bench.state(1, 2), undisturbed_state());
  EXPECT_EQ(bench.parts.count(), 1U);
}

}  // namespace
}  // namespace troupe::actors
