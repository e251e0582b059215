#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace troupe::actors {

/// A JSON-lines file with one line a step (metrics.jsonl, ledger.jsonl), each step once whatever happened in between.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the file descriptor.
/// Errors:        throws std::runtime_error when the file cannot be read, written or cut, with the reason.
/// Restart:       reads what is there: a torn last line is cut off, whole lines are kept.
///
/// RR-1  After any crash and repeat the file holds each step exactly once, in order.
/// RR-2  A repeated step whose line differs in a compared field is reported, and the first line stays.
class StepLog final {
public:
  /// `compared`: fields that must come out the same when a step is repeated.
  StepLog(std::filesystem::path file, std::vector<std::string> compared);
  ~StepLog();
  StepLog(const StepLog&) = delete;
  StepLog& operator=(const StepLog&) = delete;

  /// Steps recorded: lines for steps 1..n are there.
  [[nodiscard]] std::uint32_t steps() const { return static_cast<std::uint32_t>(compared_values_.size()); }
  /// Records the line of `step` (from 1). Empty when it was new or equal; else what differs.
  [[nodiscard]] std::string record(std::uint32_t step, const nlohmann::ordered_json& line);
  /// Forgets all steps after `step`: for runs whose repeats are not the same by nature (ps_async).
  void cut_after(std::uint32_t step);
  /// Makes the file's content durable.
  void sync();

private:
  void load();
  void append(const std::string& text);
  [[nodiscard]] std::string compared_value(const nlohmann::ordered_json& line) const;

  const std::filesystem::path file_;
  const std::vector<std::string> compared_fields_;
  int descriptor_ = -1;
  std::vector<std::string> compared_values_;  // by step - 1
  std::vector<std::uint64_t> ends_;           // by step - 1: file size after its line
};

/// Steps that a StepLog would find in the file, which stays as it is: torn or damaged lines and what follows them do
/// not count.
[[nodiscard]] std::uint32_t count_steps(const std::filesystem::path& file);

/// A number as C's hexadecimal floating point ("0x1.8p+1"): equal text means equal bits.
[[nodiscard]] std::string hex_float(double value);

}  // namespace troupe::actors
