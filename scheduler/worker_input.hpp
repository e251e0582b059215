#pragma once

#include "runtime/actor_id.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::scheduler {

/// What an agent tells a worker process on its standard input: one JSON object.
///
/// Thread-safety: a plain value.
/// Ownership:     owns its texts.
/// Errors:        parse_worker_input() throws std::runtime_error naming the field that is missing.
/// Restart:       every incarnation gets its own.
///
/// WI-1  render then parse gives the same input.
struct WorkerInput {
  runtime::ActorId actor;
  std::uint64_t job = 0;
  std::uint32_t term = 0;
  std::string head_endpoint;
  std::uint32_t head_incarnation = 1;
  std::string run_directory;
  std::string listen;    ///< "ipc:///folder" or "tcp://host"
  std::string job_text;  ///< the resolved job
  std::string memory;    ///< the node's folder for states that outlive processes; empty = there is none

  /// The endpoint of this incarnation: a socket of its own in the folder, or any free port of the host.
  [[nodiscard]] std::string listen_address() const;
};

[[nodiscard]] std::string render_worker_input(const WorkerInput& input);
[[nodiscard]] WorkerInput parse_worker_input(std::string_view text);

}  // namespace troupe::scheduler
