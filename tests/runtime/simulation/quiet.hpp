#pragma once

#include <spdlog/spdlog.h>

namespace troupe::runtime::simulation {

/// What dies in a simulation is no news; the level is the process's, and set back.
class Quiet {
public:
  Quiet() : before_(spdlog::get_level()) { spdlog::set_level(spdlog::level::off); }
  ~Quiet() { spdlog::set_level(before_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

private:
  const spdlog::level::level_enum before_;
};

}  // namespace troupe::runtime::simulation
