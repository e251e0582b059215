#pragma once

#include "actors/tensor_bytes.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

/// What the replicas of one stage say to each other to sum their gradients.
namespace troupe::actors {

/// Micro-batches [first, first + count) of a step, summed.
struct BlockRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(first, count);
  }
};

/// To the owner of a slice: the sender's block sums, cut to that slice.
struct SliceSums {
  static constexpr std::string_view kName = "collective.slice_sums";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t from = 0;  ///< replica
  std::vector<BlockRange> blocks;
  TensorBytes sums;  ///< (blocks, slice)

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, from, blocks, sums);
  }
};

/// From the owner of a slice to everybody: the slice summed over all micro-batches of the step.
struct SliceTotal {
  static constexpr std::string_view kName = "collective.slice_total";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t from = 0;
  TensorBytes total;  ///< (slice)

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, from, total);
  }
};

}  // namespace troupe::actors
