#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/message/envelope.hpp"

#include <cstdint>
#include <string>

namespace troupe::runtime {

enum class ActorStatus : std::uint8_t { starting = 1, running = 2, stopping = 3, stopped = 4, failed = 5 };

[[nodiscard]] std::string_view to_string(ActorStatus status);

/// An actor seen from outside, live or dead, without asking it: its cell publishes this after every turn.
struct Snapshot {
  ActorId actor;
  ActorStatus status = ActorStatus::starting;
  std::int32_t process = 0;          ///< pid
  std::uint32_t queued = 0;          ///< envelopes waiting in the mailbox
  std::uint64_t handled = 0;         ///< messages taken from the mailbox, the present one included
  std::uint64_t stale_rejected = 0;  ///< messages of or for dead incarnations, refused
  std::uint64_t dead_letters = 0;    ///< sends that failed and messages nobody handles
  std::uint64_t dropped = 0;         ///< messages of Context::send_latest() that a newer one has replaced
  Phase phase = Phase::none;
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  std::uint32_t epoch = 0;
  std::int64_t updated_ns = 0;     ///< CLOCK_MONOTONIC, so that all processes of a host compare
  std::int64_t busy_since_ns = 0;  ///< start of the turn now running; 0 = between turns
  std::string last_message;        ///< name of the message last handled, or now being handled
  std::string failure;             ///< why it is failed; empty otherwise
};

}  // namespace troupe::runtime
