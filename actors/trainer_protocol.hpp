#pragma once

#include <cereal/types/vector.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What the trainer hears from stages and from the parameter server.
namespace troupe::actors {

/// The loss of one micro-batch: sums, never means.
struct MicroBatchLoss {
  std::uint32_t micro_batch = 0;
  double loss_sum = 0.0;
  std::int64_t correct = 0;
  std::int64_t valid = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(micro_batch, loss_sum, correct, valid);
  }
};

/// One parameter's part of the squared gradient norm.
struct ParameterSquare {
  std::int64_t canonical = 0;  ///< the parameter's index in the whole model
  double square = 0.0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(canonical, square);
  }
};

/// From each stage, once a step: its gradients are reduced and it waits for the decision.
struct StepVote {
  static constexpr std::string_view kName = "trainer.step_vote";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t replica = 0;
  std::uint32_t stage = 0;
  std::vector<MicroBatchLoss> losses;    ///< last stage only
  std::vector<ParameterSquare> squares;  ///< of the owner of the parameters, first replica only
  double busy_seconds = 0.0;             ///< spent computing
  std::string digest = {};               ///< of the state before the step, sealed; empty where none is kept

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, replica, stage, losses, squares, busy_seconds, digest);
  }
};

/// From the parameter server: the votes of all parameters of a synchronous step (ps_sync), decided like StepVote.
struct ServerVote {
  static constexpr std::string_view kName = "trainer.server_vote";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::vector<ParameterSquare> squares;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, squares);
  }
};

/// From the parameter server: one replica's gradient was applied as it came (ps_async).
struct AsyncApplied {
  static constexpr std::string_view kName = "trainer.async_applied";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t replica = 0;
  std::uint64_t staleness = 0;  ///< updates applied between the fetch of the weights and the use of their gradient
  double gradient_norm = 0.0;
  double learning_rate = 0.0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, replica, staleness, gradient_norm, learning_rate);
  }
};

/// From the last stage: one validation batch.
struct EvaluationPart {
  static constexpr std::string_view kName = "trainer.evaluation_part";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  MicroBatchLoss loss;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, loss);
  }
};

/// The trainer to itself: who was lost before, and is not back yet, is told of.
struct TellLosses {
  static constexpr std::string_view kName = "trainer.tell_losses";

  template <class Archive>
  void serialize(Archive&) {}
};

/// From the command line: stop at the next step border, with a checkpoint.
struct StopTraining {
  static constexpr std::string_view kName = "trainer.stop";
  std::string reason;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(reason);
  }
};

}  // namespace troupe::actors
