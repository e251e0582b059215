#pragma once

#include "actors/recovery/recovery_protocol.hpp"
#include "actors/tensor_bytes.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What a stage actor hears. B samples of a micro-batch, T context, C width.
namespace troupe::actors {

/// What a micro-batch is for: training counts gradients, evaluation only the loss.
enum class Purpose : std::uint8_t { train = 1, evaluate = 2 };

/// From the trainer (request; answered with StateLoaded): be at the border before `step`, drop what was begun and what
/// was sent before `since`.
struct LoadState {
  static constexpr std::string_view kName = "stage.load_state";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t since = 0;  ///< epoch in which all began from one step: what was sent in it and later counts
  StateSource source = StateSource::checkpoint;
  std::string checkpoint;                   ///< folder to load from; empty = initial weights from the seed
  std::string lender;                       ///< the sibling to ask, for a state from one
  std::vector<std::uint32_t> incarnations;  ///< of the whole job, in the order of actor_names(): for the log

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, since, source, checkpoint, lender, incarnations);
  }
};

struct StateLoaded {
  static constexpr std::string_view kName = "stage.state_loaded";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step);
  }
};

/// From the trainer: train from the present step up to, and not including, `until`.
struct RunSteps {
  static constexpr std::string_view kName = "stage.run_steps";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t until = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, until);
  }
};

/// From the data actor to the first stage: tokens (B, T).
struct BatchInputs {
  static constexpr std::string_view kName = "stage.batch_inputs";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;  ///< global index within the step
  Purpose purpose = Purpose::train;
  TensorBytes tokens;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, micro_batch, purpose, tokens);
  }
};

/// From the data actor to every stage: who the samples are (dropout is keyed by sample), and to the last stage the
/// targets (B, T), already shifted, -100 where padding.
struct BatchTargets {
  static constexpr std::string_view kName = "stage.batch_targets";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  Purpose purpose = Purpose::train;
  std::vector<std::uint64_t> samples;
  std::int64_t valid_tokens = 0;  ///< what the loss of the whole step is divided by
  TensorBytes targets;            ///< empty for stages that are not the last

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, micro_batch, purpose, samples, valid_tokens, targets);
  }
};

/// From the previous stage: (B, T, C).
struct ForwardActivations {
  static constexpr std::string_view kName = "stage.forward";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  Purpose purpose = Purpose::train;
  TensorBytes activations;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, micro_batch, purpose, activations);
  }
};

/// From the next stage: gradient of the loss with respect to this stage's output (B, T, C).
struct BackwardGradients {
  static constexpr std::string_view kName = "stage.backward";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  TensorBytes gradients;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, micro_batch, gradients);
  }
};

/// Between the first and the last stage of a replica when the head is tied: the other end's part of the wte gradient
/// (V, C).
struct TiedGradient {
  static constexpr std::string_view kName = "stage.tied_gradient";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  TensorBytes gradient;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, gradient);
  }
};

/// From the trainer: the step is decided. Apply it, then go on if the next step is below `until`.
struct Commit {
  static constexpr std::string_view kName = "stage.commit";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t until = 0;
  double gradient_scale = 1.0;  ///< of the clipping by global norm
  double learning_rate = 0.0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, until, gradient_scale, learning_rate);
  }
};

/// From the parameter server: this stage's weights after `step`, flat.
struct FreshWeights {
  static constexpr std::string_view kName = "stage.fresh_weights";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t until = 0;    ///< as in Commit
  std::uint64_t version = 0;  ///< updates applied so far by the server
  TensorBytes weights;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, until, version, weights);
  }
};

/// From the parameter server (ps_async): this stage's weights at the border before `step`, flat, the same for all
/// replicas. Out of step a replica holds weights of its own otherwise.
struct BorderWeights {
  static constexpr std::string_view kName = "stage.border_weights";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint64_t version = 0;  ///< as in FreshWeights
  TensorBytes weights;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, version, weights);
  }
};

/// From the trainer (request; answered with ShardSaved): write this owner's part of the checkpoint into `directory`.
struct SaveShard {
  static constexpr std::string_view kName = "stage.save_shard";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::string directory;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, directory);
  }
};

struct ShardSaved {
  static constexpr std::string_view kName = "stage.shard_saved";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  runtime::Payload report;  ///< JSON of the files written, for the manifest

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, report);
  }
};

/// A stage to itself: there may be more to do; messages that came meanwhile go first.
struct Continue {
  static constexpr std::string_view kName = "stage.continue";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step);
  }
};

}  // namespace troupe::actors
