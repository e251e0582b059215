#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatcher.hpp"
#include "runtime/supervision/restart_policy.hpp"
#include "runtime/watch.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::runtime {

/// When a child that has ended is started again. (Names and meanings as in Erlang/OTP.)
enum class Restart {
  permanent,  ///< always
  transient,  ///< unless it ended in good order
  temporary,  ///< never
};

/// Who is started again when one child is.
enum class RestartScope {
  one_for_one,   ///< it alone
  one_for_all,   ///< all children
  rest_for_one,  ///< it and those behind it in the list, which may depend on it
};

/// An actor that a supervisor starts.
struct ChildSpec {
  std::string name;                              ///< of the actor, on the supervisor's node
  std::function<std::unique_ptr<Actor>()> make;  ///< called for each incarnation
  Restart restart = Restart::permanent;          ///< when it is started again
  Placement placement = Placement::shared;       ///< on which threads its turns run
};

/// What a supervisor starts, and how it goes on when one of them ends.
struct SupervisorSpec {
  RestartScope scope = RestartScope::one_for_one;  ///< who is started again with it
  RestartLimits limits;                            ///< of all children together
  double jitter = 0.2;     ///< a delay is longer or shorter by up to this part, so that many do not come back at once
  std::uint64_t seed = 1;  ///< of the jitter
  std::vector<ChildSpec> children;  ///< in the order in which they are started
};

/// An actor that starts others on its node, and starts them again when they end. One that gives up fails, and its own
/// supervisor, if it has one, decides what to do.
///
/// Thread-safety: as any actor.
/// Ownership:     of the names of its children; the node owns the actors.
/// Errors:        fails with "gave up on NAME: why; last: cause" beyond the limits, and when a child's name is taken.
/// Restart:       begins with all children anew, under higher incarnations.
///
/// SV-1  A child that is to be started again is, under a higher incarnation and after the delay of the limits; those
///       that the scope names beside it are stopped before, and started with it in the order of the list.
/// SV-2  Beyond its limits a supervisor fails with the cause of the last failure.
/// SV-3  However a supervisor ends, its children are asked to stop, the last first.
/// SV-4  Who is not to be started again stays down, and counts for nothing.
class Supervisor final : public Actor {
public:
  /// Children are started by on_start(), in the order of the list.
  explicit Supervisor(SupervisorSpec spec);
  /// Asks the children to stop, the last first.
  ~Supervisor() override;

  Behavior behavior() override;
  void on_start(Context& context) override;

private:
  struct StartWaiting;
  enum class State { down, up, stopping };
  struct Child {
    ChildSpec spec;
    ActorId id = {};
    State state = State::down;
    enum class Wish { stay, start } wish = Wish::stay;
  };

  void hear_end(const ActorDown& message, Context& context);
  void start_waiting(const StartWaiting& message, Context& context);

  void start(Child& child, Context& context);
  void start_those_who_wait(Context& context);
  void mark_for_restart(std::size_t failed);
  void ask_to_stop(Child& child);
  [[nodiscard]] bool is_anybody_stopping() const;
  [[nodiscard]] Duration jittered(Duration delay);

  const SupervisorSpec spec_;
  std::vector<Child> children_;
  std::vector<TimePoint> failures_;
  std::uint64_t random_;
  enum class Delay { none, runs, over } delay_ = Delay::none;  // of those who wait to be started
  Node* node_ = nullptr;                                       // from on_start(): outlives its actors
};

}  // namespace troupe::runtime
