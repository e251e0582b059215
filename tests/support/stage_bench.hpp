#pragma once

#include "actors/stage_actor.hpp"
#include "actors/stage_model.hpp"
#include "gpt2/numerics.hpp"
#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/tiny_job.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

/// One real stage actor of the first replica, and ears in the place of everybody it talks to.
class StageBench final {
public:
  /// `memory`: its node's folder for states, if it has one.
  StageBench(actors::JobConfig what, std::uint32_t stage, const std::filesystem::path& memory = {})
      : job(std::move(what)), name_(actors::stage_name(0, stage)), stage_(stage) {
    gpt2::fix_numerics(1);
    node_.spawn<ScriptedActor>("trainer", runtime::Behavior{hears(votes), hears(parts)});
    node_.spawn<ScriptedActor>("data/r0", runtime::Behavior{hears(begun)});
    for (std::uint32_t other = 0; other < job.layout.stages; ++other) {
      if (other != stage) node_.spawn<ScriptedActor>(actors::stage_name(0, other), neighbour());
    }
    const actors::StageRole role{job, 0, stage, memory};
    (void)node_.try_spawn(name_, std::make_unique<actors::StageActor>(role, actors::FaultPlan({})), 1).value();
  }

  template <class M>
  void tell(const M& message) {
    (void)node_.node().send(name_, message).value();
    network_.run_turns();
  }
  template <class Reply, class M>
  [[nodiscard]] runtime::Result<Reply> ask(const M& message) {
    auto answer = node_.request<Reply>(name_, message);
    network_.run_turns();
    return answer;
  }
  [[nodiscard]] std::size_t state_bytes() const { return actors::StageModel(job, stage_).state_bytes(); }
  void load(std::uint32_t epoch, std::uint32_t step) {
    (void)node_.request<actors::StateLoaded>(name_, load_order(epoch, step)).value();
  }
  /// The hashes of its weights and moments, or why it does not write them now.
  [[nodiscard]] std::string state(std::uint32_t epoch, std::uint32_t step) {
    const auto saved =
        node_.request<actors::ShardSaved>(name_, actors::SaveShard{epoch, step, folder_.path().string()});
    return saved ? text_of(saved->report) : saved.failure().text;
  }

  const actors::JobConfig job;
  Heard<actors::StepVote> votes;
  Heard<actors::EvaluationPart> parts;
  Heard<actors::StepBegun> begun;
  Heard<actors::ForwardActivations> forward;
  Heard<actors::BackwardGradients> backward;
  Heard<actors::TiedGradient> tied;
  std::vector<std::string> order;  ///< of what the neighbours heard: "forward 0", "backward 0", ...

private:
  runtime::Behavior neighbour() {
    return {hears<actors::ForwardActivations>(forward,
                                              [this](const actors::ForwardActivations& message, runtime::Context&) {
                                                order.push_back("forward " + std::to_string(message.micro_batch));
                                              }),
            hears<actors::BackwardGradients>(backward,
                                             [this](const actors::BackwardGradients& message, runtime::Context&) {
                                               order.push_back("backward " + std::to_string(message.micro_batch));
                                             }),
            hears(tied)};
  }

  const std::string name_;
  const std::uint32_t stage_;
  TemporaryFolder folder_;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& node_ = network_.add_node("node");
};

}  // namespace troupe::test
