#pragma once

#include "runtime/clock.hpp"
#include "runtime/result.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace troupe::runtime {

/// Where an actor's turns run.
enum class Placement {
  shared,  ///< on any of the node's workers, one turn at a time
  pinned,  ///< on a thread of its own, always the same: for actors with thread-local state (LibTorch, CUDA)
};

/// What is given turns: an actor's cell.
///
/// Thread-safety: resume() is called by one thread at a time.
/// Ownership:     shared by the dispatcher from wake() until resume() returns false.
/// Errors:        must not throw.
/// Restart:       gone with the process.
class Resumable {
public:
  virtual ~Resumable() = default;
  /// Takes up to `most` turns. True: there is more, resume it again. False: it sleeps, until somebody wakes it.
  virtual bool resume(int most) = 0;
  /// It will never wake again.
  [[nodiscard]] virtual bool is_over() const { return false; }

private:
  friend class WokenStack;
  friend class GuestSeat;
  std::atomic<std::uint16_t> stays_away_ = 0;  // from a GuestSeat, so many times
  std::shared_ptr<Resumable> self_;            // while it is in a WokenStack
  Resumable* next_ = nullptr;
};

/// Where sleepers go when they wake.
///
/// Thread-safety: wake() from any thread.
/// Ownership:     shared by the cells; the dispatcher outlives its threads.
/// Errors:        who is woken after the dispatcher stopped is let go.
/// Restart:       gone with the process.
class Strand {
public:
  virtual ~Strand() = default;
  /// Once after each time resume() returned false, and once at the beginning.
  virtual void wake(std::shared_ptr<Resumable> sleeper) = 0;
};

/// For a thread that brings mail, the host: the actor that its mail wakes may have its turn there, as a guest, instead
/// of on a thread that has to be called first. Implementation: of ThreadedDispatcher.
///
/// Thread-safety: resume() and pass_on() from any thread; the rest from one thread at a time, and who comes next sees
///                what the one before has done.
/// Ownership:     shares the guest until it is taken.
/// Errors:        none.
/// Restart:       gone with the process.
class GuestTurns {
public:
  virtual ~GuestTurns() = default;
  /// This thread is the host: the next one that it wakes waits here.
  virtual void begin() = 0;
  /// One waits here.
  [[nodiscard]] virtual bool has_guest() const = 0;
  /// This thread is the host no longer. Null when there is no guest; else it goes to resume() or pass_on().
  [[nodiscard]] virtual std::shared_ptr<Resumable> take_guest() = 0;
  /// @threadsafe  Gives it a turn here, or two where it has more mail. What it throws ends the program, as on a worker:
  /// the host has lent what it works with, and could not go on.
  virtual void resume(std::shared_ptr<Resumable> guest) noexcept = 0;
  /// @threadsafe  To a worker.
  virtual void pass_on(std::shared_ptr<Resumable> guest) = 0;
  /// The guest goes to a worker; this thread is the host no longer.
  void end() {
    if (std::shared_ptr<Resumable> guest = take_guest()) pass_on(std::move(guest));
  }
};

/// Threads that give cells their turns. Implementations: ThreadedDispatcher; tests use one that runs a single turn when
/// told to.
///
/// Thread-safety: make_strand() from any thread.
/// Ownership:     owned by the Node.
/// Errors:        none.
/// Restart:       gone with the process.
///
/// DP-1  Who is woken is resumed, by one thread at a time, until it says that it sleeps.
/// DP-2  Who is woken on a pinned strand is always resumed by the same thread, which is nobody else's.
/// DP-3  Who is awake waits for the turns of those before it, and for nobody's long turn as long as a worker is idle.
class Dispatcher {
public:
  virtual ~Dispatcher() = default;
  /// All who are shared have the same strand.
  [[nodiscard]] virtual std::shared_ptr<Strand> make_strand(Placement placement) = 0;
  /// For threads that are none of the dispatcher's; null where each turn runs on a thread of the dispatcher.
  [[nodiscard]] virtual GuestTurns* guest_turns() { return nullptr; }
  /// Resumes once more who is awake, then joins the threads. Idempotent.
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
  /// @threadsafe  Runs `task` on the timers' thread when it is due: be short there. The result is for cancel().
  virtual std::uint64_t run_at(TimePoint due, std::function<void()> task) = 0;
  /// @threadsafe  The task does not run, unless it has begun already. Nothing for a number that is not known.
  virtual void cancel(std::uint64_t id) = 0;
  /// Nothing runs any more; what is not due yet is dropped. Idempotent.
  virtual void stop() = 0;
};

/// Timers on a thread of their own, by the steady clock.
[[nodiscard]] std::unique_ptr<Timers> make_threaded_timers();

}  // namespace troupe::runtime
