#pragma once

#include "runtime/actor.hpp"
#include "runtime/clock.hpp"
#include "runtime/context.hpp"
#include "runtime/directory.hpp"
#include "runtime/dispatcher.hpp"
#include "runtime/message/safety_checks.hpp"
#include "runtime/observe/flight_recorder.hpp"
#include "runtime/observe/snapshot.hpp"
#include "runtime/result.hpp"
#include "runtime/transport/transport.hpp"
#include "runtime/watch.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

class NodeCore;

/// How a node is known, and how much it takes.
struct NodeOptions {
  std::string name = "node";            ///< for people: logs and failures
  std::uint64_t job = 0;                ///< messages of another job are refused and counted
  std::uint32_t term = 0;               ///< of the head, grows with each; messages of another term are stale. 0 = none
  std::size_t mailbox_capacity = 8192;  ///< envelopes an actor may have waiting; beyond it send() says overloaded
  std::filesystem::path status_directory = {};  ///< where status pages go; empty = none
  /// How many of its last messages are kept of each actor, 64 bytes each, once it had one; 0 = none. A status page has
  /// room for 64 of them.
  std::size_t flight_records = 16;
};

/// The machinery a node is made of; tests pass their own.
struct NodeParts {
  std::unique_ptr<Clock> clock;            ///< what the node calls now
  std::unique_ptr<Dispatcher> dispatcher;  ///< gives actors their turns
  std::unique_ptr<Timers> timers;          ///< deadlines, delayed messages
  std::unique_ptr<Transport> transport;    ///< reaches other nodes
  SafetyChecks checks = {};                ///< all on, but in tests of the simulation
};

/// Steady clock, threads, timers on a thread, and the given transport.
[[nodiscard]] NodeParts make_threaded_parts(int workers, std::unique_ptr<Transport> transport);
/// The same for a node that has no others to talk to.
[[nodiscard]] NodeParts make_local_parts(int workers);

/// How an actor is started.
struct SpawnOptions {
  std::uint32_t incarnation = 1;  ///< from 1; one that is known to be dead, or older than one that is known, is refused
  Placement placement = Placement::shared;       ///< on which threads its turns run
  Duration deadline = std::chrono::seconds(30);  ///< for on_start(), with spawn()
};

/// One process's share of the actor system: owns transport, dispatcher and cells; routes envelopes.
///
/// Thread-safety: all public methods from any thread, except that spawn(), stop() and request() must not be called from
///                a turn of an actor (they wait).
/// Ownership:     owns its parts and its actors.
/// Errors:        values; never throws for what the outside world does.
/// Restart:       a new process is a new node; nothing survives.
///
/// ND-1  spawn() returns after on_start() has returned, or a Failure with its text; stop() returns when the actor is
///       gone.
/// ND-2  An envelope for, or from, an incarnation known to be dead is refused, counted as stale, and handled by nobody.
/// ND-3  Every watcher of an actor gets exactly one ActorDown for it, with the first cause that became known.
/// ND-4  When an actor or a node is declared dead, every request pending on it fails at once with that cause.
/// ND-5  shutdown() ends within its deadline whatever the actors do, except one that never returns from a turn.
/// ND-6  An actor that watches the links hears LinkLost for every link to another node that is given up.
class Node {
public:
  /// Nothing runs before start().
  Node(NodeOptions options, NodeParts parts);
  /// shutdown() with a deadline of 2 seconds, where nobody has called it.
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Starts the transport; before it nothing can be spawned.
  Result<Done> start();

  /// Starts an actor and waits until its on_start() has returned. Failures: unknown when the name is empty, longer than
  /// kMaxNameBytes, or taken; what on_start() threw; disconnected past the deadline (it is asked to stop then), or when
  /// the node shuts down.
  Result<ActorId> spawn(std::string name, std::unique_ptr<Actor> actor, SpawnOptions options = {});
  /// The same without waiting for on_start(): a failure there shows as ActorDown and in the snapshot.
  Result<ActorId> spawn_later(std::string name, std::unique_ptr<Actor> actor, SpawnOptions options = {});
  /// Orderly stop of a local actor.
  Result<Done> stop(std::string_view name, Duration deadline, StopMode mode = StopMode::drain);

  /// The same without waiting: may be called from a turn. Nothing happens when that incarnation does not live here.
  void stop_later(const ActorId& actor, StopMode mode = StopMode::drain);

  /// Who lives where, as far as this node knows.
  [[nodiscard]] Directory& directory();
  /// Where other nodes reach this one; known after start().
  [[nodiscard]] const std::string& endpoint() const;
  /// By the clock of its parts.
  [[nodiscard]] TimePoint now() const;
  /// As given to the constructor.
  [[nodiscard]] const NodeOptions& options() const;

  /// An actor elsewhere was placed: remember it.
  void announce(const DirectoryEntry& entry);
  /// An actor is known dead (pidfd, head's verdict): bury it, tell its watchers, fail what waits for it.
  void declare_down(const ActorId& actor, const Failure& cause);

  /// Sends from outside any actor (a main function, a test).
  template <Sendable M>
  Result<Done> send(std::string_view to, M&& message) {
    return send_mail(ActorId{std::string(to), 0}, make_mail(std::forward<M>(message)));
  }
  /// Asks from outside any actor and waits: a reply or a Failure, never silence.
  template <Message Reply, Sendable M>
  Result<Reply> request(std::string_view to, M&& message, Duration deadline) {
    Result<MailPtr> answer = ask_mail(ActorId{std::string(to), 0}, make_mail(std::forward<M>(message)), deadline);
    if (!answer) return answer.failure();
    Reply reply{};
    const Result<Done> read = with_message<Reply>(**answer, [&reply](Reply& got) { reply = std::move(got); });
    if (!read) return read.failure();
    return reply;
  }

  /// The last messages of the actor that lives here or was the last to die here by that name, oldest first.
  [[nodiscard]] std::vector<FlightRecord> flight(std::string_view actor) const;
  /// Live actors, and the last snapshot of each dead one (at most 256 of them).
  [[nodiscard]] std::vector<Snapshot> snapshots() const;
  /// Since start().
  [[nodiscard]] TransportCounters transport_counters() const;

  /// Stops actors, then the transport, then the threads.
  void shutdown(Duration deadline);

private:
  friend class Context;

  Result<Done> send_mail(const ActorId& to, MailPtr mail);
  Result<MailPtr> ask_mail(const ActorId& to, MailPtr mail, Duration deadline);

  std::unique_ptr<NodeCore> core_;
};

}  // namespace troupe::runtime
