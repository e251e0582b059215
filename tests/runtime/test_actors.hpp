#pragma once

#include "runtime/node.hpp"
#include "runtime/watch.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

struct Number {
  static constexpr std::string_view kName = "test.number";
  std::uint32_t value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
};

struct Ask {
  static constexpr std::string_view kName = "test.ask";
  std::uint32_t value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
};

struct Answer {
  static constexpr std::string_view kName = "test.answer";
  std::uint32_t value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
};

/// A message nobody has a handler for.
struct Stray {
  static constexpr std::string_view kName = "test.stray";
  template <class Archive>
  void serialize(Archive&) {}
};

/// An actor that does what the test says: every hook may be empty.
class HookedActor final : public Actor {
public:
  struct Hooks {
    std::function<void(Context&)> start;
    std::function<void(Context&)> stop;
    std::function<void(const Number&, Context&)> number;
    std::function<void(const Ask&, Context&)> ask;
    std::function<void(const ActorDown&, Context&)> down;
    std::shared_ptr<void> keeps;  ///< goes with the actor
  };

  explicit HookedActor(Hooks hooks) : hooks_(std::move(hooks)) {}

  Behavior behavior() override {
    return {on(this, &HookedActor::number), on(this, &HookedActor::ask), on(this, &HookedActor::down)};
  }
  void on_start(Context& context) override {
    if (hooks_.start) hooks_.start(context);
  }
  void on_stop(Context& context) override {
    if (hooks_.stop) hooks_.stop(context);
  }

private:
  void number(const Number& message, Context& context) {
    if (hooks_.number) hooks_.number(message, context);
  }
  void ask(const Ask& message, Context& context) {
    if (hooks_.ask) hooks_.ask(message, context);
  }
  void down(const ActorDown& message, Context& context) {
    if (hooks_.down) hooks_.down(message, context);
  }

  const Hooks hooks_;
};

[[nodiscard]] inline std::unique_ptr<Actor> hooked(HookedActor::Hooks hooks) {
  return std::make_unique<HookedActor>(std::move(hooks));
}

/// Answers every Ask with the same number.
[[nodiscard]] inline HookedActor::Hooks answering() {
  HookedActor::Hooks hooks;
  hooks.ask = [](const Ask& message, Context& context) { context.reply(Answer{message.value}); };
  return hooks;
}

/// Dies of `text` at its first Number; never answers an Ask.
[[nodiscard]] inline HookedActor::Hooks dying_of(const std::string& text) {
  HookedActor::Hooks hooks;
  hooks.number = [text](const Number&, Context&) { throw std::runtime_error(text); };
  hooks.ask = [](const Ask&, Context& context) { (void)context.defer_reply(); };
  return hooks;
}

/// Writes every ActorDown down as "name#incarnation: kind: text".
[[nodiscard]] inline HookedActor::Hooks recording_downs(std::vector<std::string>& downs) {
  HookedActor::Hooks hooks;
  hooks.down = [&downs](const ActorDown& message, Context&) {
    downs.push_back(message.actor.describe() + ": " + message.cause.describe());
  };
  return hooks;
}

}  // namespace troupe::runtime
