#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/message/ack.hpp"
#include "runtime/node.hpp"
#include "runtime/placing/actor_classes.hpp"
#include "runtime/placing/placing_protocol.hpp"
#include "runtime/watch.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::runtime {

/// What a node gives to a job, and how it joins.
struct HostOptions {
  Resources resources;                                  ///< what the node has to give
  Duration join_deadline = std::chrono::seconds(5);     ///< for the placer's answer
  Duration join_again_after = std::chrono::seconds(1);  ///< when it did not take the node, or was lost
};

/// The hand of a job's placer on one node: starts and stops actors of the classes that it was given. It joins the
/// placer by itself, again and again until it is taken.
///
/// A placer that is lost has given up this node's actors, and may have started others in their place: so a host that
/// loses its placer ends all that it has started, and joins anew with nothing.
///
/// Thread-safety: as any actor; the factories of the classes are called in its turns.
/// Ownership:     owns the classes; the node owns the actors.
/// Errors:        as answers: no such class, wrong arguments, what its factory, its constructor or
///                on_start() threw. A refused join is logged.
/// Restart:       begins with no actor, under a higher incarnation.
///
/// NH-1  A start is answered when on_start() has returned, or with why not in words.
/// NH-2  A stop is answered when the actor is gone, at once for one that is not here.
/// NH-3  After the loss of its placer all that it started is ended, and only then it joins again.
/// NH-4  However a host ends, what it started is asked to stop.
class NodeHost final : public Actor {
public:
  /// Spawn it under the name kHostNames + the node's.
  NodeHost(ActorClasses classes, HostOptions options);
  /// Asks all that it started to stop.
  ~NodeHost() override;

  Behavior behavior() override;
  void on_start(Context& context) override;

private:
  struct JoinAgain;
  struct HasStarted;
  class StartReporter;

  struct Hosted {
    ActorId asked;
    ActorId actor;
    enum class State { starting, up } state = State::starting;
    ReplyTo starter = {};
    std::vector<ReplyTo> stoppers = {};
  };

  void start_actor(const StartActor& message, Context& context);
  void has_started(const HasStarted& message, Context& context);
  void stop_hosted(const StopHosted& message, Context& context);
  void hear_end(const ActorDown& message, Context& context);
  void given_up(const GivenUp& message, Context& context);
  void join_again(const JoinAgain& message, Context& context);

  void join(Context& context);
  void leave(const std::string& why, Context& context);
  void join_when_empty(Context& context);

  const ActorClasses classes_;
  const HostOptions options_;
  std::map<std::string, Hosted> hosted_;
  enum class State { joining, joined, leaving } state_ = State::joining;
  ActorId placer_;        // of a node that has joined
  Node* node_ = nullptr;  // from on_start(): outlives its actors
};

/// "host/NODE".
[[nodiscard]] std::string host_name(std::string_view node);

/// Makes a node part of a job: starts its host, which joins the placer that lives there. Waits for the host, not for
/// the placer. Not from a turn.
[[nodiscard]] Result<ActorId> spawn_host(Node& node, ActorClasses classes, HostOptions options,
                                         const DirectoryEntry& placer);

}  // namespace troupe::runtime
