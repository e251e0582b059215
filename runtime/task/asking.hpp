#pragma once

#include "runtime/context.hpp"
#include "runtime/task/task.hpp"

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

/// What a coroutine of an actor can wait for.
///
///     const Result<Stock> stock = co_await context.ask(warehouse, Count{item}, seconds(1));
///     co_await context.delay(milliseconds(50));
///     auto [stock, price] = co_await all(context.ask(warehouse, Count{item}, seconds(1)), context.ask(...));
///     Result<First<Stock>> fastest = co_await first(ask_each<Stock>(context, warehouses, Count{item}, seconds(1)));
///
/// While it waits its actor goes on: other messages are handled, and may find, and change, what the waiting handler has
/// seen of the actor's state (Behavior::while_waiting() lets only urgent mail in). A handler that waits goes on in a
/// turn of its own actor, where no other handler is in the middle of something but those that wait too.
///
/// Of a temporary that is an aggregate with text in it, g++ 12 makes a broken copy when there is a co_await in the same
/// expression: give it a name before. ask() refuses such messages; ActorId and ActorRef are none.
///
/// AW-1  A waiting handler goes on exactly once, in a turn of its actor, with the outcome of what it waits for.
/// AW-2  When the actor ends, its waiting handlers are destroyed where they wait, and whoever asked them hears of the
///       end; nothing that comes later, for this incarnation or another, makes them go on.
/// AW-3  What a handler throws behind a wait is the actor's failure as if it had not waited.
/// AW-4  With Takes::urgent_mail, no ordinary message is handled while a handler waits; those that wait keep their
///       order and count as the mailbox's.
/// AW-5  As many handlers wait as the mailbox has capacity; beyond that all mail but answers waits.
/// AW-6  first() goes on at the first reply and cancels the other requests; all() goes on at the last outcome.
namespace troupe::runtime {

/// A request that is sent when a coroutine awaits it; co_await gives the Result of its one outcome.
///
/// Thread-safety: the actor's turns only.
/// Ownership:     owns the message until it is sent; lives in the frame of the coroutine that awaits it.
/// Errors:        as Context::request(); std::logic_error with the context of a handler that is no coroutine.
/// Restart:       gone with the coroutine.
template <Message Reply>
class [[nodiscard]] Asking {
public:
  /// Made by Context::ask(); nothing is sent yet.
  Asking(Context& context, ActorId to, MailPtr mail, Duration deadline)
      : context_(&context), to_(std::move(to)), mail_(std::move(mail)), deadline_(deadline) {}

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <std::derived_from<TaskPromise> Promise>
  void await_suspend(std::coroutine_handle<Promise> waiting) {
    start([context = context_, waiting] { context->resume(waiting); });
  }
  [[nodiscard]] Result<Reply> await_resume() { return std::move(*outcome_); }

  /// For all() and first(): sends it; `then` is called when the outcome is there.
  template <class Then>
  RequestId start(Then then) {
    (void)context_->own_activity();
    auto keep = [this, then = std::move(then)](Result<Reply> outcome, Context&) {
      outcome_.emplace(std::move(outcome));
      then();
    };
    return context_->request_mail(to_, std::move(mail_), deadline_,
                                  std::make_unique<AwaitingReply<Reply, decltype(keep)>>(std::move(keep)));
  }
  /// Throws what start() would for want of a coroutine.
  void check() const { (void)context_->own_activity(); }
  /// Only after `then` was called.
  [[nodiscard]] const Result<Reply>& outcome() const { return *outcome_; }
  /// Of the coroutine that asks.
  [[nodiscard]] Context& context() const { return *context_; }
  /// Who is asked.
  [[nodiscard]] const ActorId& to() const { return to_; }

private:
  Context* context_;
  ActorId to_;
  MailPtr mail_;
  Duration deadline_;
  std::optional<Result<Reply>> outcome_;
};

/// Time that a coroutine lets pass.
///
/// Thread-safety: the actor's turns only.
/// Ownership:     borrows the coroutine's context.
/// Errors:        std::logic_error with the context of a handler that is no coroutine.
/// Restart:       gone with the coroutine.
class [[nodiscard]] Delay {
public:
  /// Made by Context::delay().
  Delay(Context& context, Duration delay) : context_(context), delay_(delay) {}
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <std::derived_from<TaskPromise> Promise>
  void await_suspend(std::coroutine_handle<Promise> waiting) {
    context_.resume_after(delay_, waiting);
  }
  void await_resume() const noexcept {}

private:
  Context& context_;
  const Duration delay_;
};

inline Delay Context::delay(Duration delay) {
  return {*this, delay};
}

/// The requests of all(), of several types.
///
/// Thread-safety: as Asking.
/// Ownership:     owns the requests.
/// Errors:        each has its own outcome.
/// Restart:       gone with the coroutine.
template <Message... Replies>
class [[nodiscard]] AllOf {
public:
  /// Made by all().
  explicit AllOf(Asking<Replies>... asks) : asks_(std::move(asks)...) {}
  [[nodiscard]] bool await_ready() const noexcept { return sizeof...(Replies) == 0; }
  template <std::derived_from<TaskPromise> Promise>
  void await_suspend(std::coroutine_handle<Promise> waiting) {
    const auto start = [this, waiting](auto& ask) {
      (void)ask.start([this, waiting, context = &ask.context()] {
        if (--missing_ == 0) context->resume(waiting);
      });
    };
    // Before any is sent: it may throw.
    std::apply([](auto&... each) { (each.check(), ...); }, asks_);
    std::apply([&start](auto&... each) { (start(each), ...); }, asks_);
  }
  [[nodiscard]] std::tuple<Result<Replies>...> await_resume() {
    return std::apply([](auto&... each) { return std::tuple<Result<Replies>...>(each.await_resume()...); }, asks_);
  }

private:
  std::tuple<Asking<Replies>...> asks_;
  std::size_t missing_ = sizeof...(Replies);
};

/// The requests of all(), of one type; their outcomes are in the order of the requests.
///
/// Thread-safety: as Asking.
/// Ownership:     owns the requests.
/// Errors:        each has its own outcome.
/// Restart:       gone with the coroutine.
template <Message Reply>
class [[nodiscard]] AllOfMany {
public:
  /// Made by all().
  explicit AllOfMany(std::vector<Asking<Reply>> asks) : asks_(std::move(asks)), missing_(asks_.size()) {}
  [[nodiscard]] bool await_ready() const noexcept { return asks_.empty(); }
  template <std::derived_from<TaskPromise> Promise>
  void await_suspend(std::coroutine_handle<Promise> waiting) {
    for (const Asking<Reply>& ask : asks_) ask.check();  // before any is sent: it may throw
    for (Asking<Reply>& ask : asks_) {
      (void)ask.start([this, waiting, context = &ask.context()] {
        if (--missing_ == 0) context->resume(waiting);
      });
    }
  }
  [[nodiscard]] std::vector<Result<Reply>> await_resume() {
    std::vector<Result<Reply>> outcomes;
    outcomes.reserve(asks_.size());
    for (Asking<Reply>& ask : asks_) outcomes.push_back(ask.await_resume());
    return outcomes;
  }

private:
  std::vector<Asking<Reply>> asks_;
  std::size_t missing_;
};

/// The reply that first() waited for.
template <Message Reply>
struct First {
  std::size_t which = 0;  ///< of the requests, from 0
  Reply reply;            ///< its answer
};

/// The requests of first(). When none is answered, the Failure names each and why.
///
/// Thread-safety: as Asking.
/// Ownership:     owns the requests; cancels those that have no outcome when there is a reply.
/// Errors:        a Failure when none is answered, or there is none.
/// Restart:       gone with the coroutine.
template <Message Reply>
class [[nodiscard]] FirstOf {
public:
  /// Made by first().
  explicit FirstOf(std::vector<Asking<Reply>> asks) : asks_(std::move(asks)), missing_(asks_.size()) {}
  [[nodiscard]] bool await_ready() const noexcept { return asks_.empty(); }
  template <std::derived_from<TaskPromise> Promise>
  void await_suspend(std::coroutine_handle<Promise> waiting) {
    for (const Asking<Reply>& ask : asks_) ask.check();  // before any is sent: it may throw
    for (std::size_t at = 0; at < asks_.size(); ++at) {
      open_.push_back(asks_[at].start([this, at, waiting] {
        --missing_;
        if (asks_[at].outcome()) which_ = at;
        if (!which_ && missing_ > 0) return;
        Context& context = asks_[at].context();
        for (std::size_t other = 0; other < open_.size(); ++other) {
          if (other != at) context.cancel(open_[other]);
        }
        context.resume(waiting);
      }));
    }
  }
  [[nodiscard]] Result<First<Reply>> await_resume() {
    if (which_) return First<Reply>{*which_, asks_[*which_].await_resume().value()};
    Failure none{FailureKind::unknown, asks_.empty() ? "first() of no requests" : "nobody answered"};
    for (const Asking<Reply>& ask : asks_) {
      none.kind = ask.outcome().failure().kind;
      none.text += "; " + ask.to().name + ": " + ask.outcome().failure().text;
    }
    return none.shortened();
  }

private:
  std::vector<Asking<Reply>> asks_;
  std::vector<RequestId> open_;
  std::size_t missing_;
  std::optional<std::size_t> which_;
};

/// Sends all of them; co_await gives a tuple of their Results when the last has its outcome.
template <Message... Replies>
[[nodiscard]] AllOf<Replies...> all(Asking<Replies>... asks) {
  return AllOf<Replies...>(std::move(asks)...);
}
/// Sends all of them; co_await gives a vector of their Results, in the order of `asks`.
template <Message Reply>
[[nodiscard]] AllOfMany<Reply> all(std::vector<Asking<Reply>> asks) {
  return AllOfMany<Reply>(std::move(asks));
}
/// Sends all of them; co_await gives a Result of the First reply, and nobody waits for the others.
template <Message Reply>
[[nodiscard]] FirstOf<Reply> first(std::vector<Asking<Reply>> asks) {
  return FirstOf<Reply>(std::move(asks));
}

/// The same question for each of `targets`, in their order.
template <Message Reply, Message M>
[[nodiscard]] std::vector<Asking<Reply>> ask_each(Context& context, const std::vector<ActorId>& targets,
                                                  const M& message, Duration deadline) {
  std::vector<Asking<Reply>> asks;
  asks.reserve(targets.size());
  for (const ActorId& target : targets) asks.push_back(context.ask<Reply>(target, message, deadline));
  return asks;
}

}  // namespace troupe::runtime
