#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>

namespace troupe::console {

/// How much of a file to read, and for how long.
struct FollowOptions {
  enum class Until { end_of_file, run_over };
  Until until = Until::end_of_file;
  std::size_t last_lines = std::numeric_limits<std::size_t>::max();  ///< of what is there at the start
  std::function<bool()> is_run_over = [] { return true; };           ///< asked now and then
};

enum class FollowEnd { done, interrupted };

/// Hands each whole line of `file` to `take_line`, without its newline, and then those that are written later, until
/// the run is over or SIGINT or SIGTERM comes. An absent file is waited for. The calling thread must be the only one
/// that may receive these signals. Throws std::runtime_error when the kernel refuses to watch the file's folder.
///
/// FO-1  Lines come in their order, each once, whole; a last line without newline comes when nothing more can follow.
/// FO-2  Following ends when the run is over, after everything written until then was handed over.
/// FO-3  A file that was cut is read again from its start.
FollowEnd follow_file(const std::filesystem::path& file, const FollowOptions& options,
                      const std::function<void(const std::string&)>& take_line);

}  // namespace troupe::console
