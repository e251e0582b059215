#pragma once

#include "runtime/clock.hpp"

#include <cstdint>

namespace troupe::runtime::simulation {

/// Numbers that look random and come from a seed alone (SplitMix64), the same on every machine.
///
/// Thread-safety: one thread.
/// Ownership:     none.
/// Errors:        none.
/// Restart:       the same seed gives the same numbers.
class Random {
public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15ULL;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebULL;
    return mixed ^ (mixed >> 31);
  }
  /// 0 to `end` - 1; 0 of nothing.
  std::uint64_t below(std::uint64_t end) { return end == 0 ? 0 : next() % end; }
  /// True once in `times`.
  bool one_in(std::uint64_t times) { return below(times) == 0; }
  Duration between(Duration least, Duration most) {
    return least + Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>((most - least).count()) + 1)));
  }
  /// A sequence of its own, so that what one part of a simulation draws does not change what another does.
  [[nodiscard]] Random fork() { return Random(next()); }

private:
  std::uint64_t state_;
};

}  // namespace troupe::runtime::simulation
