#pragma once

#include "actors/config/job_config_keys.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors {

/// One `key = value` of a job text, not yet checked against the table of keys.
struct JobEntry {
  std::string section;  ///< empty for a key outside of any section
  std::string name;
  JobValue value;
  std::string where;  ///< "file:line", for messages
};

/// Reads TOML text into entries. Throws ConfigError with file and line for text that is not TOML, for sections inside
/// sections, and for values that no key of a job can have (dates, mixed lists).
[[nodiscard]] std::vector<JobEntry> read_toml_entries(std::string_view toml, std::string_view origin);

/// `text` read as one TOML value; nothing when it is none, or no value that a job can hold.
[[nodiscard]] std::optional<JobValue> read_toml_value(std::string_view text);

}  // namespace troupe::actors
