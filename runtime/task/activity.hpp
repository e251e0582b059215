#pragma once

#include "runtime/context.hpp"
#include "runtime/task/handler.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace troupe::runtime {

/// A handler that is a coroutine, from the turn of its message to its end.
struct Activity {
  Activity(Node& node, ActorCell& cell) : context(node, cell, nullptr) {}

  Context context;              ///< what the coroutine was given: valid for as long as it lives
  MailPtr message;              ///< what it handles
  ReplyTo asker;                ///< of a request
  Duty answer{};                ///< to the request
  std::shared_ptr<void> keeps;  ///< the function object whose coroutine it is; shared with the Behavior
  std::coroutine_handle<> frame;
  FinishTask finish = nullptr;
  std::uint64_t alarm = 0;  ///< of the node's timers, while it waits for time
};

/// The coroutines of one actor.
///
/// Thread-safety: the actor's turns only.
/// Ownership:     owns activities and frames; those that ended are used again.
/// Errors:        none.
/// Restart:       gone with the actor.
class Activities final {
public:
  Activities() = default;
  Activities(const Activities&) = delete;
  Activities& operator=(const Activities&) = delete;
  ~Activities();

  [[nodiscard]] Activity& add(Node& node, ActorCell& cell);
  /// Destroys the frame; the activity is used again.
  void remove(Activity& activity);
  /// How many have not ended.
  [[nodiscard]] std::size_t count() const { return running_.size(); }
  /// In no order.
  [[nodiscard]] const std::vector<std::unique_ptr<Activity>>& running() const { return running_; }

private:
  std::vector<std::unique_ptr<Activity>> running_;
  std::vector<std::unique_ptr<Activity>> free_;
};

}  // namespace troupe::runtime
