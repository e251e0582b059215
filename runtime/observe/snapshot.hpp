#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/message/envelope.hpp"

#include <cstdint>
#include <string>

namespace troupe::runtime {

/// Where an actor is in its life. Values are part of the status page's format.
enum class ActorStatus : std::uint8_t {
  starting = 1,  ///< on_start() has not returned
  running = 2,   ///< handles messages
  stopping = 3,  ///< asked to stop, and not done
  stopped = 4,   ///< ended in good order
  failed = 5,    ///< threw, or ended with one it was linked to: Snapshot::failure says why
};

/// The name above, "starting" to "failed".
[[nodiscard]] std::string_view to_string(ActorStatus status);

/// An actor seen from outside, live or dead, without asking it: its cell publishes this after every turn.
struct Snapshot {
  ActorId actor;                               ///< who
  ActorStatus status = ActorStatus::starting;  ///< as it said itself: of a killed process it stays "running"
  std::int32_t process = 0;                    ///< pid
  std::uint32_t queued = 0;                    ///< envelopes waiting in the mailbox
  std::uint64_t handled = 0;                   ///< messages taken from the mailbox, the present one included
  std::uint64_t stale_rejected = 0;            ///< messages of or for dead incarnations, refused
  std::uint64_t dead_letters = 0;              ///< sends that failed and messages nobody handles
  std::uint64_t dropped = 0;                   ///< messages of Context::send_latest() that a newer one has replaced
  Phase phase = Phase::none;                   ///< what Context::note() said last
  std::uint32_t step = 0;                      ///< the same
  std::uint32_t micro_batch = 0;               ///< the same
  std::uint32_t epoch = 0;      ///< of the membership: the highest in a message that it has handled; 0 = none had one
  std::int64_t updated_ns = 0;  ///< CLOCK_MONOTONIC, so that all processes of a host compare
  std::int64_t busy_since_ns = 0;  ///< start of the turn now running; 0 = between turns
  std::string last_message;        ///< name of the message last handled, or now being handled
  std::string failure;             ///< why it is failed; empty otherwise
};

}  // namespace troupe::runtime
