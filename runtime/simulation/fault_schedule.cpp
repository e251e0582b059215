#include "runtime/simulation/fault_schedule.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

namespace troupe::runtime::simulation {

namespace {

struct KindName {
  FaultKind kind;
  std::string_view name;
};
constexpr std::array kKindNames = {KindName{FaultKind::crash, "crash"},         KindName{FaultKind::cut, "cut"},
                                   KindName{FaultKind::partition, "partition"}, KindName{FaultKind::one_way, "one_way"},
                                   KindName{FaultKind::pause, "pause"},         KindName{FaultKind::slow, "slow"}};
constexpr double kNanosecondsInMs = 1e6;

bool is_between_two(FaultKind kind) {
  return kind == FaultKind::cut || kind == FaultKind::partition || kind == FaultKind::one_way;
}

std::string in_ms(Duration duration) {
  std::ostringstream text;
  text.precision(12);
  text << static_cast<double>(duration.count()) / kNanosecondsInMs;
  return text.str();
}

Duration from_ms(double milliseconds) {
  return Duration(static_cast<Duration::rep>(milliseconds * kNanosecondsInMs + 0.5));
}

Duration draw_length(FaultKind kind, Random& random) {
  using std::chrono::milliseconds;
  switch (kind) {
    case FaultKind::crash:
      return random.between(milliseconds(1), milliseconds(300));
    case FaultKind::cut:
      return Duration{0};
    case FaultKind::partition:
    case FaultKind::one_way:
      return random.between(milliseconds(1), random.one_in(3) ? milliseconds(2500) : milliseconds(300));
    case FaultKind::pause:
      return random.between(milliseconds(1), random.one_in(4) ? milliseconds(2500) : milliseconds(200));
    case FaultKind::slow:
      return random.between(milliseconds(10), milliseconds(600));
  }
  return Duration{0};
}

}  // namespace

std::string_view to_string(FaultKind kind) {
  return std::find_if(kKindNames.begin(), kKindNames.end(), [kind](const KindName& each) { return each.kind == kind; })
      ->name;
}

std::string describe(const Fault& fault) {
  std::string text =
      "at " + in_ms(fault.at) + " ms " + std::string(to_string(fault.kind)) + " n" + std::to_string(fault.process);
  if (is_between_two(fault.kind)) text += " n" + std::to_string(fault.other);
  if (fault.kind != FaultKind::cut) text += " for " + in_ms(fault.length) + " ms";
  return text;
}

Result<Fault> parse_fault(std::string_view text, std::size_t processes) {
  const auto refuse = [&] {
    return Failure{FailureKind::unknown,
                   "not a fault: \"" + std::string(text) +
                       "\"; write \"at 120 ms crash n1 for 80 ms\" or \"at 9 ms cut n0 n2\", with "
                       "processes n0 to n" +
                       std::to_string(processes - 1)};
  };
  std::istringstream words{std::string(text)};
  std::string at;
  std::string unit;
  std::string kind;
  double milliseconds = -1;
  if (!(words >> at >> milliseconds >> unit >> kind) || at != "at" || unit != "ms" || milliseconds < 0) return refuse();
  const auto known =
      std::find_if(kKindNames.begin(), kKindNames.end(), [&](const KindName& each) { return each.name == kind; });
  if (known == kKindNames.end()) return refuse();
  Fault fault{known->kind, from_ms(milliseconds)};
  const auto read_process = [&](std::size_t& process) {
    std::string name;
    if (!(words >> name) || !name.starts_with('n')) return false;
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + 1, end, process);
    return read.ec == std::errc{} && read.ptr == end && process < processes;
  };
  if (!read_process(fault.process)) return refuse();
  if (is_between_two(fault.kind) && (!read_process(fault.other) || fault.other == fault.process)) return refuse();
  if (fault.kind != FaultKind::cut) {
    std::string word;
    if (!(words >> word >> milliseconds >> unit) || word != "for" || unit != "ms" || milliseconds < 0) return refuse();
    fault.length = from_ms(milliseconds);
  }
  std::string rest;
  if (words >> rest) return refuse();
  return fault;
}

std::vector<Fault> draw_faults(const FaultLimits& limits, Random random) {
  std::vector<Fault> faults;
  if (limits.kinds.empty()) return faults;
  for (std::size_t left = random.below(limits.most + 1); left > 0; --left) {
    Fault fault;
    fault.kind = limits.kinds[random.below(limits.kinds.size())];
    fault.at = random.between(Duration{0}, limits.active);
    fault.length = draw_length(fault.kind, random);
    fault.process = random.below(limits.processes);
    fault.other = (fault.process + 1 + random.below(limits.processes - 1)) % limits.processes;
    faults.push_back(fault);
  }
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) { return a.at < b.at; });
  return faults;
}

}  // namespace troupe::runtime::simulation
