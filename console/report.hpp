#pragma once

#include "console/run_folder.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace troupe::console {

/// What a report tells about: the lines of a run's files.
struct ReportInput {
  std::string name;                        ///< of the run
  std::string config;                      ///< config.toml
  std::vector<nlohmann::json> metrics;     ///< metrics.jsonl
  std::vector<nlohmann::json> validation;  ///< validation.jsonl
  std::vector<nlohmann::json> events;      ///< events.jsonl
};

/// Reads what is there; absent files and torn lines are left out.
[[nodiscard]] ReportInput read_report_input(const RunFolder& folder);

/// One HTML page that needs no other file and no script: figures, curves, epochs, restarts, the job.
///
/// RP-1  Every tag that is opened is closed, in order, whatever the input is; texts are escaped.
/// RP-2  The page asks for nothing from outside.
[[nodiscard]] std::string render_report(const ReportInput& input);

/// Writes report.html into the run's folder, as a whole or not at all, and returns its path. Throws std::runtime_error
/// with the reason when it cannot be written.
std::filesystem::path write_report(const RunFolder& folder);

}  // namespace troupe::console
