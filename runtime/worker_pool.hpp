#pragma once

#include "runtime/dispatcher.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// Those woken by threads that are no workers, until a worker comes.
///
/// Thread-safety: all methods from any thread, without a lock.
/// Ownership:     shares those in it.
/// Errors:        none.
/// Restart:       gone with the process.
class WokenStack final {
public:
  ~WokenStack();
  void push(std::shared_ptr<Resumable> woken);
  /// Calls `use` with each, in the order pushed; returns how many there were.
  template <class Use>
  std::size_t take_each(const Use& use) {
    std::size_t count = 0;
    for (Resumable* each = take_oldest_first(); each != nullptr; ++count) {
      Resumable* const next = std::exchange(each->next_, nullptr);
      std::shared_ptr<Resumable> woken = std::move(each->self_);  // out of it, also when `use` only looks
      use(std::move(woken));
      each = next;
    }
    return count;
  }
  [[nodiscard]] bool is_empty() const { return newest_.load() == nullptr; }

private:
  [[nodiscard]] Resumable* take_oldest_first();
  std::atomic<Resumable*> newest_ = nullptr;
};

/// The one whom a thread that is no worker has woken and keeps for itself.
///
/// Thread-safety: is_host() from any thread; the rest from the host.
/// Ownership:     shares the guest.
/// Errors:        none.
/// Restart:       gone with the process.
class GuestSeat final {
public:
  void open() { host_.store(std::this_thread::get_id(), std::memory_order_relaxed); }
  /// What only the host writes, it reads as it wrote it.
  [[nodiscard]] bool is_host() const { return host_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }
  /// Takes it only when the seat is free, and its last turn here was short.
  [[nodiscard]] bool offer(std::shared_ptr<Resumable>& woken);
  [[nodiscard]] bool is_taken() const { return guest_ != nullptr; }
  /// And closes it.
  [[nodiscard]] std::shared_ptr<Resumable> take() {
    host_.store({}, std::memory_order_relaxed);
    return std::exchange(guest_, nullptr);
  }
  /// True when it has more to do.
  [[nodiscard]] static bool resume(Resumable& guest);

private:
  std::atomic<std::thread::id> host_ = {};
  std::shared_ptr<Resumable> guest_;
};

/// Threads that share the awake: each has a queue of its own, to which it adds those whom its actors wake. So two
/// actors that talk to each other stay on one thread, in its cache, and no other thread is called for each message.
/// A worker without work takes from another's queue: at once where many wait, otherwise when the other has been in the
/// same turn for a while.
///
/// Thread-safety: wake() from any thread; stop() from the owner; the rest as GuestTurns.
/// Ownership:     shares those in its queues.
/// Errors:        none.
/// Restart:       gone with the process.
///
/// WP-1  Whoever is woken before stop() is resumed; nobody is kept by a pool that has stopped.
/// WP-2  An idle worker looks at the queues of the busy ones at least every kWatchLongest.
/// WP-3  Whoever is woken while a guest waits, or after end(), goes to a worker, and the guest before it.
/// WP-4  Who had a long turn as a guest goes to a worker the next times.
class WorkerPool final : public Strand, public GuestTurns {
public:
  explicit WorkerPool(int workers);
  ~WorkerPool() override { stop(); }

  void wake(std::shared_ptr<Resumable> sleeper) override;
  void stop();

  // GuestTurns
  void begin() override { seat_.open(); }
  [[nodiscard]] bool has_guest() const override { return seat_.is_taken(); }
  [[nodiscard]] std::shared_ptr<Resumable> take_guest() override { return seat_.take(); }
  void resume(std::shared_ptr<Resumable> guest) noexcept override;
  void pass_on(std::shared_ptr<Resumable> guest) override;

  /// How long an idle worker leaves a busy one alone: at first, and when nothing was to be helped with.
  static constexpr Duration kWatchShortest = std::chrono::milliseconds(1);
  static constexpr Duration kWatchLongest = std::chrono::milliseconds(8);

private:
  struct Worker {
    std::atomic<std::thread::id> thread = {};  // set by itself
    std::mutex mutex;
    std::deque<std::shared_ptr<Resumable>> awake;  // guarded by mutex
    std::atomic<std::size_t> waiting = 0;          // its size, to look at without the lock
    std::atomic<std::uint64_t> turns = 0;          // changes with each that is resumed
    std::uint64_t seen = 0;                        // turns, as the one who watches saw them last: guarded by mutex_
  };

  void run(Worker& own);
  [[nodiscard]] Worker* this_worker() const;
  void add(Worker& own, std::shared_ptr<Resumable> awake);
  void call_for_help(std::size_t waiting);
  void resume_left_over();
  std::shared_ptr<Resumable> take(Worker& own);
  std::shared_ptr<Resumable> take_next(Worker& own);
  std::shared_ptr<Resumable> look_around(Worker& own);
  std::shared_ptr<Resumable> wait_for_work(Worker& own);
  std::shared_ptr<Resumable> steal(Worker& own);

  std::vector<std::unique_ptr<Worker>> workers_;  // constant after construction
  std::atomic<int> idle_ = 0;
  std::atomic<bool> is_watched_ = false;  // an idle worker looks at the busy ones from time to time
  std::atomic<int> looking_ = 0;          // out of work, and not asleep yet
  std::atomic<bool> is_called_ = false;   // an idle worker is on its way to injected_
  std::atomic<bool> stopped_ = false;
  WokenStack injected_;
  GuestSeat seat_;

  std::mutex mutex_;  // of those who sleep
  std::condition_variable changed_;

  std::vector<std::thread> threads_;  // last: they use everything above
};

}  // namespace troupe::runtime
