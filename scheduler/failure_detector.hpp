#pragma once

#include "runtime/clock.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe::scheduler {

enum class Health { alive, suspected, dead };

/// Heartbeats of nodes -> alive, suspected, dead. Pure over the times it is given.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the times of the last beats.
/// Errors:        a name never heard of is dead.
/// Restart:       lost with the head; nodes register again.
///
/// FD-1  A node is dead only after `dead_after` without a beat, measured on the observer's clock.
/// FD-2  Time in which the observer itself did not run counts for nobody: observe_pause() moves all deadlines.
class FailureDetector final {
public:
  FailureDetector(runtime::Duration suspect_after, runtime::Duration dead_after)
      : suspect_after_(suspect_after), dead_after_(dead_after) {}

  void heard_from(const std::string& node, runtime::TimePoint now) { last_[node] = now; }
  void forget(const std::string& node) { last_.erase(node); }
  /// The observer was itself stopped or starved for `pause`.
  void observe_pause(runtime::Duration pause);
  [[nodiscard]] Health health(const std::string& node, runtime::TimePoint now) const;
  [[nodiscard]] std::vector<std::string> dead(runtime::TimePoint now) const;

private:
  const runtime::Duration suspect_after_;
  const runtime::Duration dead_after_;
  std::map<std::string, runtime::TimePoint> last_;
};

}  // namespace troupe::scheduler
