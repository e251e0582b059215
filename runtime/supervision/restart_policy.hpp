#pragma once

#include "runtime/clock.hpp"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::runtime {

/// How often an actor may be started again: at most `max_restarts` within `window`, with a growing delay (the restart
/// intensity of Erlang/OTP supervisors).
struct RestartLimits {
  int max_restarts = 10;                       ///< within `window`; one more gives up
  Duration window = std::chrono::seconds(60);  ///< failures before it are forgotten
  /// Delay before the first start anew, the second, ...; the last one also before all later. Empty = never started
  /// anew.
  std::vector<Duration> backoff = {std::chrono::milliseconds(0), std::chrono::milliseconds(50),
                                   std::chrono::milliseconds(200), std::chrono::milliseconds(500),
                                   std::chrono::seconds(1)};
};

/// What decide_restart() says.
struct RestartDecision {
  std::optional<Duration> restart_after;  ///< empty = give up
  std::string reason;                     ///< "2 failures within 60 s, 10 restarts allowed"
};

/// Restart after a delay, or give up, with the reason in words. `failures`: times of this actor's failures, the present
/// one last; `failed_starts`: how many of the last ones came before the actor was up, however far apart.
///
/// RP-3  Starts that fail one after the other count without regard to the window: those that run into a deadline are as
///       far apart as the deadline is long.
/// RP-1  Only failures within the window count: an actor that ran well for long starts again at once.
/// RP-2  A pure function: equal arguments, equal answer.
[[nodiscard]] RestartDecision decide_restart(std::span<const TimePoint> failures, TimePoint now,
                                             const RestartLimits& limits, int failed_starts = 0);

}  // namespace troupe::runtime
