#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/actor_ref.hpp"
#include "runtime/behavior.hpp"
#include "runtime/clock.hpp"
#include "runtime/message/mail.hpp"
#include "runtime/open_requests.hpp"
#include "runtime/result.hpp"

#include <algorithm>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace troupe::runtime {

class ActorCell;
class Delay;
class Node;
struct Activity;
template <Message Reply>
class Asking;

/// Whether the request being handled has its answer.
enum class Duty {
  owed,  ///< it has none
  done,  ///< it has, or nobody asked
};

/// Something that can be sent: a message, or a reference to one.
template <class M>
concept Sendable = Message<std::remove_cvref_t<M>>;

/// What becomes of a message or a request for which there is no room now.
enum class WhenFull : unsigned char {
  fail,         ///< its sender hears: overloaded
  wait,         ///< it waits
  drop_oldest,  ///< it waits, and the oldest of its type for that receiver goes when too many do
};

/// How many messages of an actor may wait for room.
inline constexpr std::size_t kMaxWaitingSends = 4096;

/// A request that has no outcome yet; or, when it has, nothing.
struct RequestId {
  std::uint64_t number = 0;  ///< for Context::cancel(); 0 = none
};

/// A stream that this actor reads; or, when it is over, nothing.
struct StreamId {
  std::uint64_t number = 0;  ///< for Context::grant() and cancel(); 0 = none
};

/// How a stream is read.
struct StreamLimits {
  std::uint32_t credit = 16;                    ///< items that may come before more are granted; at least 1
  Duration between = std::chrono::seconds(10);  ///< without an item that was granted ends the stream
};

/// A message this actor sends itself later, once or again and again.
struct TimerId {
  std::uint64_t number = 0;  ///< for Context::cancel(); 0 = none
};

/// What a handler can do to the world. Handed to every turn; valid for that turn, or as long as a coroutine lives.
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
/// CX-5  After cancel() a request's `then` is not called, and a timer's message not handled, though it waits already.
/// CX-6  Urgent messages of one actor to another are handled in the order sent, before ordinary ones that wait.
/// CX-4  What send_when_room() took goes out in the order given, for each receiver, or the receiver is gone, or this
///       actor ended first: then what still waited is counted as dead letters. Nothing sent later overtakes it, but
///       urgent messages.
/// CX-7  Of what send_latest() took, at most the given number of a type waits for a receiver: the newest, in the order
///       given, among what else waits for it. Each that is dropped is counted (Snapshot::dropped).
class Context {
public:
  Context(Node& node, ActorCell& cell, const Mail* current);  ///< by the runtime; `current` is null without a message

  [[nodiscard]] const ActorId& self() const;  ///< this actor, with its incarnation
  [[nodiscard]] TimePoint now() const;  ///< by the node's clock, which in tests and in the simulation is another one
  [[nodiscard]] Node& node() { return node_; }  ///< its spawn(), stop() and request() wait: not to be called from here
  /// The message being handled; only inside a handler.
  [[nodiscard]] const Mail& current() const { return *current_; }

  /// Sends without waiting. Done: it is on its way (what is lost later is a DeadLetter). A Failure: overloaded where
  /// there is no room in the mailbox or on the link, or where earlier messages of this actor to `to` wait for room,
  /// which it would overtake; disconnected when the incarnation is dead; unknown when nobody has the name, or the
  /// message is too large to travel.
  template <Sendable M>
  Result<Done> send(const ActorId& to, M&& message) {
    return send_mail(to, make_mail(std::forward<M>(message)));
  }
  /// The same to whoever holds the name.
  template <Sendable M>
  Result<Done> send(std::string_view to, M&& message) {
    return send_mail(ActorId{std::string(to), 0}, make_mail(std::forward<M>(message)));
  }
  /// send(), for what must not be lost to a full link or mailbox: it is kept then, and goes out when there is room.
  /// Throws std::runtime_error when kMaxWaitingSends messages wait already: their receiver does not keep up.
  template <Sendable M>
  Result<Done> send_when_room(const ActorId& to, M&& message) {
    return send_or_keep(to, make_mail(std::forward<M>(message)), WhenFull::wait);
  }
  /// The same to whoever holds the name.
  template <Sendable M>
  Result<Done> send_when_room(std::string_view to, M&& message) {
    return send_or_keep(ActorId{std::string(to), 0}, make_mail(std::forward<M>(message)), WhenFull::wait);
  }
  /// send_when_room(), for what is soon out of date: at most `most` (1 or more) of these messages wait for that
  /// receiver, and beyond that the oldest is dropped.
  template <Sendable M>
  Result<Done> send_latest(const ActorId& to, M&& message, std::size_t most = 1) {
    return send_or_keep(to, make_mail(std::forward<M>(message)), WhenFull::drop_oldest, most);
  }
  /// send() to the front of the receiver's mailbox, behind other urgent mail. On the way to another node it leaves
  /// before ordinary mail that waits, and finds room when that has filled the link's window.
  template <Sendable M>
  Result<Done> send_urgent(const ActorId& to, M&& message) {
    MailPtr mail = make_mail(std::forward<M>(message));
    mail->header.lane = Lane::urgent;
    return send_mail(to, std::move(mail));
  }
  /// send(), checked against what the receiver understands.
  template <class P, Sendable M>
  requires Accepts<P, M> Result<Done> send(const ActorRef<P>& to, M&& message) {
    return send(to.id, std::forward<M>(message));
  }
  /// Answers the request being handled. An asker that is gone, or never asked, is no concern of the answering side.
  template <Sendable M>
  void reply(M&& message) {
    reply_mail(make_mail(std::forward<M>(message)));
  }
  /// Answers the request being handled with a failure.
  void reply_failure(const Failure& failure);
  /// The request being handled will be answered by reply_to() or fail_to(), in this turn or a later one.
  [[nodiscard]] ReplyTo defer_reply();
  /// Answers a request that defer_reply() has put off; of several answers the asker takes the first.
  template <Sendable M>
  void reply_to(const ReplyTo& asker, M&& message) {
    answer_mail(asker, make_mail(std::forward<M>(message)));
  }
  void fail_to(const ReplyTo& asker, const Failure& failure);  ///< the same with a failure
  /// reply_to() with a reply that somebody else has given.
  void relay(const ReplyTo& asker, const Mail& reply);
  /// Sends the message being handled on to another actor; of a request, `to` has the duty to answer, within `deadline`.
  Result<Done> forward(const ActorId& to, Duration deadline);

  /// Sends a request; `then(Result<Reply>, Context&)` runs as a turn of this actor, once, with the reply or a Failure.
  template <Message Reply, Sendable M, class Then>
  RequestId request(const ActorId& to, M&& message, Duration deadline, Then then) {
    return request_mail(to, make_mail(std::forward<M>(message)), deadline,
                        std::make_unique<AwaitingReply<Reply, Then>>(std::move(then)));
  }
  /// The same; what the reply is, the receiver's Protocol says.
  template <class P, Sendable M, class Then>
  requires Replies<P, M> RequestId request(const ActorRef<P>& to, M&& message, Duration deadline, Then then) {
    return request<ReplyTo_t<P, M>>(to.id, std::forward<M>(message), deadline, std::move(then));
  }
  /// request(), which waits for room where there is none, within its deadline, behind what send_when_room() keeps.
  template <Message Reply, Sendable M, class Then>
  RequestId request_when_room(const ActorId& to, M&& message, Duration deadline, Then then) {
    return request_or_keep(to, make_mail(std::forward<M>(message)), deadline,
                           std::make_unique<AwaitingReply<Reply, Then>>(std::move(then)));
  }
  /// For co_await in a coroutine: asks and gives the Result<Reply> (runtime/task/asking.hpp).
  template <Message Reply, Sendable M>
  [[nodiscard]] Asking<Reply> ask(const ActorId& to, M&& message, Duration deadline) {
    static_assert(std::is_lvalue_reference_v<M> || std::is_trivially_copyable_v<M> || !std::is_aggregate_v<M>,
                  "give the message a name before it is asked: g++ 12 miscompiles it as a temporary in a co_await");
    return Asking<Reply>(*this, to, make_mail(std::forward<M>(message)), deadline);
  }
  /// The same; what the reply is, the receiver's Protocol says.
  template <class P, Sendable M>
  requires Replies<P, M>
  [[nodiscard]] Asking<ReplyTo_t<P, M>> ask(const ActorRef<P>& to, M&& message, Duration deadline) {
    return ask<ReplyTo_t<P, M>>(to.id, std::forward<M>(message), deadline);
  }
  /// For co_await in a coroutine: lets time pass (runtime/task/asking.hpp).
  [[nodiscard]] Delay delay(Duration delay);
  /// Nobody waits for its outcome any more. Not an error when it has come.
  void cancel(RequestId request);
  /// Lets the producer of a stream that this actor reads send `more` items beyond those granted before.
  void grant(StreamId stream, std::uint32_t more);
  void cancel(StreamId stream);  ///< nothing more of it is wanted: `then` is not called again, the producer hears of it

  /// Delivers `message` to this actor itself after `delay`.
  template <Sendable M>
  TimerId after(Duration delay, M&& message) {
    return send_later(delay, Duration{0}, make_mail(std::forward<M>(message)));
  }
  /// The same every `interval` from now on, until it is cancelled or the actor ends. Times that have passed while the
  /// actor was busy are left out.
  template <Sendable M>
  TimerId every(Duration interval, M&& message) {
    constexpr Duration kShortest = std::chrono::microseconds(1);
    return send_later(interval, std::max(interval, kShortest), make_mail(std::forward<M>(message)));
  }
  void cancel(TimerId timer);  ///< it is not delivered, nor again; not an error when it has been

  /// From the next message on, `behavior` is this actor's table of handlers.
  void become(Behavior behavior);

  /// From now on this actor gets ActorDown when `actor` dies (at once if it is dead or unknown).
  void watch(const ActorId& actor);
  void unwatch(const ActorId& actor);  ///< takes a watch() back; an ActorDown that is on its way may still come
  /// From now on this actor and `actor` end together, unless in good order (runtime/supervision/link.hpp).
  void link(const ActorId& actor);
  void unlink(const ActorId& actor);  ///< takes link() back, on both sides
  /// From now on, and as long as it lives, this actor gets LinkLost when the node's link to another is given up.
  void watch_links();

  /// This actor ends in good order after the current turn.
  void stop();

  /// What the console shows as the actor's present work.
  void note(Phase phase, std::uint32_t step, std::uint32_t micro_batch);

private:
  template <Message Reply>
  friend class Asking;
  template <Message... Replies>
  friend class AllOf;
  template <Message Reply>
  friend class AllOfMany;
  template <Message Reply>
  friend class FirstOf;
  template <Message Item>
  friend class StreamOut;
  template <Message Item>
  friend class StreamReader;
  template <Message Item, Sendable M, class Then>
  friend StreamId read_stream(Context& context, const ActorId& to, M&& message, const StreamLimits& limits, Then then);
  friend class StreamRoom;
  friend class ActorCell;
  friend class Delay;
  friend Activity& begin_activity(Context& turn, MailPtr message, std::shared_ptr<void> keeps);
  friend void run_activity(Activity& activity, std::coroutine_handle<> frame, FinishTask finish);
  friend void answer_with(Context& context, MailPtr reply);
  friend void answer_with(Context& context, const Failure& failure);

  Activity& begin_activity(MailPtr message, std::shared_ptr<void> keeps);
  [[nodiscard]] Activity& own_activity() const;
  void resume(std::coroutine_handle<> at);
  void resume_after(Duration delay, std::coroutine_handle<> at);
  void answer_owed_with(MailPtr reply);
  [[nodiscard]] ReplyTo asker() const;
  void set_answered();

  [[nodiscard]] std::uint64_t open_stream();
  [[nodiscard]] std::uint32_t stream_room(std::uint64_t number) const;
  [[nodiscard]] bool is_stream_open(std::uint64_t number) const;
  Result<Done> put_into_stream(std::uint64_t number, MailPtr item);
  void close_stream(std::uint64_t number, MailPtr end);
  void end_stream(std::uint64_t number);
  void fail_stream(std::uint64_t number, const Failure& why);
  void when_stream_has_room(std::uint64_t number, std::function<void(const Result<Done>&, Context&)> then);
  StreamId open_reading(const ActorId& to, MailPtr mail, const StreamLimits& limits,
                        std::unique_ptr<Awaiting> awaiting);

  void sign(Mail& mail) const;
  Result<Done> send_mail(const ActorId& to, MailPtr mail);
  Result<Done> send_or_keep(const ActorId& to, MailPtr mail, WhenFull when_full, std::size_t most = 0);
  void reply_mail(MailPtr mail);
  void answer_mail(const ReplyTo& asker, MailPtr mail);
  RequestId request_mail(const ActorId& to, MailPtr mail, Duration deadline, std::unique_ptr<Awaiting> awaiting);
  RequestId request_or_keep(const ActorId& to, MailPtr mail, Duration deadline, std::unique_ptr<Awaiting> awaiting);
  TimerId send_later(Duration delay, Duration interval, MailPtr mail);

  Node& node_;
  ActorCell& cell_;
  const Mail* current_;
  Activity* activity_ = nullptr;  // of a coroutine
};

}  // namespace troupe::runtime
