#pragma once

#include <cstdint>

namespace troupe::runtime {

/// A process seen from outside: its number could be another's by now, its start time tells.
struct ProcessMark {
  std::int64_t pid = 0;             ///< its number, in its own namespace
  std::uint64_t start = 0;          ///< clock ticks since boot
  std::uint64_t pid_namespace = 0;  ///< inode; marks of different namespaces cannot be compared

  template <class Archive>
  void serialize(Archive& archive) {
    archive(pid, start, pid_namespace);
  }
};

/// The mark of who calls; `start` is 0 when it cannot be read.
[[nodiscard]] ProcessMark this_process();
/// True only when the process is certainly gone (or a corpse nobody has reaped); false when it lives or cannot be told.
[[nodiscard]] bool is_dead(const ProcessMark& process);

}  // namespace troupe::runtime
