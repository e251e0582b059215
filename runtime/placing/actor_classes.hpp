#pragma once

#include "runtime/actor.hpp"
#include "runtime/message/message.hpp"
#include "runtime/result.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// What an actor is made with on another node: nothing, a message, or bulk bytes.
///
/// Thread-safety: a plain value.
/// Ownership:     owns the bytes of a message, shares payloads.
/// Errors:        a message that is too large to travel throws std::length_error.
/// Restart:       travels in messages.
class Arguments final {
public:
  /// Nothing.
  Arguments() = default;
  /// A message, encoded at once.
  template <Message M>
  Arguments(const M& message) : name_(M::kName) {  // NOLINT(google-explicit-constructor)
    Envelope envelope = encode_message(message);
    body_ = std::move(envelope.body);
    payloads_ = std::move(envelope.payloads);
  }
  /// Bulk bytes, shared.
  Arguments(Payload bytes) : payloads_{std::move(bytes)} {}  // NOLINT(google-explicit-constructor)

  /// What it was made of; or a Failure that names what there is.
  template <Message M>
  [[nodiscard]] Result<M> as() const {
    if (name_ != M::kName) return wrong("a " + std::string(M::kName));
    Envelope envelope;
    envelope.message = name_;
    envelope.body = body_;
    envelope.payloads = payloads_;
    return decode_message<M>(envelope);
  }
  /// The bulk bytes; or a Failure that names what there is.
  [[nodiscard]] Result<Payload> as_payload() const;
  /// Made of nothing.
  [[nodiscard]] bool is_empty() const { return name_.empty() && payloads_.empty(); }
  /// "arguments are to be a store.config, and are nothing".
  [[nodiscard]] Failure wrong(std::string_view wanted) const;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name_, body_, payloads_);
    if constexpr (requires { archive.refuse("why"); }) {
      if (name_.size() > kMaxNameBytes) archive.refuse("a message's name that is too long");
    }
  }

private:
  std::string name_;  // of the message; empty = nothing or bulk bytes
  std::string body_;
  std::vector<Payload> payloads_;
};

/// The kinds of actors that a node can start when it is asked, by name. Made by a main function and passed on:
///
///     ActorClasses classes;
///     classes.add<Counter>("counter");                  // Counter()
///     classes.add<Store, StoreConfig>("store");         // Store(StoreConfig)
///     classes.add("probe", [&](const Arguments&) { return std::make_unique<Probe>(device); });
///
/// Thread-safety: a plain value; make() from any thread when the factories may be called so.
/// Ownership:     owns the factories, which borrow what they have captured.
/// Errors:        add() throws std::invalid_argument for a name that is there already, or none; make() says which names
///                there are, what was wrong with the arguments, or what a factory or a constructor has thrown.
/// Restart:       a new process makes its own.
///
/// AX-1  make() calls the factory of that name, or says in words why not, with the nearest name there is.
/// AX-2  Arguments of another kind than the class takes are refused, and no actor is made.
/// AX-3  What a factory or a constructor throws is a Failure of make(), faulted; who calls it lives on.
class ActorClasses final {
public:
  /// Makes an actor, or says why these arguments are not the right ones.
  using Factory = std::function<Result<std::unique_ptr<Actor>>(const Arguments&)>;

  /// `make(const Arguments&)` gives a unique_ptr of an actor, or a Result of one.
  template <class Make>
  requires std::is_invocable_v<Make, const Arguments&>
  void add(std::string name, Make make) {
    insert(std::move(name), [make = std::move(make)](const Arguments& arguments) -> Result<std::unique_ptr<Actor>> {
      using Made = std::invoke_result_t<const Make&, const Arguments&>;
      if constexpr (std::is_same_v<Made, Result<std::unique_ptr<Actor>>>) {
        return make(arguments);
      } else {
        return std::unique_ptr<Actor>(make(arguments));
      }
    });
  }
  /// Of actors that are made with nothing.
  template <class A>
  void add(std::string name) {
    add(std::move(name), [](const Arguments& arguments) -> Result<std::unique_ptr<Actor>> {
      if (!arguments.is_empty()) return arguments.wrong("nothing");
      return std::unique_ptr<Actor>(std::make_unique<A>());
    });
  }
  /// Of actors that are made with a message, or with a Payload.
  template <class A, class With>
  void add(std::string name) {
    add(std::move(name), [](const Arguments& arguments) -> Result<std::unique_ptr<Actor>> {
      const auto read = [&arguments] {
        if constexpr (std::is_same_v<With, Payload>) {
          return arguments.as_payload();
        } else {
          return arguments.as<With>();
        }
      };
      Result<With> with = read();
      if (!with) return with.failure();
      return std::unique_ptr<Actor>(std::make_unique<A>(std::move(with).value()));
    });
  }

  /// A new actor of that class (AX-1, AX-2, AX-3).
  [[nodiscard]] Result<std::unique_ptr<Actor>> make(std::string_view name, const Arguments& arguments) const;
  /// In their order.
  [[nodiscard]] std::vector<std::string> names() const;

private:
  void insert(std::string name, Factory factory);
  static Result<std::unique_ptr<Actor>> call(const Factory& factory, const Arguments& arguments);

  std::map<std::string, Factory, std::less<>> factories_;
};

}  // namespace troupe::runtime
