#pragma once

#include <cstdint>
#include <string>

namespace at {
class Tensor;
}

namespace troupe::actors {

/// Own number in a group, and the size of the group.
struct CommunicatorRank {
  std::uint32_t rank = 0;
  std::uint32_t ranks = 1;
};

/// What a GatherCollective needs of a library that moves device memory between ranks. No call waits for another rank:
/// what was started is asked for with poll().
///
/// Thread-safety: single owner thread.
/// Ownership:     borrows the tensors of gather() until poll() says done, or abort().
/// Errors:        std::runtime_error with the library's own words.
/// Restart:       after abort() connect() may be called again with a fresh id.
class Communicator {
public:
  enum class Progress { pending, done };

  virtual ~Communicator() = default;
  /// Where this rank's memory is, by host and bus address: two ranks must not say the same. Empty = no such limit.
  [[nodiscard]] virtual std::string device() const = 0;
  /// A fresh name for a group to connect under; one member makes it and tells the others.
  [[nodiscard]] virtual std::string make_id() = 0;
  virtual void connect(const CommunicatorRank& rank, const std::string& id) = 0;
  /// Every rank's `own` (n floats, contiguous) into `all` (ranks * n, contiguous), by rank.
  virtual void gather(const at::Tensor& own, const at::Tensor& all) = 0;
  /// How far the last connect() or gather() is.
  [[nodiscard]] virtual Progress poll() = 0;
  /// Drops the connection and whatever is under way, without waiting for the others. Harmless when there is none.
  virtual void abort() = 0;
};

}  // namespace troupe::actors
