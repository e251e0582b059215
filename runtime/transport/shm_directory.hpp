#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

/// Where shared memory for payloads lies, and what is left of it when processes are killed.
namespace troupe::runtime {

/// Where the arenas of this machine lie: /dev/shm, or what the environment variable TROUPE_SHM_DIR names (a directory
/// of a file system in memory).
[[nodiscard]] std::filesystem::path shared_memory_directory();

/// Removes from `directory` the arenas of `job` whose owner is dead; returns how many. Run by whoever supervises. Dead
/// is an owner whose lock on the file is gone: the process numbers of another container mean nothing here.
std::size_t sweep_arenas(const std::filesystem::path& directory, std::uint64_t job);
/// The same for the arenas of every job: what runs that were cut off have left.
std::size_t sweep_all_arenas(const std::filesystem::path& directory);

}  // namespace troupe::runtime
