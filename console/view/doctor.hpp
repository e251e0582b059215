#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace troupe::console {

/// The result of one look at the machine.
struct Check {
  enum class Verdict { ok, warn, fail };
  std::string name;
  Verdict verdict = Verdict::ok;
  std::string found;   ///< what is there, with numbers
  std::string advice;  ///< what to do; empty when ok
};

/// What was measured; the judgement of it is apart, so that it can be tested.
struct MachineFacts {
  std::uint64_t cores = 0;                ///< that this process may use
  std::uint64_t memory_available = 0;     ///< bytes
  std::uint64_t shared_memory_free = 0;   ///< bytes of /dev/shm (or TROUPE_SHM_DIR); 0 = absent
  std::uint64_t open_files = 0;           ///< limit of this process
  std::uint64_t disk_free = 0;            ///< bytes where runs are written
  std::uint64_t clock_step_ns = 0;        ///< smallest step of the steady clock
  std::vector<std::string> cuda_devices;  ///< device nodes
  std::string libtorch;                   ///< path of the library in this process; empty = none
  std::vector<std::string> missing_data;  ///< files that the examples read
};

[[nodiscard]] MachineFacts look_at_machine(const std::filesystem::path& working_directory);

/// DR-1  Only what makes a run impossible is a failure; what makes it slow or small is a warning.
/// DR-2  Every check that is not ok says what to do.
[[nodiscard]] std::vector<Check> judge_machine(const MachineFacts& facts);

[[nodiscard]] std::string render_checks(const std::vector<Check>& checks);
/// A JSON array of {check, verdict, found, advice}, as text.
[[nodiscard]] std::string checks_json(const std::vector<Check>& checks);
[[nodiscard]] bool has_failure(const std::vector<Check>& checks);

}  // namespace troupe::console
