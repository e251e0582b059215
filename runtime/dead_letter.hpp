#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/failure.hpp"

#include <string>
#include <string_view>

namespace troupe::runtime {

/// A message that send() had taken, and that nobody handled. An actor that has a handler for it gets one for each such
/// message of its own; of others it is counted (Snapshot::dead_letters) and logged. What send() has refused, its result
/// has said; a request has its outcome.
///
/// DL-1  Its sender is told once, with the message's name, the receiver and why, each node on the way in words.
/// DL-2  A dead letter that cannot be delivered is lost: none is made of it.
/// DL-3  Actors without a handler for it cause no mail by messages that are lost.
struct DeadLetter {
  static constexpr std::string_view kName = "runtime.dead_letter";
  ActorId receiver;     ///< as it was addressed; its name is empty where it was never known
  std::string message;  ///< kName of what was sent
  Failure reason;       ///< "node n2: the mailbox of b/x#3 is full"

  template <class Archive>
  void serialize(Archive& archive) {
    archive(receiver, message, reason);
  }
};

}  // namespace troupe::runtime
