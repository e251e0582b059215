#pragma once

#include "runtime/dispatcher.hpp"
#include "runtime/message/envelope.hpp"
#include "runtime/result.hpp"

#include <cstdint>
#include <string>

namespace troupe::runtime {

/// What a transport hands up. Called on the transport's own thread: be short, never block.
///
/// Thread-safety: called from one transport thread at a time.
/// Ownership:     the transport borrows it; it outlives the transport's stop().
/// Errors:        must not throw.
/// Restart:       none.
class TransportSink {
public:
  virtual ~TransportSink() = default;
  /// A message has arrived. Its part of the link's window is given back when `envelope.arrival` goes.
  virtual void on_envelope(Envelope envelope) = 0;
  /// The link to the node at `endpoint` is gone. A hint, not a verdict, unless it said goodbye.
  virtual void on_peer_down(const std::string& endpoint, const Failure& why) = 0;
  /// An envelope that was accepted by send() and then could not be delivered comes back here.
  virtual void on_undeliverable(Envelope envelope, const Failure& why) = 0;
  /// send() has said overloaded of the link to that node, and would not now.
  virtual void on_room(const std::string& endpoint) { (void)endpoint; }
  /// What lets the transport's thread run the turn of the one actor that its mail has woken; null = it must not. Before
  /// start() has returned, and always the same.
  [[nodiscard]] virtual GuestTurns* guest_turns() { return nullptr; }
};

/// Counters of one transport, for the console.
struct TransportCounters {
  std::uint64_t sent = 0;            ///< messages, without the links' own
  std::uint64_t received = 0;        ///< messages handed up
  std::uint64_t bytes_sent = 0;      ///< of those; over ZeroMQ what they cost of their links' windows
  std::uint64_t bytes_received = 0;  ///< the same
  std::uint64_t undeliverable = 0;  ///< messages that no link took to its end, and that their sender's node was told of
  std::uint64_t malformed = 0;      ///< frames that were not ours: counted, dropped
  std::uint64_t through_arena = 0;  ///< payloads that travelled through shared memory
};

/// Carries envelopes to other nodes, or says why not. Implementations: MemoryTransport (nodes of one process, tests),
/// ZmqTransport (processes and machines).
///
/// Thread-safety: send() and counters() from any thread; start() and stop() from the owner.
/// Ownership:     owned by its Node; borrows the sink.
/// Errors:        send() never blocks and never throws: accepted, or a Failure (overloaded, disconnected).
/// Restart:       a new process makes a new transport with a new endpoint identity.
///
/// TR-1  Envelopes of one lane from one node to another arrive in the order of send(), each at most once; urgent ones
///       may overtake ordinary ones.
/// TR-2  An accepted envelope arrives, or comes back through on_undeliverable(), or the sink hears on_peer_down().
/// TR-3  Memory is bounded: beyond the window of a link, send() says overloaded.
class Transport {
public:
  virtual ~Transport() = default;
  /// Once. A Failure says why it cannot be reached: the endpoint is taken, the options make no sense.
  virtual Result<Done> start(TransportSink& sink) = 0;
  /// Where other nodes reach this one ("ipc:///…", "tcp://host:port", "memory://name"); known after start().
  [[nodiscard]] virtual const std::string& endpoint() const = 0;
  /// @threadsafe  Takes the envelope for the node at `endpoint`, or says why not: overloaded when the link's window is
  /// full (on_room() follows), disconnected when the transport does not run, or in memory when nobody has the endpoint;
  /// unknown when that is no endpoint, or the envelope passes a limit of the format.
  [[nodiscard]] virtual Result<Done> send(const std::string& endpoint, Envelope envelope) = 0;
  /// @threadsafe  The node there is known to be dead: drop its link, give back what was not delivered.
  virtual void forget(const std::string& endpoint, const Failure& why) = 0;
  /// @threadsafe  Since start(); each by itself, not all of one instant.
  [[nodiscard]] virtual TransportCounters counters() const = 0;
  /// Sends what is queued for at most `deadline`, then closes everything. Idempotent.
  virtual void stop(Duration deadline) = 0;
};

}  // namespace troupe::runtime
