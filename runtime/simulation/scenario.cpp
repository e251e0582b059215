#include "runtime/simulation/scenario.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

namespace troupe::runtime::simulation {

namespace {

constexpr std::size_t kMostProcesses = 8;
constexpr std::size_t kMostFaults = 100;
constexpr std::size_t kMostActiveMs = 600'000;
constexpr std::array kWorkloads = {WorkloadKind::requests, WorkloadKind::group, WorkloadKind::tree,
                                   WorkloadKind::training};

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

std::optional<std::size_t> read_number(const std::string& text, std::size_t least, std::size_t most) {
  std::size_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc{} || read.ptr != end || number < least || number > most) return std::nullopt;
  return number;
}

// Each says what is wrong, or nothing.
std::string set_workload(Scenario& scenario, const std::string& value) {
  if (value == "mixed") return {};
  for (const WorkloadKind kind : kWorkloads) {
    if (to_string(kind) == value) scenario.workload = kind;
  }
  return scenario.workload ? "" : "workload is mixed, requests, group, tree or training";
}

std::string set_wire(Scenario& scenario, const std::string& value) {
  for (const WireMode mode : {WireMode::honest, WireMode::hostile, WireMode::corrupt}) {
    if (to_string(mode) == value) scenario.wire = mode;
  }
  return scenario.wire || value == "mixed" ? "" : "wire is mixed, honest, hostile or corrupt";
}

std::string set_kinds(Scenario& scenario, const std::string& value) {
  scenario.kinds.clear();
  std::istringstream words(value);
  for (std::string word; words >> word;) {
    const Result<Fault> fault = parse_fault("at 0 ms " + word + (word == "cut" ? " n0 n1" : " n0 for 0 ms"), 2);
    const Result<Fault> of_two = parse_fault("at 0 ms " + word + " n0 n1 for 0 ms", 2);
    if (!fault && !of_two) return "no kind of fault: " + word + "; crash, cut, partition, one_way, pause, slow";
    scenario.kinds.push_back(fault ? fault->kind : of_two->kind);
  }
  return {};
}

std::string set(Scenario& scenario, const std::string& key, const std::string& value) {
  const auto number = [&](std::size_t least, std::size_t most, const auto& use) {
    const std::optional<std::size_t> read = read_number(value, least, most);
    if (read) use(*read);
    return read ? std::string() : key + " is a number from " + std::to_string(least) + " to " + std::to_string(most);
  };
  if (key == "workload") return set_workload(scenario, value);
  if (key == "wire") return set_wire(scenario, value);
  if (key == "kinds") return set_kinds(scenario, value);
  if (key == "processes") return number(3, kMostProcesses, [&](std::size_t n) { scenario.processes = n; });
  if (key == "most_faults") return number(0, kMostFaults, [&](std::size_t n) { scenario.most_faults = n; });
  if (key == "active_ms") {
    return number(1, kMostActiveMs, [&](std::size_t n) { scenario.active = std::chrono::milliseconds(n); });
  }
  if (key == "fault") {
    const Result<Fault> fault = parse_fault(value, scenario.processes);
    if (!fault) return fault.failure().text;
    scenario.faults.push_back(*fault);
    return {};
  }
  return "no such key: " + key + "; workload, wire, processes, active_ms, most_faults, kinds, fault";
}

}  // namespace

std::string_view to_string(WorkloadKind kind) {
  switch (kind) {
    case WorkloadKind::requests:
      return "requests";
    case WorkloadKind::group:
      return "group";
    case WorkloadKind::tree:
      return "tree";
    case WorkloadKind::training:
      return "training";
  }
  return "unknown";
}

Result<Scenario> parse_scenario(std::string_view text) {
  Scenario scenario;
  std::istringstream lines{std::string(text)};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string content = trimmed(std::string_view(line).substr(0, line.find('#')));
    if (content.empty()) continue;
    const std::size_t equals = content.find('=');
    const std::string wrong = equals == std::string::npos
                                  ? "no \"key = value\": " + content
                                  : set(scenario, trimmed(std::string_view(content).substr(0, equals)),
                                        trimmed(std::string_view(content).substr(equals + 1)));
    if (!wrong.empty()) return Failure{FailureKind::unknown, "line " + std::to_string(number) + ": " + wrong};
  }
  std::stable_sort(scenario.faults.begin(), scenario.faults.end(),
                   [](const Fault& a, const Fault& b) { return a.at < b.at; });
  return scenario;
}

}  // namespace troupe::runtime::simulation
