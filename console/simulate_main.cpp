#include "console/commands.hpp"
#include "runtime/observe/log.hpp"
#include "runtime/simulation/simulation.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

/// `troupe simulate`: the runtime's own code on a simulated network, seed by seed.
namespace troupe::console {
namespace {

using runtime::simulation::Scenario;
using runtime::simulation::SimulationOptions;
using runtime::simulation::SimulationOutcome;

constexpr std::uint64_t kMostSeeds = 1'000'000'000'000;

struct Seeds {
  std::uint64_t first = 1;
  std::uint64_t last = 1000;
};

std::uint64_t parse_seed(const std::string& text, const std::string& whole) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc{} || read.ptr != end || number > kMostSeeds) {
    throw CommandError(ExitCode::usage, "no seeds: " + whole + "; a number, or FIRST..LAST");
  }
  return number;
}

Seeds parse_seeds(const std::string& text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return {1, parse_seed(text, text)};
  const Seeds seeds{parse_seed(text.substr(0, dots), text), parse_seed(text.substr(dots + 2), text)};
  if (seeds.last < seeds.first) throw CommandError(ExitCode::usage, "no seeds: " + text + " ends before it begins");
  return seeds;
}

std::vector<std::size_t> parse_numbers(const std::string& text) {
  std::vector<std::size_t> numbers;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    numbers.push_back(parse_seed(text.substr(at, comma - at), text));
    at = comma + 1;
  }
  return numbers;
}

Scenario read_scenario(const std::string& path) {
  if (path.empty()) return {};
  std::ifstream file(path);
  if (!file) throw CommandError(ExitCode::not_found, "cannot read the scenario " + path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const runtime::Result<Scenario> scenario = runtime::simulation::parse_scenario(text);
  if (!scenario) throw CommandError(ExitCode::usage, path + ": " + scenario.failure().text);
  return *scenario;
}

/// What all seeds together did.
struct Sum {
  std::uint64_t events = 0;
  std::uint64_t messages = 0;
  std::uint64_t requests = 0;
  std::optional<std::uint64_t> failed;  ///< the lowest seed that did
};

/// On every processor; a seed that fails ends it, when those before it are done.
Sum run_seeds(const Seeds& seeds, const Scenario& scenario) {
  Sum sum;
  std::mutex mutex;
  std::atomic<std::uint64_t> next = seeds.first;
  const auto work = [&] {
    while (true) {
      const std::uint64_t seed = next.fetch_add(1);
      if (seed > seeds.last) return;
      const SimulationOutcome outcome = runtime::simulation::simulate(seed, scenario);
      const std::lock_guard lock(mutex);
      sum.events += outcome.events;
      sum.messages += outcome.messages;
      sum.requests += outcome.requests;
      if (!outcome.violation) continue;
      sum.failed = std::min(sum.failed.value_or(seed), seed);
      next = seeds.last + 1;
    }
  };
  std::vector<std::thread> threads(std::max(1U, std::thread::hardware_concurrency()));
  for (std::thread& thread : threads) thread = std::thread(work);
  for (std::thread& thread : threads) thread.join();
  return sum;
}

std::string kind_of(const SimulationOutcome& outcome) {
  return std::string(to_string(outcome.workload)) + ", " + std::string(to_string(outcome.wire)) + " wire";
}

int explain(std::uint64_t seed, const Scenario& scenario, const std::string& scenario_file) {
  const SimulationOutcome outcome = runtime::simulation::simulate(seed, scenario);
  const std::vector<std::size_t> faults = runtime::simulation::shrink(seed, scenario, {});
  std::cout << "seed " << seed << " (" << kind_of(outcome) << ") fails: " << *outcome.violation << "\n"
            << "fails also with " << faults.size() << " of its " << outcome.faults.size()
            << " faults, and with no fewer:\n";
  std::string numbers;
  for (const std::size_t number : faults) {
    std::cout << "  " << describe(outcome.faults[number - 1]) << "\n";
    numbers += (numbers.empty() ? "" : ",") + std::to_string(number);
  }
  std::cout << "message by message: troupe simulate --seed " << seed << " --faults '" << numbers << "' --trace"
            << (scenario_file.empty() ? "" : " --scenario " + scenario_file) << "\n";
  return to_int(ExitCode::failed);
}

int run_one(const ParsedCommand& command, const Scenario& scenario) {
  const std::uint64_t seed = parse_seed(command.get("seed"), command.get("seed"));
  SimulationOptions options;
  if (command.has("faults")) options.only = parse_numbers(command.get("faults"));
  if (command.has("trace")) {
    options.reader = [](runtime::TimePoint now, const std::string& line) {
      const std::chrono::duration<double, std::milli> at = now.time_since_epoch();
      std::array<char, 32> time{};
      std::snprintf(time.data(), time.size(), "%12.3f ms  ", at.count());
      std::cout << time.data() << line << "\n";
    };
  }
  const SimulationOutcome outcome = runtime::simulation::simulate(seed, scenario, options);
  std::cout << "seed " << seed << " (" << to_string(outcome.workload)
            << "): " << (outcome.violation ? "fails: " + *outcome.violation : std::string("all promises kept")) << "; "
            << outcome.events << " events, " << outcome.messages << " messages, " << outcome.requests
            << " requests, hash " << std::hex << outcome.hash << std::dec << "\n";
  return to_int(outcome.violation ? ExitCode::failed : ExitCode::ok);
}

}  // namespace

int run_simulate(const ParsedCommand& command) {
  runtime::log_to_stderr("off");  // what dies in a simulation is no news of this machine
  const std::string file = command.get("scenario");
  const Scenario scenario = read_scenario(file);
  if (command.has("seed")) return run_one(command, scenario);
  if (command.has("trace") || command.has("faults")) {
    throw CommandError(ExitCode::usage, "--trace and --faults are of one seed: give --seed S");
  }
  const Seeds seeds = parse_seeds(command.get("seeds", "1..1000"));
  const auto begin = std::chrono::steady_clock::now();
  const Sum sum = run_seeds(seeds, scenario);
  if (sum.failed) return explain(*sum.failed, scenario, file);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const auto count = static_cast<double>(seeds.last - seeds.first + 1);
  std::printf("%.0f seeds in %.1f s, %.0f seeds/s: %llu messages, %llu requests, all promises kept\n", count,
              took.count(), count / took.count(), static_cast<unsigned long long>(sum.messages),
              static_cast<unsigned long long>(sum.requests));
  return to_int(ExitCode::ok);
}

}  // namespace troupe::console
