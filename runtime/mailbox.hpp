#pragma once

#include "runtime/message/envelope.hpp"

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

namespace troupe::runtime {

enum class PushResult { queued, full, closed };

/// Whether there must be room for an envelope.
enum class Room {
  by_kind,  ///< for requests and messages
  always,   ///< the sender has bounded their number already
};

/// Envelopes waiting for one actor, oldest first.
///
/// Thread-safety: push(), size() and close() from any thread; pop() from the owner's turn only.
/// Ownership:     owns an envelope from push() until pop() hands it out.
/// Errors:        push() says full or closed; nothing here blocks or throws.
/// Restart:       emptied; senders of lost requests get a Failure.
///
/// MB-1  Two envelopes from one sender are popped in the order they were pushed.
/// MB-2  After close(), push() fails; close() hands out what was waiting.
/// MB-3  Requests and messages are refused beyond the capacity; replies, failures and downs are always taken: their
///       number is bounded by requests and watches. So is what an actor sends itself after a delay, by its own calls.
class Mailbox final {
public:
  explicit Mailbox(std::size_t capacity) : capacity_(capacity) {}

  /// @threadsafe  Takes the envelope only when it is queued.
  [[nodiscard]] PushResult push(Envelope& envelope, Room room = Room::by_kind);
  [[nodiscard]] std::optional<Envelope> pop();
  /// @threadsafe  What was still waiting.
  [[nodiscard]] std::vector<Envelope> close();
  /// @threadsafe
  [[nodiscard]] std::size_t size() const;

private:
  const std::size_t capacity_;  // constant after construction

  mutable std::mutex mutex_;
  std::deque<Envelope> waiting_;                        // guarded by mutex_
  enum class Door { open, closed } door_ = Door::open;  // guarded by mutex_
};

}  // namespace troupe::runtime
