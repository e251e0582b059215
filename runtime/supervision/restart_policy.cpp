#include "runtime/supervision/restart_policy.hpp"

#include <algorithm>

namespace troupe::runtime {

RestartDecision decide_restart(std::span<const TimePoint> failures, TimePoint now, const RestartLimits& limits,
                               int failed_starts) {
  const auto recent = std::count_if(failures.begin(), failures.end(),
                                    [&](TimePoint failure) { return now - failure <= limits.window; });
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limits.window).count();
  const std::string count = std::to_string(recent) + (recent == 1 ? " failure" : " failures") + " within " +
                            std::to_string(seconds) + " s, " + std::to_string(limits.max_restarts) +
                            " restarts allowed";
  if (recent > limits.max_restarts || limits.backoff.empty()) return {std::nullopt, count + ": giving up"};
  if (failed_starts > limits.max_restarts) {
    return {std::nullopt, std::to_string(failed_starts) + " starts in a row failed, " +
                              std::to_string(limits.max_restarts) + " restarts allowed: giving up"};
  }
  const auto index = std::min<std::size_t>(static_cast<std::size_t>(std::max<std::ptrdiff_t>(recent, 1) - 1),
                                           limits.backoff.size() - 1);
  return {limits.backoff[index], count};
}

}  // namespace troupe::runtime
