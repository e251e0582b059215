#pragma once

#include "runtime/message/mail.hpp"
#include "runtime/result.hpp"
#include "runtime/task/handler.hpp"

#include <array>
#include <concepts>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

class Context;

/// What an actor handles while one of its handlers, a coroutine, waits.
enum class Takes {
  all_mail,     ///< the waiting handler may find the actor's state changed when it goes on
  urgent_mail,  ///< and answers; ordinary messages, news and its own delayed ones wait, in their order
};

/// Table from message type to handler.
///
///     return Behavior{on(this, &StageActor::forward), on(this, &StageActor::backward)};
///
/// Thread-safety: built once, then read by the owner's turn only.
/// Ownership:     borrows the actor its handlers belong to; owns handlers that are function objects.
/// Errors:        deliver() says unknown for a name without handler or for bytes that do not decode; a handler's throw
///                passes through.
/// Restart:       rebuilt with the actor.
class Behavior {
public:
  /// Made by on(). A few words without memory of their own: an actor has a row for each message it understands.
  struct Entry {
    using Handle = Result<Done> (*)(const Entry&, MailPtr&, Context&);  ///< a coroutine takes the mail
    const MessageType* type = nullptr;                                  ///< the message it is for
    Handle handle = nullptr;             ///< decodes the mail where it is bytes, and calls
    void* object = nullptr;              ///< the actor, or the function object
    std::array<std::byte, 16> method{};  ///< a pointer to member
    std::shared_ptr<void> keeps = {};    ///< the function object
  };

  /// Understands nothing.
  Behavior() = default;
  /// One row for each message, made by on(). Of two for the same message the first is taken.
  Behavior(std::initializer_list<Entry> entries) : table_(entries) {}

  /// return Behavior{...}.while_waiting(Takes::urgent_mail);
  [[nodiscard]] Behavior while_waiting(Takes takes) && {
    takes_ = takes;
    return std::move(*this);
  }
  /// What while_waiting() was given; all mail if it was not called.
  [[nodiscard]] Takes takes() const { return takes_; }

  /// The row for such a message: by its type, else by its name. Null when there is none.
  [[nodiscard]] const Entry* find(const Mail& mail) const {
    for (const Entry& entry : table_) {
      if (entry.type == mail.type()) return &entry;
    }
    const std::string_view name = mail.name();
    for (const Entry& entry : table_) {
      if (entry.type->name == name) return &entry;
    }
    return nullptr;
  }
  /// There is a row for messages of type M.
  template <Message M>
  [[nodiscard]] bool understands() const {
    for (const Entry& entry : table_) {
      if (entry.type == &kMessageType<M>) return true;
    }
    return false;
  }
  /// kName of each row, in their order.
  [[nodiscard]] std::vector<std::string> message_names() const {
    std::vector<std::string> names;
    for (const Entry& entry : table_) names.emplace_back(entry.type->name);
    return names;
  }

private:
  std::vector<Entry> table_;
  Takes takes_ = Takes::all_mail;
};

namespace detail {

/// A row that calls a method of `actor`; without its handle.
template <class A, Message M, class Method>
[[nodiscard]] Behavior::Entry method_row(A* actor, Method method) {
  Behavior::Entry entry;
  entry.type = &kMessageType<M>;
  entry.object = actor;
  static_assert(sizeof method <= sizeof entry.method);
  std::memcpy(entry.method.data(), &method, sizeof method);
  return entry;
}
/// Calls it.
template <class A, class Method, class M>
auto call_method(const Behavior::Entry& row, const M& message, Context& context) {
  Method method = nullptr;
  std::memcpy(&method, row.method.data(), sizeof method);
  return (static_cast<A*>(row.object)->*method)(message, context);
}

/// A row that calls a function object; without its handle.
template <Message M, class F>
[[nodiscard]] Behavior::Entry function_row(F function) {
  Behavior::Entry entry;
  entry.type = &kMessageType<M>;
  const auto kept = std::make_shared<F>(std::move(function));  // shared by the copies of the row
  entry.object = kept.get();
  entry.keeps = kept;
  return entry;
}

}  // namespace detail

/// One row of a Behavior: messages of type M go to `handler` of `actor`.
template <class A, Message M>
[[nodiscard]] Behavior::Entry on(A* actor, void (A::*handler)(const M&, Context&)) {
  using Method = void (A::*)(const M&, Context&);
  Behavior::Entry entry = detail::method_row<A, M>(actor, handler);
  entry.handle = [](const Behavior::Entry& row, MailPtr& mail, Context& context) {
    return with_message<M>(*mail, [&](const M& message) { detail::call_method<A, Method>(row, message, context); });
  };
  return entry;
}

/// The same for a handler that is a coroutine: what it returns, a message or a Result of one, is the answer to a
/// request; one of Task<> answers as a plain handler does, before it ends. Message and context live as long as it does.
template <class A, Message M, class T>
[[nodiscard]] Behavior::Entry on(A* actor, Task<T> (A::*handler)(const M&, Context&)) {
  using Method = Task<T> (A::*)(const M&, Context&);
  Behavior::Entry entry = detail::method_row<A, M>(actor, handler);
  entry.handle = [](const Behavior::Entry& row, MailPtr& mail, Context& context) {
    return detail::handle_as_task<M>(mail, context, nullptr, [&row](const M& message, Context& own) {
      return detail::call_method<A, Method>(row, message, own);
    });
  };
  return entry;
}

/// The same for a function object that takes a message of type M.
template <Message M>
[[nodiscard]] Behavior::Entry on(std::function<void(const M&, Context&)> handler) {
  using Handler = std::function<void(const M&, Context&)>;
  Behavior::Entry entry = detail::function_row<M>(std::move(handler));
  entry.handle = [](const Behavior::Entry& row, MailPtr& mail, Context& context) {
    const Handler& call = *static_cast<const Handler*>(row.object);
    return with_message<M>(*mail, [&](const M& message) { call(message, context); });
  };
  return entry;
}

/// The same for a function object that is a coroutine; what it has captured lives as long as its coroutines do.
template <Message M, class F>
requires IsTask<std::invoke_result_t<const F&, const M&, Context&>>
[[nodiscard]] Behavior::Entry on(F handler) {
  Behavior::Entry entry = detail::function_row<M>(std::move(handler));
  entry.handle = [](const Behavior::Entry& row, MailPtr& mail, Context& context) {
    const F& call = *static_cast<const F*>(row.object);
    return detail::handle_as_task<M>(mail, context, row.keeps,
                                     [&call](const M& message, Context& own) { return call(message, own); });
  };
  return entry;
}

}  // namespace troupe::runtime
