#pragma once

#include "bench/runtime/measurement.hpp"

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace troupe::bench {

/// What a process holds at one moment.
struct Resources {
  double seconds = 0;  ///< since the run began
  double memory = 0;   ///< resident bytes that are its own: files and shared memory are not counted
  long descriptors = 0;
};

inline Resources resources_of(pid_t process, double seconds) {
  const std::string folder = "/proc/" + std::to_string(process);
  std::ifstream file(folder + "/statm");
  double size = 0;
  double resident = 0;
  double shared = 0;
  file >> size >> resident >> shared;
  std::error_code gone;
  const std::filesystem::directory_iterator descriptors(folder + "/fd", gone);
  return {seconds, (resident - shared) * static_cast<double>(sysconf(_SC_PAGESIZE)),
          gone ? 0L : static_cast<long>(std::distance(begin(descriptors), end(descriptors)))};
}

/// How a process's resources change over a run, without its first sixth, which fills caches and pools.
class Course {
public:
  void add(const Resources& sample) { samples_.push_back(sample); }

  /// Of the straight line through all samples, in bytes for each 10 minutes.
  [[nodiscard]] double memory_slope() const {
    const std::vector<Resources> late = after_warm_up();
    double time = 0;
    double memory = 0;
    for (const Resources& one : late) {
      time += one.seconds / static_cast<double>(late.size());
      memory += one.memory / static_cast<double>(late.size());
    }
    double products = 0;
    double squares = 0;
    for (const Resources& one : late) {
      products += (one.seconds - time) * (one.memory - memory);
      squares += (one.seconds - time) * (one.seconds - time);
    }
    return squares > 0 ? products / squares * 600 : 0;
  }
  /// The most at a time in the last third, less the most in the first third.
  [[nodiscard]] double memory_growth() const { return most(2, &Resources::memory) - most(0, &Resources::memory); }
  [[nodiscard]] long descriptor_growth() const {
    return most(2, &Resources::descriptors) - most(0, &Resources::descriptors);
  }
  [[nodiscard]] const Resources& last() const { return samples_.back(); }

private:
  [[nodiscard]] std::vector<Resources> after_warm_up() const {
    return {samples_.begin() + static_cast<std::ptrdiff_t>(samples_.size() / 6), samples_.end()};
  }
  template <class T>
  [[nodiscard]] T most(std::size_t third, T Resources::*what) const {
    const std::vector<Resources> late = after_warm_up();
    T found{};
    for (std::size_t i = third * late.size() / 3; i < (third + 1) * late.size() / 3; ++i) {
      found = std::max(found, late[i].*what);
    }
    return found;
  }

  std::vector<Resources> samples_;
};

}  // namespace troupe::bench
