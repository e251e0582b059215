#pragma once

#include "console/run_folder.hpp"

#include <filesystem>
#include <string>

namespace troupe::console {

/// Makes the folder of a new run (runs/<time>, or `wanted`), with logs/, actors/, checkpoints/, and points runs/latest
/// at it. Throws CommandError (usage) when `wanted` already holds a run, and std::runtime_error when it cannot be made.
[[nodiscard]] RunFolder make_run_folder(const std::string& wanted);

/// A private folder (0700) for the sockets of one run, under $XDG_RUNTIME_DIR or /tmp; removed by its destructor.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the folder and what is in it.
/// Errors:        the constructor throws std::runtime_error when it cannot be made.
/// Restart:       a killed process leaves its folder; the next start removes folders whose process is gone.
class SocketFolder final {
public:
  SocketFolder();
  ~SocketFolder();
  SocketFolder(const SocketFolder&) = delete;
  SocketFolder& operator=(const SocketFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
  const std::filesystem::path path_;
};

}  // namespace troupe::console
