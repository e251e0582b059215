#pragma once

#include "runtime/message/mail.hpp"
#include "runtime/result.hpp"

#include <array>
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
    using Handle = Result<Done> (*)(const Entry&, Mail&, Context&);
    const MessageType* type = nullptr;
    Handle handle = nullptr;
    void* object = nullptr;              ///< the actor, or the function object
    std::array<std::byte, 16> method{};  ///< a pointer to member
    std::shared_ptr<void> keeps = {};    ///< the function object
  };

  Behavior() = default;
  Behavior(std::initializer_list<Entry> entries) : table_(entries) {}

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
  [[nodiscard]] std::vector<std::string> message_names() const {
    std::vector<std::string> names;
    for (const Entry& entry : table_) names.emplace_back(entry.type->name);
    return names;
  }

private:
  std::vector<Entry> table_;
};

/// One row of a Behavior: messages of type M go to `handler` of `actor`.
template <class A, Message M>
[[nodiscard]] Behavior::Entry on(A* actor, void (A::*handler)(const M&, Context&)) {
  Behavior::Entry entry;
  entry.type = &kMessageType<M>;
  entry.object = actor;
  static_assert(sizeof handler <= sizeof entry.method);
  std::memcpy(entry.method.data(), &handler, sizeof handler);
  entry.handle = [](const Behavior::Entry& row, Mail& mail, Context& context) {
    void (A::*method)(const M&, Context&) = nullptr;
    std::memcpy(&method, row.method.data(), sizeof method);
    A& self = *static_cast<A*>(row.object);
    return with_message<M>(mail, [&](const M& message) { (self.*method)(message, context); });
  };
  return entry;
}

/// The same for a function object that takes a message of type M.
template <Message M>
[[nodiscard]] Behavior::Entry on(std::function<void(const M&, Context&)> handler) {
  using Handler = std::function<void(const M&, Context&)>;
  Behavior::Entry entry;
  entry.type = &kMessageType<M>;
  const auto kept = std::make_shared<Handler>(std::move(handler));  // shared by the copies of the row
  entry.object = kept.get();
  entry.keeps = kept;
  entry.handle = [](const Behavior::Entry& row, Mail& mail, Context& context) {
    const Handler& call = *static_cast<const Handler*>(row.object);
    return with_message<M>(mail, [&](const M& message) { call(message, context); });
  };
  return entry;
}

}  // namespace troupe::runtime
