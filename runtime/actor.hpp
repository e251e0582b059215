#pragma once

#include "runtime/behavior.hpp"

namespace troupe::runtime {

class Context;

/// What becomes of mail that waits when an actor is asked to stop.
enum class StopMode {
  drain,  ///< it is handled first
  now,    ///< it is not: requests among it fail
};

/// Base of every actor: state, a table of handlers, and two hooks.
///
/// Thread-safety: one turn at a time; no locks needed inside.
/// Ownership:     owned by its cell.
/// Errors:        throw from any hook or handler: the actor fails, its watchers get ActorDown with the text.
/// Restart:       a new object with a new incarnation; nothing of the old one survives except what it stored outside.
class Actor {
public:
  virtual ~Actor() = default;
  /// The table of handlers; asked for once, before on_start().
  [[nodiscard]] virtual Behavior behavior() = 0;
  /// First turn; spawn() returns when it has returned. Not called again.
  virtual void on_start(Context& context) { (void)context; }
  /// Last turn of an orderly stop. Not called when the actor failed or the process died.
  virtual void on_stop(Context& context) { (void)context; }
};

}  // namespace troupe::runtime
