#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/failure.hpp"
#include "runtime/result.hpp"

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// An actor's process has ended, as its node's agent knows it.
struct Death {
  runtime::ActorId actor;
  pid_t process = 0;
  std::string node;
  std::filesystem::path run_directory;
  runtime::Failure cause;            ///< exception text, exit status or signal, out of memory, hang
  std::vector<std::string> threads;  ///< where they were, when it was killed for a hang (describe_threads())
  double lived_seconds = 0;
};

/// How many files a run folder keeps; beyond that the oldest go.
inline constexpr std::size_t kMostPostMortems = 100;

/// "post-mortem/stage_r0.s1#2.json", in the run folder.
[[nodiscard]] std::filesystem::path post_mortem_file(const runtime::ActorId& actor);

/// Writes all that is known of the death into that file: the cause, what the actor was doing (its status page), its
/// last messages (the flight recorder), the end of its log, times. docs/run-folder.md has the fields. Returns the whole
/// path, or why it could not be written.
///
/// PM-1  Every death has one file, whole or not there, and a folder has kMostPostMortems of them at most.
[[nodiscard]] runtime::Result<std::filesystem::path> write_post_mortem(const Death& death);

}  // namespace troupe::scheduler
