#pragma once

#include "runtime/message/message.hpp"
#include "runtime/result.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

class Context;

/// Table from message name to handler.
///
///     return Behavior{on(this, &StageActor::forward), on(this, &StageActor::backward)};
///
/// Thread-safety: built once, then read by the owner's turn only.
/// Ownership:     borrows the actor its handlers belong to.
/// Errors:        deliver() says unknown for a name without handler or for bytes that do not decode; a handler's throw
///                passes through.
/// Restart:       rebuilt with the actor.
class Behavior {
public:
  struct Entry {
    std::string_view name;
    std::function<Result<Done>(const Envelope&, Context&)> handle;
  };

  Behavior() = default;
  Behavior(std::initializer_list<Entry> entries) {
    for (const Entry& entry : entries) table_.emplace(std::string(entry.name), entry.handle);
  }

  [[nodiscard]] Result<Done> deliver(const Envelope& envelope, Context& context) const {
    const auto found = table_.find(envelope.message);
    if (found == table_.end()) {
      return Failure{FailureKind::unknown, "no handler for message " + envelope.message};
    }
    return found->second(envelope, context);
  }
  [[nodiscard]] std::vector<std::string> message_names() const {
    std::vector<std::string> names;
    for (const auto& [name, handle] : table_) names.push_back(name);
    return names;
  }

private:
  std::map<std::string, std::function<Result<Done>(const Envelope&, Context&)>, std::less<>> table_;
};

/// One row of a Behavior: messages of type M go to `handler` of `actor`.
template <class A, Message M>
[[nodiscard]] Behavior::Entry on(A* actor, void (A::*handler)(const M&, Context&)) {
  return {M::kName, [actor, handler](const Envelope& envelope, Context& context) -> Result<Done> {
            const Result<M> message = decode_message<M>(envelope);
            if (!message) return message.failure();
            (actor->*handler)(*message, context);
            return Done{};
          }};
}

}  // namespace troupe::runtime
