#pragma once

#include "runtime/clock.hpp"

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>

namespace troupe::scheduler {

/// Wall-clock time for people: "2026-01-01T00:00:00.000Z". Nothing decides by it.
[[nodiscard]] std::string wall_time();

/// events.jsonl: what happened to whom, one JSON object a line, written whole with one write().
///
/// Thread-safety: record() from any thread.
/// Ownership:     owns the file descriptor.
/// Errors:        the constructor throws std::runtime_error when the file cannot be opened; a full disk later is
///                reported on the log once and does not stop the run.
/// Restart:       appends, without the torn last line a crash may have left; `seconds` counts from the start of this
///                process, `monotonic` (seconds) from the start of the machine, so that lines of a head and of the next
///                one can be compared.
///
/// EL-1  Every line is a whole JSON object with time, seconds, monotonic and event.
class EventLog final {
public:
  EventLog(const std::filesystem::path& file, const runtime::Clock& clock);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  /// @threadsafe  `fields` is a JSON object; its members follow time, seconds, monotonic and event.
  void record(std::string_view event, const nlohmann::ordered_json& fields);

private:
  const runtime::Clock& clock_;     // constant after construction
  const runtime::TimePoint start_;  // constant after construction
  int descriptor_ = -1;             // constant after construction
  std::mutex mutex_;
  enum class Disk { working, failing } disk_ = Disk::working;  // guarded by mutex_
};

}  // namespace troupe::scheduler
