#pragma once

#include "actors/fault/fault_rule.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

/// Who comes to which point of its work.
struct FaultMoment {
  std::string actor;
  std::uint32_t incarnation = 0;
  std::uint32_t step = 0;  ///< from 1
  std::string place;       ///< name of the phase or point
  std::optional<std::uint32_t> micro_batch;
  std::uint64_t strikes = 1;  ///< how often the rule has struck, when it does more than once
};

/// faults.jsonl of a run folder: a line for each fault that fires, written before it takes effect:
///
///   {"rule":"kill9 ...","actor":"stage/r0.s1","incarnation":1,"pid":7,"monotonic_ns":12,"step":20,"at":"backward"}
///
/// "micro_batch" where there is one, "strikes" of a rule that has struck more than once. Whoever reads it knows whether
/// a test's fault has struck, and when.
///
/// Thread-safety: a plain value; lines of several processes do not mix.
/// Ownership:     owns its path; the file is opened for each line.
/// Errors:        note() throws std::runtime_error when the line cannot be written: a fault that nobody can see later
/// is
///                worth less than none.
/// Restart:       a process that comes back reads what has fired.
///
/// FJ-1  The line of a fault that a process does to itself is in the file before the fault takes effect. (That of a
///       random kill follows when the head has taken the order.)
/// FJ-2  has_fired() says what note() wrote since the beginning, in whatever process, and nothing from before it.
struct FaultJournal {
  std::filesystem::path file;  ///< empty = nothing is written, nothing has fired
  std::int64_t begin_ns = 0;   ///< CLOCK_MONOTONIC; lines from before are of an earlier run in the same folder

  void note(const FaultRule& rule, const FaultMoment& moment) const;
  [[nodiscard]] bool has_fired(const FaultRule& rule) const;
};

}  // namespace troupe::actors
