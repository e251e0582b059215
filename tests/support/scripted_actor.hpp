#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace troupe::test {

/// Long enough for a loaded machine with a sanitizer; reached only by a test that fails.
inline constexpr std::chrono::seconds kPatience{30};

/// The messages of one type that an actor heard, for a test on the same thread or another.
template <class M>
class Heard final {
public:
  void add(const M& message) {
    const std::lock_guard lock(mutex_);
    messages_.push_back(message);
    changed_.notify_all();
  }
  [[nodiscard]] bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return messages_.size() >= count; });
  }
  /// False when one more than `count` comes within `time`.
  [[nodiscard]] bool stays_at(std::size_t count, std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return !changed_.wait_for(lock, time, [&] { return messages_.size() != count; });
  }
  [[nodiscard]] std::vector<M> all() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }
  [[nodiscard]] std::size_t count() const { return all().size(); }
  [[nodiscard]] M last() const { return all().back(); }

private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<M> messages_;
};

/// A row of a Behavior: keeps what comes, then does `then`.
template <class M>
[[nodiscard]] runtime::Behavior::Entry hears(Heard<M>& heard,
                                             std::function<void(const M&, runtime::Context&)> then = {}) {
  return runtime::on<M>([&heard, then = std::move(then)](const M& message, runtime::Context& context) {
    if (then) then(message, context);
    heard.add(message);
  });
}

/// An actor that does what a test wrote down.
class ScriptedActor final : public runtime::Actor {
public:
  using OnStart = std::function<void(runtime::Context&)>;
  explicit ScriptedActor(runtime::Behavior behavior, OnStart on_start = {})
      : behavior_(std::move(behavior)), on_start_(std::move(on_start)) {}

  runtime::Behavior behavior() override { return behavior_; }
  void on_start(runtime::Context& context) override {
    if (on_start_) on_start_(context);
  }

private:
  const runtime::Behavior behavior_;
  const OnStart on_start_;
};

}  // namespace troupe::test
