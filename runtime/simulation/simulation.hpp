#pragma once

#include "runtime/message/safety_checks.hpp"
#include "runtime/simulation/scenario.hpp"
#include "runtime/simulation/trace.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::runtime::simulation {

struct SimulationOptions {
  std::optional<std::vector<std::size_t>> only;  ///< of the faults, these alone, counted from 1
  Trace::Reader reader;                          ///< hears every event; empty = nobody does
  SafetyChecks checks;
  /// From the last fault to the planned end, in virtual time: two silences, and then every link knows what became of
  /// its peer.
  Duration rest = std::chrono::milliseconds(3500);
  /// Of the end, on a hostile wire: each hello that it loses costs a silence, and several may be lost one by one.
  Duration most_put_off = std::chrono::seconds(30);
};

struct SimulationOutcome {
  std::optional<std::string> violation;  ///< the first promise that was broken
  std::uint64_t hash = 0;                ///< of all that happened
  std::uint64_t events = 0;
  std::uint64_t messages = 0;  ///< accepted by transports
  std::uint64_t requests = 0;
  WorkloadKind workload = WorkloadKind::requests;
  WireMode wire = WireMode::honest;
  std::vector<Fault> faults;  ///< all that the seed or the scenario gives, also those left out
  Duration put_off{0};        ///< by which the end was later than planned, in virtual time
};

/// One run from beginning to end, in this thread, in virtual time.
///
/// SI-1  The same seed, scenario and options give the same outcome, hash included.
/// SI-2  With any one of SafetyChecks taken out, some seeds end in a violation; with all in place none does.
/// SI-3  On a hostile wire, which may by chance hold up whatever is sent, the end is put off until all have caught up,
///       but not for ever; on no other.
[[nodiscard]] SimulationOutcome simulate(std::uint64_t seed, const Scenario& scenario,
                                         const SimulationOptions& options = {});

/// The shortest list of faults (counted from 1) found with which the seed still fails (delta debugging): without any
/// one of them it does not.
[[nodiscard]] std::vector<std::size_t> shrink(std::uint64_t seed, const Scenario& scenario,
                                              const SimulationOptions& options);

}  // namespace troupe::runtime::simulation
