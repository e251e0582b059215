#include "runtime/dispatcher.hpp"

#include "runtime/observe/thread_name.hpp"
#include "runtime/worker_pool.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::runtime {
namespace {

/// The place where one thread waits for those woken on its strand.
class PinnedQueue {
public:
  /// False, and not taken, after stop().
  bool push(const std::shared_ptr<Resumable>& sleeper) {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return false;
      awake_.push_back(sleeper);
    }
    changed_.notify_one();
    return true;
  }
  void run() {
    serve();
    ended_ = true;
  }
  [[nodiscard]] bool has_ended() const { return ended_; }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_one();
  }

private:
  static constexpr int kTurnsAtOnce = 64;  // then stop() is looked at

  void serve() {
    while (true) {
      std::vector<std::shared_ptr<Resumable>> awake;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopped_ || !awake_.empty(); });
        if (awake_.empty()) return;
        awake.swap(awake_);
      }
      for (std::shared_ptr<Resumable>& each : awake) {
        if (each->resume(kTurnsAtOnce)) {
          if (!push(each)) (void)each->resume(1);  // the node has closed its mailbox: to its end
        } else if (each->is_over()) {
          return;
        }
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Resumable>> awake_;  // guarded by mutex_
  bool stopped_ = false;                           // guarded by mutex_
  std::atomic<bool> ended_ = false;                // nothing of it is used any more by its thread
};

/// A strand with a thread of its own, which ends with it.
class PinnedStrand final : public Strand {
public:
  explicit PinnedStrand(std::shared_ptr<PinnedQueue> queue) : queue_(std::move(queue)) {}
  ~PinnedStrand() override { queue_->stop(); }
  void wake(std::shared_ptr<Resumable> sleeper) override { (void)queue_->push(sleeper); }

private:
  const std::shared_ptr<PinnedQueue> queue_;  // shared with the thread, which may outlive the strand
};

class ThreadedDispatcher final : public Dispatcher {
public:
  explicit ThreadedDispatcher(int workers) : pool_(std::make_shared<WorkerPool>(workers)) {}
  ~ThreadedDispatcher() override { stop(); }

  std::shared_ptr<Strand> make_strand(Placement placement) override {
    if (placement == Placement::shared) return pool_;
    auto queue = std::make_shared<PinnedQueue>();
    const std::lock_guard lock(mutex_);
    std::erase_if(pinned_, [](Pinned& pinned) {
      if (pinned.queue->has_ended()) pinned.thread.join();
      return pinned.queue->has_ended() && !pinned.thread.joinable();
    });
    pinned_.push_back({queue, std::thread([queue] {
                         name_this_thread("troupe-pinned");
                         queue->run();
                       })});
    return std::make_shared<PinnedStrand>(queue);
  }

  [[nodiscard]] GuestTurns* guest_turns() override { return pool_.get(); }

  void stop() override {
    std::vector<Pinned> pinned;
    {
      const std::lock_guard lock(mutex_);
      pinned.swap(pinned_);
    }
    for (const Pinned& each : pinned) each.queue->stop();
    pool_->stop();
    for (Pinned& each : pinned) each.thread.join();
  }

private:
  struct Pinned {
    std::shared_ptr<PinnedQueue> queue;  // shared with the strand and the thread
    std::thread thread;
  };
  const std::shared_ptr<WorkerPool> pool_;  // shared with the cells
  std::mutex mutex_;
  std::vector<Pinned> pinned_;  // guarded by mutex_
};

}  // namespace

std::unique_ptr<Dispatcher> make_threaded_dispatcher(int workers) {
  return std::make_unique<ThreadedDispatcher>(workers);
}

}  // namespace troupe::runtime
