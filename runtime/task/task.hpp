#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace troupe::runtime {

/// What the frames of all tasks have in common.
struct TaskPromise {
  std::coroutine_handle<> continuation;  ///< who awaits this task; null for a handler
  std::exception_ptr problem;            ///< what it threw

  /// The awaiting one goes on where it waits; behind a handler nobody does.
  struct Final {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      const std::coroutine_handle<> next = done.promise().continuation;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };
  /// It waits to be awaited, or run as a handler.
  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  /// The frame stays until its Task goes.
  [[nodiscard]] Final final_suspend() const noexcept { return {}; }
  /// Kept for the one who awaits it.
  void unhandled_exception() { problem = std::current_exception(); }
};

namespace detail {

template <class T>
struct TaskResult : TaskPromise {
  std::optional<T> value;
  template <class From>
  requires std::constructible_from<T, From>
  void return_value(From&& from) { value.emplace(std::forward<From>(from)); }
  T take() {
    if (problem) std::rethrow_exception(problem);
    return std::move(*value);
  }
};
template <>
struct TaskResult<void> : TaskPromise {
  void return_void() const noexcept {}
  void take() const {
    if (problem) std::rethrow_exception(problem);
  }
};

}  // namespace detail

/// A coroutine of an actor: a handler that waits for answers or for time, or a part of one that a handler awaits.
///
///     Task<Price> Shop::price(const Order& order, Context& context) {
///       const Result<Stock> stock = co_await context.ask(warehouse_, Count{order.item}, seconds(1));
///       if (!stock) throw std::runtime_error(stock.failure().text);
///       co_return Price{...};
///     }
///
/// It begins when it is awaited, or, as a handler, with its message's turn. What it throws passes on to whoever awaits
/// it. A coroutine's references must live as long as it does: a handler's message and context do.
///
/// Thread-safety: the actor's turns only.
/// Ownership:     owns the coroutine's frame.
/// Errors:        what the coroutine throws is thrown by co_await, or is the failure of the actor.
/// Restart:       the frame is destroyed with the actor, wherever it waits.
///
/// TK-1  A task begins when it is awaited, and its awaiter goes on with its value, or its exception, once.
template <class T = void>
class [[nodiscard]] Task {
public:
  /// For the compiler.
  struct promise_type : detail::TaskResult<T> {
    Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
  };
  /// Of the frame.
  using Handle = std::coroutine_handle<promise_type>;

  /// The other has no frame any more.
  Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  /// Destroys the frame, wherever it waits.
  ~Task() {
    if (frame_) frame_.destroy();
  }

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <std::derived_from<TaskPromise> Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> awaiting) noexcept {
    frame_.promise().continuation = awaiting;
    return frame_;
  }
  T await_resume() { return frame_.promise().take(); }

  /// The frame is the caller's from now on.
  [[nodiscard]] Handle release() { return std::exchange(frame_, nullptr); }

private:
  explicit Task(Handle frame) : frame_(frame) {}
  Handle frame_;
};

namespace detail {

template <class T>
struct TaskValue {
  static constexpr bool kIsTask = false;
};
template <class T>
struct TaskValue<Task<T>> {
  static constexpr bool kIsTask = true;
  using type = T;
};

}  // namespace detail

/// A Task of something.
template <class T>
concept IsTask = detail::TaskValue<T>::kIsTask;

}  // namespace troupe::runtime
