#pragma once

#include "runtime/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace troupe::runtime {

/// What happens on purpose to a message that comes to where a process listens, before anything looks at it.
enum class FrameFault {
  drop,       ///< it is lost
  duplicate,  ///< it comes twice
  reorder,    ///< it comes after the next one
  corrupt,    ///< one bit of what has a checksum is flipped
  delay,      ///< it, and what comes after it on its connection, is held back
};

/// Faults on purpose at the listening side of a transport, for tests of what the links mend. None by default.
struct FrameFaults {
  /// What happens to which messages.
  struct Rule {
    FrameFault fault = FrameFault::drop;  ///< what
    double rate = 0;                      ///< share of the messages it strikes, 0 to 1
    Duration by{};                        ///< of delay: how long
    std::uint64_t seed = 1;               ///< which ones: the same messages in the same order are struck alike
  };
  std::vector<Rule> rules;  ///< each is asked of every message
  /// Told how often rule number `rule` has struck, at 1, 2, 4, 8 and so on, before it takes effect; on the transport's
  /// thread.
  std::function<void(std::size_t rule, std::uint64_t strikes)> told;
};

}  // namespace troupe::runtime
