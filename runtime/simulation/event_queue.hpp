#pragma once

#include "runtime/clock.hpp"
#include "runtime/simulation/random.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace troupe::runtime::simulation {

/// Virtual time, and what is to happen in it. Time passes only from one event to the next.
///
/// Thread-safety: one thread.
/// Ownership:     owns what waits to happen.
/// Errors:        none.
/// Restart:       one for each simulation.
///
/// SQ-1  Events happen in the order of their times; those of the same time in an order that the seed decides.
class EventQueue {
public:
  explicit EventQueue(Random random) : random_(random) {}

  [[nodiscard]] TimePoint now() const { return now_; }
  /// At `due`, or now when that has passed.
  void at(TimePoint due, std::function<void()> work);
  void after(Duration delay, std::function<void()> work) { at(now_ + delay, std::move(work)); }
  /// False when nothing is left until `end`; then it is `end`.
  bool run_next(TimePoint end);
  [[nodiscard]] std::uint64_t happened() const { return happened_; }

private:
  struct Event {
    TimePoint due;
    std::uint64_t tie = 0;
    std::function<void()> work;
  };
  static bool is_later(const Event& a, const Event& b) { return a.due != b.due ? a.due > b.due : a.tie > b.tie; }

  Random random_;
  TimePoint now_{std::chrono::seconds(1000)};
  std::vector<Event> heap_;
  std::uint64_t happened_ = 0;
};

}  // namespace troupe::runtime::simulation
