#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/failure.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::runtime {

/// Delivered to every watcher of an actor, once for each watch, with the true cause (exception text, signal, lost
/// link).
struct ActorDown {
  static constexpr std::string_view kName = "runtime.actor_down";
  ActorId actor;  ///< which incarnation of it
  Failure cause;  ///< is_orderly_end() of it: it was stopped

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, cause);
  }
};

/// What watchers hear of an actor that stopped in good order.
[[nodiscard]] inline Failure orderly_end() {
  return {FailureKind::disconnected, "stopped"};
}
/// The actor was stopped, it did not fail.
[[nodiscard]] inline bool is_orderly_end(const Failure& cause) {
  return cause.kind == FailureKind::disconnected && cause.text == orderly_end().text;
}

/// Delivered to an actor that watches its node's links, once for each link that is given up: what was on the way to or
/// from the node at `endpoint` may be lost, although both processes may live.
struct LinkLost {
  static constexpr std::string_view kName = "runtime.link_lost";
  std::string endpoint;  ///< of the other node
  Failure cause;         ///< no sign of life, another process there, it closed, ...

  template <class Archive>
  void serialize(Archive& archive) {
    archive(endpoint, cause);
  }
};

}  // namespace troupe::runtime
