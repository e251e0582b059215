#pragma once

#include "actors/collective/collective_protocol.hpp"
#include "runtime/context.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace at {
class Tensor;
}

namespace troupe::actors {

struct LayoutConfig;
class SentLog;

/// Who sums with whom: the same stage in every replica, in one epoch of the membership.
struct ReplicaGroup {
  std::vector<std::string> members;  ///< actor names, by replica
  std::uint32_t self = 0;            ///< own replica
  std::uint32_t micro_batches = 0;   ///< of a whole step, over all replicas
};

/// What one replica brings to a sum: for each aligned block of its micro-batches the summed flat gradient.
struct Contribution {
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::vector<BlockRange> blocks;
  std::vector<std::shared_ptr<at::Tensor>> sums;  ///< flat (N) each, one a block; shared with messages on their way
};

/// Sums gradients over the replicas of a stage. Implementations: message_collective.cpp (actor messages; payloads
/// through shared memory in a host, over tcp between hosts) and gather_collective.cpp, which nccl_collective.cpp runs
/// on GPUs. A message of the other implementation's protocol is ignored.
///
/// Thread-safety: single owner thread (the stage's turn).
/// Ownership:     owned by its stage actor; `done` must outlive the reduction.
/// Errors:        a reduction that cannot finish never calls `done`: the death of a member ends the epoch, and reset()
///                starts over. Implementations that wait throw std::runtime_error at their deadline.
/// Restart:       rebuilt with the stage; with messages, the others send again what the restarted one lacks.
///
/// CL-1  The result is the fixed binary tree over global micro-batches: bitwise the same for every number of replicas.
/// CL-2  Parts of another epoch are ignored (with messages: of epochs before the one given to reset()); parts that come
///       before begin() are kept for it.
/// CL-3  Parts of a sum that is done are ignored: a restarted replica sends them again.
class Collective {
public:
  using Done = std::function<void(at::Tensor total, runtime::Context& context)>;

  virtual ~Collective() = default;
  /// Starts a reduction; `done` runs once, in this call or in a later turn, with the flat sum (N).
  virtual void begin(Contribution contribution, Done done, runtime::Context& context) = 0;
  virtual void deliver(const SliceSums&, runtime::Context&) {}
  virtual void deliver(const SliceTotal&, runtime::Context&) {}
  virtual void deliver(const GatherOffer&, runtime::Context&) {}
  virtual void deliver(const CommunicatorId&, runtime::Context&) {}
  virtual void deliver(const CommunicatorEntered&, runtime::Context&) {}
  virtual void deliver(const PollCollective&, runtime::Context&) {}
  /// All begin anew at `step`: drop everything, and what was sent before that epoch.
  virtual void reset(std::uint32_t epoch, std::uint32_t step) = 0;
};

/// `sent` outlives it.
[[nodiscard]] std::unique_ptr<Collective> make_message_collective(ReplicaGroup group, SentLog& sent);

/// Whether all members of any group of that layout send messages, on whatever machine they are.
[[nodiscard]] bool sums_by_messages(const LayoutConfig& layout);

/// The sum of the blocks of all micro-batches of a step, in the fixed tree: (N) each -> (N).
[[nodiscard]] at::Tensor sum_blocks(const std::vector<BlockRange>& ranges, const std::vector<at::Tensor>& sums,
                                    std::uint32_t micro_batches);

}  // namespace troupe::actors
