#include "actors/job_plan.hpp"
#include "actors/server_actor.hpp"
#include "gpt2/learning_rate.hpp"
#include "gpt2/stage_plan.hpp"
#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tiny_job.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace troupe::actors {
namespace {

JobConfig job_of(Exchange exchange) {
  JobConfig job;
  job.model.layers = 2;
  job.model.heads = 2;
  job.model.width = 8;
  job.model.context = 4;
  job.train.steps = 10;
  job.train.global_batch = 4;
  job.train.micro_batch = 2;
  job.layout.replicas = 2;
  job.layout.exchange = exchange;
  return job;
}

/// A real server of two replicas; the replicas' gradients and the trainer's words come from the test.
class ServerOf {
public:
  explicit ServerOf(Exchange exchange) : job_(job_of(exchange)) {
    node_.spawn<test::ScriptedActor>(std::string(kTrainerName),
                                     runtime::Behavior{test::hears(applied_), test::hears(voted_)});
    for (std::uint32_t replica = 0; replica < 2; ++replica) {
      node_.spawn<test::ScriptedActor>(stage_name(replica, 0),
                                       runtime::Behavior{test::hears(fresh), test::hears(shared[replica])});
    }
    (void)node_.try_spawn(std::string(kServerName), std::make_unique<ServerActor>(job_, 10, FaultPlan({})), 1).value();
    EXPECT_TRUE(node_.request<StateLoaded>(kServerName, test::load_order(1, 0)));
  }
  void push(std::uint32_t replica, std::uint32_t step) {
    const gpt2::StageSlice whole = gpt2::plan_stages(job_.model, 1).front();
    const std::vector<float> gradient(static_cast<std::size_t>(gpt2::parameters_of(job_.model, whole).gradient_size),
                                      0.01F);
    PushGradients message{1, step, replica, 0, 0, {{replica, 1}}, {}};
    message.sums.type = TensorBytes::Type::float32;
    message.sums.shape = {1, static_cast<std::int64_t>(gradient.size())};
    message.sums.data = runtime::Payload::copy_of(std::as_bytes(std::span(gradient)));
    tell(message);
  }
  template <class M>
  void tell(const M& message) {
    (void)node_.node().send(kServerName, message).value();
    network_.run_turns();
  }
  /// "saved", or why it is refused.
  std::string save(std::uint32_t epoch, std::uint32_t step) {
    const auto answer = node_.request<ShardSaved>(kServerName, SaveShard{epoch, step, folder_.path().string()});
    return answer ? "saved" : answer.failure().text;
  }
  /// Why it failed, or nothing.
  [[nodiscard]] std::string failure() const { return node_.snapshot_of(kServerName).failure; }

  std::array<test::Heard<BorderWeights>, 2> shared;  // by replica
  test::Heard<FreshWeights> fresh;

private:
  const JobConfig job_;
  const test::TemporaryFolder folder_;
  test::Heard<AsyncApplied> applied_;
  test::Heard<ServerVote> voted_;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& node_ = network_.add_node("server");
};

TEST(ServerBorder, PS3_OutOfStepACheckpointHoldsExactlyItsSteps) {
  ServerOf server(Exchange::ps_async);
  server.push(0, 0);
  EXPECT_NE(server.save(1, 1).find("it applied 1 updates since step 0, 2 make a step"), std::string::npos);
  server.push(1, 0);
  EXPECT_EQ(server.save(1, 1), "saved");
  EXPECT_NE(server.save(1, 2).find("not at the border after step 2"), std::string::npos);
  EXPECT_NE(server.save(2, 1).find("of epoch 2: in epoch 1"), std::string::npos);
  server.push(1, 1);  // a later update: these are no longer the weights after step 1
  EXPECT_NE(server.save(1, 1).find("it applied 3 updates"), std::string::npos);
  server.push(0, 1);
  EXPECT_EQ(server.save(1, 2), "saved");
}

TEST(ServerBorder, PS3_InStepToo) {
  ServerOf server(Exchange::ps_sync);
  for (std::uint32_t replica = 0; replica < 2; ++replica) server.push(replica, 0);
  EXPECT_NE(server.save(1, 1).find("it applied 0 updates since step 0, 1 make a step"), std::string::npos);
  server.tell(Commit{1, 0, 10, 1.0, 0.001});
  EXPECT_EQ(server.save(1, 1), "saved");
  EXPECT_NE(server.save(1, 0), "saved");
}

TEST(ServerBorder, EveryReplicaGetsTheSameWeightsToValidate) {
  ServerOf server(Exchange::ps_async);
  for (std::uint32_t replica = 0; replica < 2; ++replica) server.push(replica, 0);
  server.tell(ShareWeights{7, 1});  // of another epoch
  EXPECT_EQ(server.shared[0].count(), 0U);
  server.tell(ShareWeights{1, 1});
  ASSERT_EQ(server.shared[0].count(), 1U);
  ASSERT_EQ(server.shared[1].count(), 1U);
  const BorderWeights first = server.shared[0].last();
  const BorderWeights second = server.shared[1].last();
  EXPECT_EQ(first.step, 1U);
  EXPECT_EQ(first.version, 2U);
  ASSERT_GT(first.weights.data.size(), 0U);
  ASSERT_EQ(first.weights.data.size(), second.weights.data.size());
  EXPECT_TRUE(std::equal(first.weights.data.data(), first.weights.data.data() + first.weights.data.size(),
                         second.weights.data.data()));
}

std::vector<float> floats_of(const TensorBytes& weights) {
  std::vector<float> values(weights.data.size() / sizeof(float));
  std::memcpy(values.data(), weights.data.data(), weights.data.size());
  return values;
}

TEST(ServerBorder, PS4_AReplicaComputesOnExpectedWeightsAndTheBorderHoldsTheMasters) {
  ServerOf server(Exchange::ps_async);
  for (std::uint32_t replica = 0; replica < 2; ++replica) server.push(replica, 0);
  server.tell(ShareWeights{1, 1});
  const std::vector<float> master = floats_of(server.shared[0].last().weights);
  const std::vector<float> expected = floats_of(server.fresh.last().weights);
  ASSERT_EQ(master.size(), expected.size());
  // Two replicas share the rate of a step; with equal gradients AdamW goes the whole rate each time.
  const double rate = 0.5 * gpt2::learning_rate(learning_rate_rule(job_of(Exchange::ps_async), 10), 0);
  ASSERT_GT(rate, 0.0);
  const gpt2::StageSlice whole = gpt2::plan_stages(job_of(Exchange::ps_async).model, 1).front();
  for (const gpt2::ParameterInfo& info : gpt2::parameters_of(job_of(Exchange::ps_async).model, whole).entries) {
    const auto at = static_cast<std::size_t>(info.offset);
    EXPECT_NEAR(master[at] - expected[at], 2 * rate, 0.02 * rate) << info.name;
  }
}

TEST(ServerBorder, WeightsOfAnotherStepAreNotValidated) {
  ServerOf server(Exchange::ps_async);
  server.push(0, 0);
  server.tell(ShareWeights{1, 1});
  EXPECT_NE(server.failure().find("not at the border after step 1"), std::string::npos) << server.failure();
  EXPECT_EQ(server.shared[0].count(), 0U);
}

}  // namespace
}  // namespace troupe::actors
