#pragma once

#include "runtime/clock.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace troupe::runtime::simulation {

/// What happened in a simulation: a hash of all of it, a line for each when somebody reads along, and the first thing
/// that should not have been.
///
/// Thread-safety: one thread.
/// Ownership:     none but the texts.
/// Errors:        none.
/// Restart:       one for each simulation.
class Trace {
public:
  using Reader = std::function<void(TimePoint, const std::string&)>;
  explicit Trace(Reader reader) : reader_(std::move(reader)) {}

  /// `text()` gives the line; it is called only when somebody reads along.
  template <class Text>
  void add(TimePoint now, std::uint64_t what, const Text& text) {
    mix(static_cast<std::uint64_t>(now.time_since_epoch().count()));
    mix(what);
    if (reader_) reader_(now, text());
  }
  /// A promise is broken: the simulation ends here.
  void violate(TimePoint now, std::string what) {
    if (!violation_) violation_ = what;
    add(now, 0, [&what] { return "VIOLATION " + what; });
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }

private:
  void mix(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x100000001b3ULL;
    hash_ ^= hash_ >> 29;
  }

  const Reader reader_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::optional<std::string> violation_;
};

}  // namespace troupe::runtime::simulation
