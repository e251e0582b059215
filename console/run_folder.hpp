#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::console {

/// Where things are in the folder of a run; docs/run-folder.md describes each file.
struct RunFolder {
  std::filesystem::path root;

  [[nodiscard]] std::filesystem::path config() const { return root / "config.toml"; }
  [[nodiscard]] std::filesystem::path metrics() const { return root / "metrics.jsonl"; }
  [[nodiscard]] std::filesystem::path validation() const { return root / "validation.jsonl"; }
  [[nodiscard]] std::filesystem::path events() const { return root / "events.jsonl"; }
  [[nodiscard]] std::filesystem::path ledger() const { return root / "ledger.jsonl"; }
  [[nodiscard]] std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  [[nodiscard]] std::filesystem::path status_pages() const { return root / "actors"; }
  [[nodiscard]] std::filesystem::path head() const { return root / "head.json"; }
  [[nodiscard]] std::filesystem::path head_log() const { return root / "head.log"; }
  [[nodiscard]] std::filesystem::path report() const { return root / "report.html"; }
  [[nodiscard]] std::filesystem::path lock() const { return root / "head.lock"; }
  [[nodiscard]] std::filesystem::path log(std::string_view actor) const;
};

/// The folder that `option` (--run-dir) names; when that is empty, the one that the environment variable TROUPE_RUN_DIR
/// names; else runs/latest. Throws CommandError (not_found) when it is no folder or holds no run.
[[nodiscard]] RunFolder find_run_folder(const std::string& option);

/// head.json: the process that leads the run.
struct HeadInfo {
  std::string endpoint;
  int process = 0;        ///< pid
  std::string state;      ///< "running", "finished", "failed" or "stopped"
  std::string started;    ///< wall-clock time, for people
  std::uint64_t job = 0;  ///< what the head's transport wants to hear from whoever calls; 0 = any
  std::string key;        ///< file of the key that callers need; empty = none
};

/// Nothing when the file is absent or torn.
[[nodiscard]] std::optional<HeadInfo> read_head_info(const RunFolder& folder);
/// Replaces the file as a whole. Throws std::runtime_error with the reason when that fails.
void write_head_info(const RunFolder& folder, const HeadInfo& info);

/// The right to lead the run of a folder; the kernel gives it back when the process ends, however it ends. (A pid would
/// not do: in a container the next head has the same one.)
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the lock on head.lock, an open-file-description lock (fcntl(2)).
/// Errors:        the constructor throws CommandError (usage) when another process leads the run, std::runtime_error
///                when the file cannot be made.
/// Restart:       free at once.
class RunLock final {
public:
  explicit RunLock(const RunFolder& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

private:
  int descriptor_ = -1;
};

/// Whether the run goes on: a process holds its RunLock.
[[nodiscard]] bool is_run_alive(const RunFolder& folder);

/// What the kernel says about a process of this machine.
enum class ProcessState { gone, alive, frozen };

/// `updated_ns`: CLOCK_MONOTONIC time at which that process certainly ran; a process that started later has only the
/// same number and counts as gone. A zombie is gone too.
[[nodiscard]] ProcessState process_state(int process, std::int64_t updated_ns);

}  // namespace troupe::console
