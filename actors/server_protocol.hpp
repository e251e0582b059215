#pragma once

#include "actors/collective/collective_protocol.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

/// What the parameter server hears, besides LoadState, Commit and SaveShard of stage_protocol.hpp.
namespace troupe::actors {

/// From a stage: the sums of its micro-batches' gradients, flat, block after block.
struct PushGradients {
  static constexpr std::string_view kName = "server.push_gradients";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t replica = 0;
  std::uint32_t stage = 0;
  std::uint64_t version = 0;       ///< of the weights the gradients were computed with
  std::vector<BlockRange> blocks;  ///< micro-batches summed in each
  TensorBytes sums;                ///< (blocks, flat gradient size)

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, replica, stage, version, blocks, sums);
  }
};

/// From the trainer, at a border before a validation (ps_async): send BorderWeights to every stage.
struct ShareWeights {
  static constexpr std::string_view kName = "server.share_weights";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step);
  }
};

}  // namespace troupe::actors
