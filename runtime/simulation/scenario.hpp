#pragma once

#include "runtime/result.hpp"
#include "runtime/simulation/fault_schedule.hpp"
#include "runtime/simulation/network.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime::simulation {

enum class WorkloadKind : unsigned char { requests, group, tree, training };

/// What a simulation is about, but for what its seed decides. docs/simulation.md describes the file.
struct Scenario {
  std::optional<WorkloadKind> workload;  ///< none = by the seed
  std::optional<WireMode> wire;          ///< none = by the seed: of eight two are hostile, one corrupt
  std::size_t processes = 3;
  Duration active = std::chrono::milliseconds(700);  ///< while work is made and faults happen
  std::size_t most_faults = 6;
  std::vector<FaultKind> kinds = {FaultKind::crash,   FaultKind::cut,   FaultKind::partition,
                                  FaultKind::one_way, FaultKind::pause, FaultKind::slow};
  std::vector<Fault> faults;  ///< these; none = drawn from the seed
};

/// Lines of "key = value", "#" begins a comment. Failure unknown with the number of the line and what is allowed.
[[nodiscard]] Result<Scenario> parse_scenario(std::string_view text);

[[nodiscard]] std::string_view to_string(WorkloadKind kind);

}  // namespace troupe::runtime::simulation
