#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/clock.hpp"
#include "runtime/message/message.hpp"
#include "runtime/result.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace troupe::runtime {

class ActorCell;
class Node;

/// How many messages of an actor may wait for room.
inline constexpr std::size_t kMaxWaitingSends = 4096;

/// Where the answer to a request goes: kept by an actor that answers later.
struct ReplyTo {
  std::string endpoint;  ///< the asker's node; empty = this one
  std::uint64_t correlation = 0;
  std::uint64_t asker = 0;
  std::uint32_t asker_incarnation = 0;
};

/// What a handler can do to the world. Handed to every turn; valid for that turn.
///
/// Thread-safety: the owner's turn only.
/// Ownership:     borrows the cell and the node.
/// Errors:        send() and reply() return a Failure the caller may look at; whatever was wrong is also counted and
///                logged as a dead letter.
/// Restart:       made new for each turn.
///
/// CX-1  Every request gets exactly one outcome (reply or Failure), at the latest at its deadline.
/// CX-2  Messages from one actor to another are handled in the order they were sent.
/// CX-3  A delayed message is delivered no earlier than its delay, and not at all after the actor has stopped.
/// CX-4  What send_when_room() took goes out in the order given, for each receiver, or the receiver is gone, or this
///       actor ended first: then what still waited is counted as dead letters.
class Context {
public:
  Context(Node& node, ActorCell& cell, const Envelope* current);

  [[nodiscard]] const ActorId& self() const;
  [[nodiscard]] TimePoint now() const;
  [[nodiscard]] Node& node() { return node_; }
  /// The envelope being handled; only inside a handler.
  [[nodiscard]] const Envelope& current() const { return *current_; }

  template <Message M>
  Result<Done> send(const ActorId& to, const M& message) {
    return send_envelope(to, encode_message(message));
  }
  template <Message M>
  Result<Done> send(std::string_view to, const M& message) {
    return send_envelope(ActorId{std::string(to), 0}, encode_message(message));
  }
  /// send(), for what must not be lost to a full link or mailbox: it is kept then, and goes out when there is room.
  /// Throws std::runtime_error when kMaxWaitingSends messages wait already: their receiver does not keep up.
  template <Message M>
  Result<Done> send_when_room(const ActorId& to, const M& message) {
    return send_or_keep(to, encode_message(message));
  }
  template <Message M>
  Result<Done> send_when_room(std::string_view to, const M& message) {
    return send_or_keep(ActorId{std::string(to), 0}, encode_message(message));
  }
  /// Answers the request being handled. An asker that is gone, or never asked, is no concern of the answering side.
  template <Message M>
  void reply(const M& message) {
    reply_envelope(encode_message(message));
  }
  /// Answers the request being handled with a failure.
  void reply_failure(const Failure& failure);
  /// The request being handled will be answered by reply_to() or fail_to(), in this turn or a later one.
  [[nodiscard]] ReplyTo defer_reply();
  template <Message M>
  void reply_to(const ReplyTo& asker, const M& message) {
    answer_envelope(asker, encode_message(message));
  }
  void fail_to(const ReplyTo& asker, const Failure& failure);

  /// Sends a request; `then` runs as a turn of this actor, once, with the reply or a Failure.
  template <Message Reply, Message M>
  void request(const ActorId& to, const M& message, Duration deadline,
               std::function<void(Result<Reply>, Context&)> then) {
    request_envelope(to, encode_message(message), deadline,
                     [then = std::move(then)](Result<Envelope> answer, Context& context) {
                       if (!answer) return then(answer.failure(), context);
                       then(decode_message<Reply>(*answer), context);
                     });
  }

  /// Delivers `message` to this actor itself after `delay`.
  template <Message M>
  void after(Duration delay, const M& message) {
    send_later(delay, encode_message(message));
  }

  /// From now on this actor gets ActorDown when `actor` dies (at once if it is dead or unknown).
  void watch(const ActorId& actor);
  void unwatch(const ActorId& actor);
  /// From now on, and as long as it lives, this actor gets LinkLost when the node's link to another is given up.
  void watch_links();

  /// This actor ends in good order after the current turn.
  void stop();

  /// What the console shows as the actor's present work.
  void note(Phase phase, std::uint32_t step, std::uint32_t micro_batch);

private:
  void sign(Envelope& envelope) const;
  Result<Done> send_envelope(const ActorId& to, Envelope envelope);
  Result<Done> send_or_keep(const ActorId& to, Envelope envelope);
  void reply_envelope(Envelope envelope);
  void answer_envelope(const ReplyTo& asker, Envelope envelope);
  void request_envelope(const ActorId& to, Envelope envelope, Duration deadline,
                        std::function<void(Result<Envelope>, Context&)> then);
  void send_later(Duration delay, Envelope envelope);

  Node& node_;
  ActorCell& cell_;
  const Envelope* current_;
};

}  // namespace troupe::runtime
