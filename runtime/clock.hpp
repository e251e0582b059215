#pragma once

#include <chrono>

namespace troupe::runtime {

/// A length of time, in nanoseconds.
using Duration = std::chrono::nanoseconds;
/// An instant of a monotonic clock; compared with others of the same process only.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// Monotonic time as an interface, so that tests can turn the hands themselves.
///
/// Thread-safety: now() from any thread.
/// Ownership:     none.
/// Errors:        none.
/// Restart:       monotonic time means nothing in another process; never send a TimePoint.
class Clock {
public:
  virtual ~Clock() = default;
  /// @threadsafe  Never earlier than what it said before.
  [[nodiscard]] virtual TimePoint now() const = 0;
};

/// The machine's steady clock.
///
/// Thread-safety: now() from any thread.
/// Ownership:     none.
/// Errors:        none.
/// Restart:       stateless.
class SteadyClock final : public Clock {
public:
  /// std::chrono::steady_clock::now().
  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace troupe::runtime
