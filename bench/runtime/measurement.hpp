#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The figures of one measurement, in the order in which they are printed.
using Figures = std::vector<std::pair<std::string, double>>;

/// Median and 99th percentile of times in seconds, as microseconds.
inline Figures percentiles(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&seconds](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(seconds.size()));
    return seconds.at(std::min(index, seconds.size() - 1)) * 1e6;
  };
  return {{"p50_us", at(0.5)}, {"p99_us", at(0.99)}};
}

inline Figures rate(const std::string& name, double count, double seconds) {
  return {{name, count / seconds}};
}

/// One line of JSON on stdout: every peer prints the same, run.py puts them side by side.
inline void print_figures(const Figures& figures) {
  std::string line = "{";
  for (const auto& [name, value] : figures) {
    char text[64];
    std::snprintf(text, sizeof text, "%.6g", value);
    line += (line.size() > 1 ? ", \"" : "\"") + name + "\": " + text;
  }
  std::printf("%s}\n", line.c_str());
}

/// What every peer does, so that the figures compare.
struct Load {
  int warm_up = 0;        ///< exchanges that are not counted
  int exchanges = 0;      ///< that are
  std::size_t bytes = 0;  ///< of payload in each
  int batch = 1;          ///< one-way: messages between two answers
  int batches_ahead = 1;  ///< one-way: batches on the way at a time; requests: how many
};

inline constexpr std::size_t kKiB = 1024;
inline constexpr std::size_t kMiB = 1024 * kKiB;

inline Load request_in_process() {
  return {20'000, 200'000, 0, 1, 1};
}
inline Load one_way_in_process() {
  return {200'000, 3'000'000, 0, 1024, 4};
}
inline Load request_between() {
  return {2'000, 20'000, 0, 1, 1};
}
inline Load pipelined_between() {
  return {5'000, 100'000, 0, 1, 256};
}
inline Load one_way_between() {
  return {50'000, 1'000'000, 64, 240, 4};
}
inline Load large_between(std::size_t bytes) {
  const int exchanges = static_cast<int>(std::size_t{4} * 1024 * kMiB / bytes);  // 4 GiB in all
  return {exchanges / 10, exchanges, bytes, 4, 3};
}
inline constexpr int kSpawned = 100'000;

/// Resident memory of this process.
inline double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0;
  file >> pages >> pages;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

using Cases = std::map<std::string, std::function<Figures()>>;

/// main() of every peer: measures the case that is named, or lists them all.
inline int run_case(const Cases& cases, int count, char** arguments) {
  const auto found = cases.find(count == 2 ? arguments[1] : "");
  if (found == cases.end()) {
    for (const auto& [name, measure] : cases) std::cout << name << "\n";
    return count == 1 ? 0 : 2;
  }
  print_figures(found->second());
  return 0;
}

}  // namespace troupe::bench
