#include "actors/server_actor.hpp"

#include "tests/support/tiny_training.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

TEST(ServerActor, PS1_InStepItGivesTheBitsOfTheAllReduce) {
  for (const auto head : {gpt2::HeadWeights::tied, gpt2::HeadWeights::untied}) {
    JobConfig job = test::tiny_job(1, 1);
    job.model.head = head;
    const test::Trained expected = test::train_tiny(job);
    ASSERT_EQ(expected.end, "");
    ASSERT_EQ(expected.figures.size(), 6U);
    EXPECT_NE(expected.figures.front(), expected.figures.back());
    for (const auto& [stages, replicas] : {std::pair{1U, 1U}, {1U, 2U}, {2U, 2U}, {3U, 1U}, {2U, 4U}}) {
      SCOPED_TRACE(std::to_string(stages) + " stages, " + std::to_string(replicas) + " replicas");
      for (const Exchange exchange : {Exchange::allreduce, Exchange::ps_sync}) {
        job.layout = test::tiny_job(stages, replicas).layout;
        job.layout.exchange = exchange;
        const test::Trained trained = test::train_tiny(job);
        EXPECT_EQ(trained.end, "");
        EXPECT_EQ(trained.figures, expected.figures);
        EXPECT_EQ(trained.digest, expected.digest);
      }
    }
  }
}

/// Two real replicas of one stage and a real server, each on a node of its own: the test decides whose gradient comes
/// when.
class OutOfStep {
public:
  OutOfStep() {
    job_.layout.exchange = Exchange::ps_async;
    trainer_.spawn<test::ScriptedActor>(std::string(kTrainerName),
                                        runtime::Behavior{test::hears(applied), test::hears(votes_)});
    (void)server_.try_spawn(std::string(kServerName), std::make_unique<ServerActor>(job_, 10, FaultPlan({})), 1)
        .value();
    for (std::uint32_t replica = 0; replica < 2; ++replica) {
      const StageRole role{job_, replica, 0};
      (void)stages_[replica]
          ->try_spawn(stage_name(replica, 0), std::make_unique<StageActor>(role, FaultPlan({})), 1)
          .value();
      stages_[replica]->spawn<test::ScriptedActor>(data_name(replica), runtime::Behavior{test::hears(begun_)});
    }
    network_.announce_all();
  }
  void load(std::uint32_t epoch) {
    EXPECT_TRUE(server_.request<StateLoaded>(kServerName, test::load_order(epoch, 0)));
    for (std::uint32_t replica = 0; replica < 2; ++replica) {
      const std::string name = stage_name(replica, 0);
      EXPECT_TRUE(stages_[replica]->request<StateLoaded>(name, test::load_order(epoch, 0)));
      (void)stages_[replica]->node().send(name, RunSteps{epoch, 0, 10}).value();
    }
    network_.run_turns();
  }
  /// The replica computes that step; its gradient is then on its way.
  void compute(std::uint32_t epoch, std::uint32_t replica, std::uint32_t step) {
    for (std::uint32_t i = 2 * replica; i < 2 * replica + 2; ++i) {
      const std::string name = stage_name(replica, 0);
      (void)stages_[replica]->node().send(name, test::targets_of(job_, {epoch, step, i})).value();
      (void)stages_[replica]->node().send(name, test::inputs_of(job_, {epoch, step, i})).value();
    }
    network_.run_turns();
  }
  /// The server gets the gradient, applies it, and the replica gets its fresh weights. What the server told of it.
  AsyncApplied apply(std::uint32_t replica) {
    const std::size_t before = applied.count();
    network_.expect("server.push_gradients").from(*stages_[replica]).to(server_);
    network_.expect("trainer.async_applied").from(server_).to(trainer_);
    EXPECT_EQ(applied.count(), before + 1);
    network_.expect("stage.fresh_weights").from(server_).to(*stages_[replica]);
    return applied.last();
  }
  /// What is still on its way between the nodes when a replica died.
  void deliver_all() { network_.deliver_all(); }
  /// A gradient from outside; then why the server failed, or nothing.
  std::string push(const PushGradients& message) {
    (void)server_.node().send(kServerName, message).value();
    network_.run_turns();
    return server_.snapshot_of(kServerName).failure;
  }

  test::Heard<AsyncApplied> applied;

private:
  JobConfig job_ = test::tiny_job(1, 2);
  test::Heard<StepVote> votes_;
  test::Heard<StepBegun> begun_;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& trainer_ = network_.add_node("trainer");
  runtime::DeterministicNode& server_ = network_.add_node("server");
  std::vector<runtime::DeterministicNode*> stages_{&network_.add_node("r0"), &network_.add_node("r1")};
};

TEST(ServerActor, PS2_EveryUpdateTellsHowManyCameBetween) {
  OutOfStep group;
  group.load(1);
  for (std::uint32_t replica = 0; replica < 2; ++replica) group.compute(1, replica, 0);
  // Replica 0 does three steps while replica 1's first gradient is on its way.
  for (std::uint32_t step = 0; step < 3; ++step) {
    const AsyncApplied own = group.apply(0);
    EXPECT_EQ(own.replica, 0U);
    EXPECT_EQ(own.step, step);
    EXPECT_EQ(own.staleness, 0U);
    group.compute(1, 0, step + 1);
  }
  const AsyncApplied late = group.apply(1);
  EXPECT_EQ(late.replica, 1U);
  EXPECT_EQ(late.step, 0U);
  EXPECT_EQ(late.staleness, 3U);
  group.compute(1, 1, 1);
  EXPECT_EQ(group.apply(1).staleness, 0U) << "its weights were fresh";
  EXPECT_EQ(group.apply(0).staleness, 2U) << "both of replica 1's came between";
  EXPECT_EQ(group.applied.count(), 6U);
}

TEST(ServerActor, PS2_ANewEpochCountsFromNothing) {
  OutOfStep group;
  group.load(1);
  for (std::uint32_t replica = 0; replica < 2; ++replica) group.compute(1, replica, 0);
  (void)group.apply(0);
  group.load(2);  // replica 1's gradient of epoch 1 comes too late
  group.deliver_all();
  EXPECT_EQ(group.applied.count(), 1U);
  for (std::uint32_t replica = 0; replica < 2; ++replica) group.compute(2, replica, 0);
  EXPECT_EQ(group.apply(1).staleness, 0U);
  EXPECT_EQ(group.apply(0).staleness, 1U);
}

TEST(ServerActor, GradientsThatDoNotFitEndTheProcessWithTheReason) {
  const TensorBytes sums = test::bytes_of({1, 3}, std::vector<float>{1, 2, 3});
  {
    OutOfStep group;
    group.load(1);
    EXPECT_NE(group.push({1, 0, 0, 7, 0, {{0, 2}}, sums}).find("stage/r0.s7"), std::string::npos);
  }
  {
    OutOfStep group;
    group.load(1);
    EXPECT_NE(group.push({1, 0, 0, 0, 0, {{0, 1}, {1, 1}}, sums}).find("stage/r0.s0 have the wrong shape"),
              std::string::npos);
  }
  {
    OutOfStep group;
    group.load(1);
    EXPECT_NE(group.push({1, 0, 0, 0, 0, {{0, 2}}, sums}).find("a gradient of 3 floats"), std::string::npos);
  }
}

TEST(ServerActor, ANewIncarnationWaitsForLoadState) {
  OutOfStep group;
  EXPECT_EQ(group.push({1, 0, 0, 0, 0, {{0, 2}}, {}}), "");
  EXPECT_EQ(group.applied.count(), 0U);
}

}  // namespace
}  // namespace troupe::actors
