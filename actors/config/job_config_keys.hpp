#pragma once

#include "actors/config/job_config.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::actors {

/// A value as a job file can hold it.
using JobValue = std::variant<std::int64_t, double, bool, std::string, std::vector<std::string>>;

enum class JobValueKind { integer, real, boolean, word, text, devices };

/// Closed or half-open range of a number; `above` excludes `least` itself, `below` excludes `most`.
struct JobRange {
  enum class Ends { closed, above_least, below_most };
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
  Ends ends = Ends::closed;

  [[nodiscard]] bool holds(double number) const;
  /// "at least 1", "from 0 to 0.9, less than 1": in words, for messages and the reference.
  [[nodiscard]] std::string describe() const;
};

/// One key of a job file: the only place that knows its name, type, range, meaning and where its value lives.
///
/// Thread-safety: a plain value.
/// Ownership:     owns its functions; they hold no reference to any job.
/// Errors:        none; `set` is called with a value of the right kind only.
/// Restart:       stateless.
struct JobKey {
  std::string section;
  std::string name;
  JobValueKind kind;
  JobRange range;
  std::vector<std::string> words;  ///< allowed values of a word
  std::string meaning;             ///< for docs/configuration.md
  std::function<JobValue(const JobConfig&)> get;
  std::function<void(JobConfig&, const JobValue&)> set;

  [[nodiscard]] std::string full_name() const { return section + "." + name; }
};

/// Every key, in the order in which render_job_config() writes them.
[[nodiscard]] std::vector<JobKey> job_keys();

/// The value as TOML text.
[[nodiscard]] std::string render_job_value(const JobValue& value);

/// What a key takes, in words: "an integer, at least 1".
[[nodiscard]] std::string describe_allowed(const JobKey& key);

/// Empty when `value` may be set, else what is wrong with it and what is allowed. An integer is turned into a real
/// where a real is wanted; a text into a list of devices.
[[nodiscard]] std::string check_job_value(const JobKey& key, JobValue& value);

/// The reference tables of docs/configuration.md.
///
/// JK-1  docs/configuration.md holds these tables as they are.
[[nodiscard]] std::string render_key_reference();

}  // namespace troupe::actors
