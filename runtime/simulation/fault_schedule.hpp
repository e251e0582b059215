#pragma once

#include "runtime/result.hpp"
#include "runtime/simulation/random.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime::simulation {

/// What befalls the processes of a simulation.
enum class FaultKind : unsigned char {
  crash,      ///< the process is gone, and started again after the fault's length
  cut,        ///< the connections between two break
  partition,  ///< nothing gets from one to the other, nor back
  one_way,    ///< nothing gets from one to the other
  pause,      ///< the process gets no processor
  slow,       ///< each of its turns takes long
};

struct Fault {
  FaultKind kind = FaultKind::crash;
  Duration at{};      ///< since the beginning
  Duration length{};  ///< of all but a cut
  std::size_t process = 0;
  std::size_t other = 0;  ///< of a cut or partition

  bool operator==(const Fault&) const = default;
};

[[nodiscard]] std::string_view to_string(FaultKind kind);
/// "at 120.5 ms crash n1 for 80 ms", "at 9 ms cut n0 n2".
[[nodiscard]] std::string describe(const Fault& fault);
/// What describe() wrote; of processes n0 to n<processes - 1>.
[[nodiscard]] Result<Fault> parse_fault(std::string_view text, std::size_t processes);

/// Faults drawn from a seed: at most `most`, of the kinds given, within `active`, sorted by time.
struct FaultLimits {
  std::size_t most = 6;
  std::vector<FaultKind> kinds;
  std::size_t processes = 3;
  Duration active = std::chrono::seconds(1);
};
[[nodiscard]] std::vector<Fault> draw_faults(const FaultLimits& limits, Random random);

}  // namespace troupe::runtime::simulation
