#include "actors/data_actor.hpp"

#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/tiny_job.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::actors {
namespace {

constexpr std::uint32_t kStages = 2;
constexpr std::uint32_t kReplica = 1;  // the second of two
const std::string kName = "data/r1";

/// The data actor of a replica, and ears in the place of its stages.
class Feeding {
public:
  explicit Feeding(const JobConfig& job, std::uint32_t incarnation = 1) {
    for (std::uint32_t stage = 0; stage < kStages; ++stage) {
      node_.spawn<test::ScriptedActor>(
          stage_name(kReplica, stage),
          runtime::Behavior{test::hears<BatchInputs>(inputs[stage]), test::hears<BatchTargets>(targets[stage])});
    }
    (void)node_.try_spawn(kName, std::make_unique<DataActor>(job, kReplica, FaultPlan({})), incarnation).value();
  }
  template <class M>
  void tell(const M& message) {
    (void)node_.node().send(kName, message).value();
    network_.run_turns();
  }
  /// Steps whose tokens came, in the order in which they came, and how many micro-batches of each.
  [[nodiscard]] std::vector<std::pair<std::uint32_t, std::size_t>> steps() const {
    std::vector<std::pair<std::uint32_t, std::size_t>> steps;
    for (const BatchInputs& message : inputs[0].all()) {
      if (steps.empty() || steps.back().first != message.step) steps.emplace_back(message.step, 0);
      ++steps.back().second;
    }
    return steps;
  }

  test::Heard<BatchInputs> inputs[kStages];
  test::Heard<BatchTargets> targets[kStages];

private:
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& node_ = network_.add_node("node");
};

struct Job {
  Job() { test::write_text(folder, job); }
  test::TemporaryFolder folder;
  JobConfig job = test::tiny_job(kStages, 2);
};

template <class M>
std::vector<M> of_step(const test::Heard<M>& heard, std::uint32_t step) {
  std::vector<M> messages;
  for (const M& message : heard.all()) {
    if (message.step == step) messages.push_back(message);
  }
  return messages;
}

/// Everything but the epoch.
void expect_same(const std::vector<BatchInputs>& a, const std::vector<BatchInputs>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].micro_batch, b[i].micro_batch);
    EXPECT_EQ(a[i].purpose, b[i].purpose);
    EXPECT_TRUE(test::is_same(a[i].tokens, b[i].tokens));
  }
}

void expect_same(const std::vector<BatchTargets>& a, const std::vector<BatchTargets>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].micro_batch, b[i].micro_batch);
    EXPECT_EQ(a[i].samples, b[i].samples);
    EXPECT_EQ(a[i].valid_tokens, b[i].valid_tokens);
    EXPECT_TRUE(test::is_same(a[i].targets, b[i].targets));
  }
}

TEST(DataActor, DA1_AnotherIncarnationSendsTheSameForAStep) {
  const Job job;
  Feeding first(job.job);
  first.tell(ServeSteps{1, 0, 20});
  for (std::uint32_t step = 1; step < 6; ++step) first.tell(StepBegun{1, step});
  Feeding second(job.job, 2);
  second.tell(ServeSteps{7, 3, 5});
  for (const std::uint32_t step : {3U, 4U}) {
    SCOPED_TRACE(step);
    ASSERT_EQ(of_step(first.inputs[0], step).size(), 2U);
    expect_same(of_step(first.inputs[0], step), of_step(second.inputs[0], step));
    for (std::uint32_t stage = 0; stage < kStages; ++stage) {
      ASSERT_EQ(of_step(first.targets[stage], step).size(), 2U);
      expect_same(of_step(first.targets[stage], step), of_step(second.targets[stage], step));
    }
  }
  EXPECT_EQ(second.inputs[0].all().front().epoch, 7U);
  EXPECT_FALSE(test::is_same(of_step(first.inputs[0], 3)[0].tokens, of_step(first.inputs[0], 4)[0].tokens));
}

TEST(DataActor, DA1_TheSameIncarnationRepeatsItselfInANewEpoch) {
  const Job job;
  Feeding feeding(job.job);
  feeding.tell(ServeSteps{1, 2, 4});
  const std::vector<BatchInputs> inputs = of_step(feeding.inputs[0], 3);
  const std::vector<BatchTargets> targets = of_step(feeding.targets[1], 3);
  feeding.tell(ServeSteps{2, 3, 4});
  const std::vector<BatchInputs> all = of_step(feeding.inputs[0], 3);
  ASSERT_EQ(all.size(), 2 * inputs.size());
  expect_same({all.begin() + 2, all.end()}, inputs);
  const std::vector<BatchTargets> both = of_step(feeding.targets[1], 3);
  expect_same({both.begin() + 2, both.end()}, targets);
}

TEST(DataActor, DA1_AReplicaGetsItsOwnMicroBatchesOfTheStep) {
  const Job job;
  const SampleSource source(job.job);
  Feeding feeding(job.job);
  feeding.tell(ServeSteps{1, 5, 6});
  for (std::uint32_t i = 0; i < 2; ++i) {
    const SampleBatch expected = source.training_batch(5, 2 + i);
    const BatchInputs inputs = of_step(feeding.inputs[0], 5).at(i);
    EXPECT_EQ(inputs.micro_batch, 2 + i);
    EXPECT_TRUE(test::is_same(inputs.tokens, test::bytes_of({2, 8}, expected.inputs)));
    for (std::uint32_t stage = 0; stage < kStages; ++stage) {
      const BatchTargets targets = of_step(feeding.targets[stage], 5).at(i);
      EXPECT_EQ(targets.samples, expected.samples);
      EXPECT_EQ(targets.valid_tokens, 8 * 8) << "of the whole step";
      EXPECT_EQ(targets.targets.shape.empty(), stage + 1 < kStages);
    }
    EXPECT_TRUE(test::is_same(of_step(feeding.targets[1], 5).at(i).targets, test::bytes_of({2, 8}, expected.targets)));
  }
  EXPECT_EQ(feeding.inputs[1].count(), 0U);
}

TEST(DataActor, DA2_TwoStepsAreOnTheirWayUntilTheStagesBegin) {
  using Steps = std::vector<std::pair<std::uint32_t, std::size_t>>;
  const Job job;
  Feeding feeding(job.job);
  feeding.tell(ServeSteps{3, 4, 8});
  EXPECT_EQ(feeding.steps(), (Steps{{4, 2}, {5, 2}}));
  feeding.tell(StepBegun{3, 4});
  EXPECT_EQ(feeding.steps().size(), 2U) << "step 4 has begun: step 5 waits, one more than begun is out";
  feeding.tell(StepBegun{2, 5});
  feeding.tell(StepBegun{4, 5});
  EXPECT_EQ(feeding.steps().size(), 2U) << "another epoch's";
  feeding.tell(StepBegun{3, 5});
  feeding.tell(StepBegun{3, 5});
  feeding.tell(StepBegun{3, 4});
  EXPECT_EQ(feeding.steps(), (Steps{{4, 2}, {5, 2}, {6, 2}}));
  feeding.tell(StepBegun{3, 6});
  feeding.tell(StepBegun{3, 7});
  EXPECT_EQ(feeding.steps(), (Steps{{4, 2}, {5, 2}, {6, 2}, {7, 2}})) << "and no further than told";
  feeding.tell(ServeSteps{2, 0, 9});
  EXPECT_EQ(feeding.steps().size(), 4U) << "an order of an older epoch";
}

TEST(DataActor, ValidationIsSharedOutByReplica) {
  const Job job;
  const SampleSource source(job.job);
  Feeding feeding(job.job);
  feeding.tell(ServeEvaluation{1, 6, kReplica, 2, 5});
  std::vector<std::uint32_t> batches;
  for (const BatchInputs& message : feeding.inputs[0].all()) {
    EXPECT_EQ(message.purpose, Purpose::evaluate);
    EXPECT_EQ(message.step, 6U);
    batches.push_back(message.micro_batch);
    EXPECT_TRUE(
        test::is_same(message.tokens, test::bytes_of({2, 8}, source.validation_batch(message.micro_batch, 5).inputs)));
  }
  EXPECT_EQ(batches, (std::vector<std::uint32_t>{1, 3}));
  EXPECT_EQ(feeding.targets[1].count(), 2U);
}

TEST(DataActor, DataThatCannotBeReadThrowsWithPathAndReason) {
  JobConfig job = test::tiny_job(1, 1);
  job.data.path = "/nowhere/text.txt";
  try {
    const DataActor actor(job, 0, FaultPlan({}));
    ADD_FAILURE() << "it started";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/text.txt"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("No such file"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace troupe::actors
