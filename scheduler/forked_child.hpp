#pragma once

#include "runtime/result.hpp"
#include "scheduler/child_process.hpp"

#include <filesystem>
#include <functional>
#include <string>

namespace troupe::scheduler {

/// What a fork of this process is: one more process of this program, which needs neither exec() nor the loading of
/// libraries.
struct ForkedChild {
  std::string title;          ///< what process lists show
  std::filesystem::path log;  ///< standard output and error are appended here; empty = they stay this process's
  int kept = -1;              ///< a descriptor that the child has as kKeptDescriptor; the others are closed
  std::function<int()> main;  ///< what it runs; returns its exit status, and must not throw
};

/// The number that ForkedChild::kept has in the child.
inline constexpr int kKeptDescriptor = 3;

/// Forks this process, which must have one thread: of others, a copy would hold the locks for ever. The child has a
/// session of its own, reads nothing, keeps the signals blocked that are blocked here, and is killed when this process
/// ends. To be reaped with reap_process().
[[nodiscard]] runtime::Result<ProcessHandle> fork_child(const ForkedChild& child);

/// How many threads this process has.
[[nodiscard]] std::ptrdiff_t count_threads();

/// What process lists show of this process from now on, cut to the length of its command line.
void set_process_title(const std::string& title);

/// The kernel kills this process when `parent` ends; ends it at once when that has happened already.
void die_with(pid_t parent);

}  // namespace troupe::scheduler
