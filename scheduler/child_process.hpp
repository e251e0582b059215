#pragma once

#include "runtime/failure.hpp"
#include "runtime/result.hpp"

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// What to start: program, arguments, text for its standard input, where its output goes.
struct ProcessSpec {
  std::filesystem::path program;
  std::vector<std::string> arguments;
  std::string input;
  std::filesystem::path log;  ///< standard output and error are appended here
};

/// A started process and the descriptor that becomes readable when it ends.
struct ProcessHandle {
  pid_t pid = -1;
  int descriptor = -1;  ///< pidfd, close-on-exec
};

/// Starts a process that is killed when the starting thread ends (PR_SET_PDEATHSIG). Returns when it has become the
/// program: one that is not there or cannot be executed is a Failure, not a process that ends.
[[nodiscard]] runtime::Result<ProcessHandle> start_process(const ProcessSpec& spec);

/// Why a process ended, by its wait status: "exited with status 3", "killed by signal 9 (SIGKILL)",
/// "killed by signal 9 (SIGKILL): out of memory, the cgroup's oom_kill counter grew from 0 to 1".
[[nodiscard]] runtime::Failure describe_exit(int status, long oom_kills_before);

/// Reaps an ended process and says why it ended.
[[nodiscard]] runtime::Failure reap_process(const ProcessHandle& handle, long oom_kills_before);

/// How often the kernel killed for memory in this process's cgroup; 0 where the counter cannot be read.
[[nodiscard]] long count_oom_kills();

}  // namespace troupe::scheduler
