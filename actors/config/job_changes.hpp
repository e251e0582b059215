#pragma once

#include "actors/config/job_config.hpp"

#include <string>
#include <vector>

namespace troupe::actors {

/// A key that two jobs set differently, its values as TOML text.
struct JobChange {
  std::string key;  ///< "section.name"
  std::string was;
  std::string now;
  /// Whether steps come out with other numbers. They do not when the model is cut elsewhere, or saved and judged more
  /// often.
  enum class Steps { same, altered } steps = Steps::altered;

  /// "train.lr = 0.01 (was 0.003)".
  [[nodiscard]] std::string describe() const;
};

/// What resuming the job `was` as the job `now` changes, in the order of the keys.
///
/// JG-1  A change that is not known to leave every step's numbers as they are counts as one that alters them.
[[nodiscard]] std::vector<JobChange> find_changes(const JobConfig& was, const JobConfig& now);

}  // namespace troupe::actors
