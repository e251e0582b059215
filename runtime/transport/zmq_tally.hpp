#pragma once

#include "runtime/transport/transport.hpp"

#include <atomic>
#include <cstdint>

namespace troupe::runtime {

/// The counters of a transport while it runs.
///
/// Thread-safety: all members from any thread.
/// Ownership:     owned by the transport.
/// Errors:        none.
/// Restart:       starts at zero.
struct TransportTally {
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> bytes_sent{0};
  std::atomic<std::uint64_t> bytes_received{0};
  std::atomic<std::uint64_t> undeliverable{0};
  std::atomic<std::uint64_t> malformed{0};
  std::atomic<std::uint64_t> through_arena{0};

  [[nodiscard]] TransportCounters read() const {
    return {sent, received, bytes_sent, bytes_received, undeliverable, malformed, through_arena};
  }
};

}  // namespace troupe::runtime
