#pragma once

#include "runtime/result.hpp"
#include "scheduler/descriptor.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace troupe::scheduler {

/// A node's folder in shared memory for one run: what its actors keep there outlives them, and goes when the agent
/// leaves.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the folder: removed with all that is in it by the destructor.
/// Errors:        open() says what the system said; two agents of one name in one run: the second gets none.
/// Restart:       an agent that comes back to the run finds the folder with what is in it.
///
/// SD-1  A folder whose agent lives is never swept.
class StateFolder final {
public:
  /// `run` and `node` name the folder. Removes the folders of other runs whose agents are gone.
  [[nodiscard]] static runtime::Result<std::unique_ptr<StateFolder>> open(const std::filesystem::path& shared_memory,
                                                                          const std::filesystem::path& run,
                                                                          const std::string& node);
  ~StateFolder();
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
  StateFolder(std::filesystem::path path, Descriptor lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  const std::filesystem::path path_;
  const Descriptor lock_;  // of the folder itself
};

/// Removes the folders of all runs whose agents are gone; returns how many.
std::size_t sweep_state_folders(const std::filesystem::path& shared_memory);

}  // namespace troupe::scheduler
