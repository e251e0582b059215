#pragma once

#include "runtime/context.hpp"
#include "runtime/task/task.hpp"

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

/// A request that is answered by many messages and an end.
///
/// The producer, whose handler of the request is a coroutine:
///
///     Task<> Log::lines(const Lines& wanted, Context& context) {
///       StreamOut<Line> out(context);
///       for (const Line& line : lines_) {
///         if (!co_await out.room(context)) co_return;  // nobody reads any more
///         (void)out.put(context, line);
///       }
///       out.end(context);
///     }
///
/// The reader, in a coroutine, or by read_stream() with a callback:
///
///     StreamReader<Line> lines(context, {"log", 0}, Lines{}, {.credit = 8, .between = seconds(1)});
///     while (true) {
///       const Result<std::optional<Line>> line = co_await lines.next();
///       if (!line || !*line) break;  // why it broke off, or its end
///     }
///
/// SM-1  The reader gets the items in the order put, each once, then one end: that they are all, or why there are no
///       more.
/// SM-2  The producer puts no more items than the reader has granted; what a link has no room for waits, within it.
/// SM-3  A cancelled stream gives the reader nothing more; the producer hears of it in put() and room().
/// SM-4  The end of either side, its node or the link between them ends the stream at the other.
/// SM-5  When `between` passes without an item that was granted, the reader's end is a Failure, and the producer's too.
namespace troupe::runtime {

/// For co_await: gives Done when there is room for an item, or why there will be none.
///
/// Thread-safety: the actor's turns only.
/// Ownership:     lives in the coroutine's frame.
/// Errors:        std::logic_error with the context of a handler that is no coroutine.
/// Restart:       gone with the coroutine.
class [[nodiscard]] StreamRoom {
public:
  /// Made by StreamOut::room().
  StreamRoom(Context& context, std::uint64_t number) : context_(context), number_(number) {}
  [[nodiscard]] bool await_ready() const { return context_.stream_room(number_) > 0; }
  template <std::derived_from<TaskPromise> Promise>
  void await_suspend(std::coroutine_handle<Promise> waiting) {
    (void)context_.own_activity();
    context_.when_stream_has_room(number_, [this, waiting](const Result<Done>& room, Context&) {
      room_ = room;
      context_.resume(waiting);
    });
  }
  [[nodiscard]] Result<Done> await_resume() const { return room_; }

private:
  Context& context_;
  const std::uint64_t number_;
  Result<Done> room_ = Done{};
};

/// A stream that this actor fills: the answer to the request being handled. A plain value; kept by the actor, or in a
/// coroutine. Opened outside a request, or after an answer, it is over from the beginning.
///
/// Thread-safety: the actor's turns only.
/// Ownership:     of the number alone; the actor has the stream.
/// Errors:        put() says overloaded without room, disconnected when nobody reads any more.
/// Restart:       the reader hears of the actor's end.
template <Message Item>
class StreamOut {
public:
  /// Opens it: the reader hears, and may grant. To be made while the request is handled.
  explicit StreamOut(Context& context) : number_(context.open_stream()) {}

  /// How many items may be put now.
  [[nodiscard]] std::uint32_t room_now(const Context& context) const { return context.stream_room(number_); }
  /// co_await out.room(context). One waits for it at a time.
  [[nodiscard]] StreamRoom room(Context& context) const { return {context, number_}; }
  /// The same for a plain handler: `then(const Result<Done>&, Context&)` runs once, in a turn of this actor.
  template <class Then>
  void when_room(Context& context, Then then) const {
    context.when_stream_has_room(number_, std::move(then));
  }
  /// Sends an item. Failures: overloaded when nothing is granted (wait for room), disconnected when the stream is over.
  Result<Done> put(Context& context, Item item) const {
    return context.put_into_stream(number_, make_mail(std::move(item)));
  }
  /// That was the last item. Nothing when it is over.
  void end(Context& context) const { context.end_stream(number_); }
  /// Breaks it off: the reader gets `why` behind the items put before. Nothing when it is over.
  void fail(Context& context, const Failure& why) const { context.fail_stream(number_, why); }

private:
  std::uint64_t number_;
};

/// `then` is called with each item, and at last with nothing, or a Failure.
///
/// Thread-safety: as Awaiting.
/// Ownership:     owns `then`.
/// Errors:        an item that is none is a Failure for `then`, the last.
/// Restart:       as Awaiting.
template <Message Item, class Then>
class AwaitingItems final : public Awaiting {
public:
  /// `then` is moved in.
  explicit AwaitingItems(Then then) : then_(std::move(then)) {}
  /// An Item for `then`; the stream is cancelled when it is none.
  void reply(Mail& mail, Context& context) override {
    const std::uint64_t stream = mail.header.correlation;
    const Result<Done> read =
        with_message<Item>(mail, [&](Item& item) { then_(Result<std::optional<Item>>(std::move(item)), context); });
    if (read) return;
    context.cancel(StreamId{stream});
    fail(read.failure(), context);
  }
  /// Nothing for `then`: there are no more.
  void end(Context& context) override { then_(Result<std::optional<Item>>(std::optional<Item>{}), context); }
  /// The failure for `then`: it broke off.
  void fail(const Failure& failure, Context& context) override { then_(Result<std::optional<Item>>(failure), context); }

private:
  Then then_;
};

/// Asks `to` for a stream; `then(Result<std::optional<Item>>, Context&)` runs in turns of this actor: for each item,
/// and once with nothing at the end or with a Failure. More than limits.credit items come only when they are granted:
/// context.grant(stream, 1) for each that was handled.
template <Message Item, Sendable M, class Then>
StreamId read_stream(Context& context, const ActorId& to, M&& message, const StreamLimits& limits, Then then) {
  return context.open_reading(to, make_mail(std::forward<M>(message)), limits,
                              std::make_unique<AwaitingItems<Item, Then>>(std::move(then)));
}

/// A stream that a coroutine reads; it grants what it has handed out. Cancelled when it goes before its end.
///
/// Thread-safety: the actor's turns only.
/// Ownership:     lives in the coroutine's frame; owns the items not handed out, at most the credit.
/// Errors:        next() gives the Failure the stream ended with, and again when it is called again.
/// Restart:       gone with the coroutine: cancelled.
template <Message Item>
class StreamReader final {
public:
  /// An item; nothing at the end; or why there are no more.
  using Next = Result<std::optional<Item>>;

  /// Asks `to` at once. `limits.credit` items may come before the first next().
  template <Sendable M>
  StreamReader(Context& context, const ActorId& to, M&& message, const StreamLimits& limits)
      : context_(context),
        stream_(read_stream<Item>(context, to, std::forward<M>(message), limits,
                                  [this](Next next, Context&) { take(std::move(next)); })) {}
  /// Cancels what has not ended.
  ~StreamReader() { context_.cancel(stream_); }
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  /// co_await reader.next(): an item; nothing at the end; or why there are no more.
  [[nodiscard]] auto next() {
    struct NextItem {
      StreamReader& reader;
      [[nodiscard]] bool await_ready() const { return !reader.ready_.empty(); }
      void await_suspend(std::coroutine_handle<> waiting) {
        (void)reader.context_.own_activity();
        reader.waiting_ = waiting;
      }
      Next await_resume() { return reader.hand_out(); }
    };
    return NextItem{*this};
  }

private:
  void take(Next next) {
    ready_.push_back(std::move(next));
    if (waiting_) context_.resume(std::exchange(waiting_, nullptr));
  }
  Next hand_out() {
    Next next = ready_.front();
    const bool is_last = !next || !*next;
    if (is_last) return next;
    ready_.pop_front();
    context_.grant(stream_, 1);
    return next;
  }

  Context& context_;
  std::deque<Next> ready_;
  std::coroutine_handle<> waiting_;
  const StreamId stream_;
};

}  // namespace troupe::runtime
