#pragma once

#include "actors/tensor_bytes.hpp"

#include <cstdint>
#include <string>
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

// ---- before a gather: nobody enters the library's rendezvous until everybody has said that it comes ----------------

/// To every other member: ready to sum `step`, with these blocks of `elements` floats.
struct GatherOffer {
  static constexpr std::string_view kName = "collective.gather_offer";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t from = 0;  ///< replica
  std::uint64_t elements = 0;
  std::vector<BlockRange> blocks;
  std::string device;  ///< the sender's GPU, by host and bus address

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, from, elements, blocks, device);
  }
};

/// From replica 0 to the others, once an epoch and after every offer is there: the name under which they connect.
struct CommunicatorId {
  static constexpr std::string_view kName = "collective.communicator_id";
  std::uint32_t epoch = 0;
  std::uint32_t from = 0;
  std::string id;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, from, id);
  }
};

/// To every other member: the sender has the id and connects. Who never says it is named when the deadline passes.
struct CommunicatorEntered {
  static constexpr std::string_view kName = "collective.communicator_entered";
  std::uint32_t epoch = 0;
  std::uint32_t from = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, from);
  }
};

/// To oneself, after a delay: see how far the transfer is. Only the newest ticket counts.
struct PollCollective {
  static constexpr std::string_view kName = "collective.poll";
  std::uint32_t epoch = 0;
  std::uint64_t ticket = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, ticket);
  }
};

}  // namespace troupe::actors
