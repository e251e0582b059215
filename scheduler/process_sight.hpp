#pragma once

#include "runtime/clock.hpp"

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// What the kernel says of a process of this machine.
struct ProcessSight {
  char state = '?';                     ///< as proc(5): R runs, S and D sleep, T stopped by a signal, t traced, Z dead
  runtime::Duration processor_time{0};  ///< used so far by all its threads
};

/// Nothing when there is no such process.
[[nodiscard]] std::optional<ProcessSight> look_at_process(pid_t pid);

/// Where each thread of the process is, one text a thread: name, state, the kernel function and the system call it
/// waits in, and its stack in the kernel, as far as the kernel lets us read them. At most 64 threads.
[[nodiscard]] std::vector<std::string> describe_threads(pid_t pid);

}  // namespace troupe::scheduler
