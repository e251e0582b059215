#pragma once

#include "runtime/clock.hpp"
#include "runtime/result.hpp"

#include <functional>
#include <memory>

namespace troupe::runtime {

/// Where an actor's turns run.
enum class Placement {
  shared,  ///< on any of the node's workers, one turn at a time
  pinned,  ///< on a thread of its own, always the same: for actors with thread-local state (LibTorch, CUDA)
};

/// One stream of tasks that never runs on two threads at once, in the order posted.
///
/// Thread-safety: post() from any thread.
/// Ownership:     owned by the cell; the dispatcher outlives it.
/// Errors:        tasks posted after the dispatcher stopped are dropped.
/// Restart:       gone with the process.
class Strand {
public:
  virtual ~Strand() = default;
  virtual void post(std::function<void()> task) = 0;
};

/// Threads that give cells their turns. Implementations: ThreadedDispatcher; tests use one that runs a single turn when
/// told to.
///
/// Thread-safety: make_strand() from any thread.
/// Ownership:     owned by the Node.
/// Errors:        none.
/// Restart:       gone with the process.
///
/// DP-1  Tasks of one strand run one at a time, in order.
/// DP-2  A pinned strand's tasks all run on the same thread.
class Dispatcher {
public:
  virtual ~Dispatcher() = default;
  [[nodiscard]] virtual std::unique_ptr<Strand> make_strand(Placement placement) = 0;
  /// Runs what is posted already, then joins the threads. Idempotent.
  virtual void stop() = 0;
};

/// `workers` shared threads, and one thread for each pinned strand.
[[nodiscard]] std::unique_ptr<Dispatcher> make_threaded_dispatcher(int workers);

/// Tasks due later, run in order of due time by somebody who owns a clock.
///
/// Thread-safety: all methods from any thread.
/// Ownership:     owned by the Node.
/// Errors:        none.
/// Restart:       gone with the process.
///
/// TQ-1  A task never runs before it is due; tasks due at the same instant run in the order they were added.
/// TQ-2  A cancelled task does not run.
class Timers {
public:
  virtual ~Timers() = default;
  virtual std::uint64_t run_at(TimePoint due, std::function<void()> task) = 0;
  virtual void cancel(std::uint64_t id) = 0;
  virtual void stop() = 0;
};

/// Timers on a thread of their own, by the steady clock.
[[nodiscard]] std::unique_ptr<Timers> make_threaded_timers();

}  // namespace troupe::runtime
