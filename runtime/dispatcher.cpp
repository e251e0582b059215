#include "runtime/dispatcher.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::runtime {
namespace {

using Task = std::function<void()>;

/// Tasks for some threads; run() serves until stop(), and stop() lets what was posted run first.
class TaskQueue {
public:
  enum class From { outside, running_task };  ///< a running task may go on with what it began, also after stop()

  /// False, and nothing posted, when it was stopped.
  bool post(Task task, From from = From::outside) {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_ && from == From::outside) return false;
      tasks_.push_back(std::move(task));
    }
    ready_.notify_one();
    return true;
  }
  [[nodiscard]] bool is_stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }
  void run() {
    while (true) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [this] { return stopped_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    ready_.notify_all();
  }

private:
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Task> tasks_;  // guarded by mutex_
  bool stopped_ = false;    // guarded by mutex_
};

/// A strand with a thread of its own.
class PinnedStrand final : public Strand {
public:
  explicit PinnedStrand(std::shared_ptr<TaskQueue> queue) : queue_(std::move(queue)) {}
  void post(Task task) override { queue_->post(std::move(task)); }

private:
  const std::shared_ptr<TaskQueue> queue_;  // shared with the thread, which may outlive the strand
};

/// A strand over shared workers: at most one of its tasks is in the shared queue at a time.
class SharedStrand final : public Strand {
public:
  explicit SharedStrand(std::shared_ptr<TaskQueue> workers) : state_(std::make_shared<State>()) {
    state_->workers = std::move(workers);
  }
  void post(Task task) override {
    {
      const std::lock_guard lock(state_->mutex);
      if (state_->workers->is_stopped()) return;
      state_->tasks.push_back(std::move(task));
      if (state_->scheduled) return;
      state_->scheduled = true;
    }
    state_->workers->post([state = state_] { run_one(state); });
  }

private:
  struct State {
    std::shared_ptr<TaskQueue> workers;
    std::mutex mutex;
    std::deque<Task> tasks;
    bool scheduled = false;
  };

  static void run_one(const std::shared_ptr<State>& state) {
    Task task;
    {
      const std::lock_guard lock(state->mutex);
      task = std::move(state->tasks.front());
      state->tasks.pop_front();
    }
    task();
    {
      const std::lock_guard lock(state->mutex);
      if (state->tasks.empty()) {
        state->scheduled = false;
        return;
      }
    }
    // To the back: other strands get their turn.
    state->workers->post([state] { run_one(state); }, TaskQueue::From::running_task);
  }

  const std::shared_ptr<State> state_;  // shared with the queued task
};

class ThreadedDispatcher final : public Dispatcher {
public:
  explicit ThreadedDispatcher(int workers) : shared_(std::make_shared<TaskQueue>()) {
    for (int i = 0; i < workers; ++i) {
      threads_.emplace_back([queue = shared_] { queue->run(); });
    }
  }
  ~ThreadedDispatcher() override { stop(); }

  std::unique_ptr<Strand> make_strand(Placement placement) override {
    if (placement == Placement::shared) return std::make_unique<SharedStrand>(shared_);
    auto queue = std::make_shared<TaskQueue>();
    const std::lock_guard lock(mutex_);
    pinned_.push_back(queue);
    threads_.emplace_back([queue] { queue->run(); });
    return std::make_unique<PinnedStrand>(queue);
  }

  void stop() override {
    std::vector<std::thread> threads;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& queue : pinned_) queue->stop();
      shared_->stop();
      threads.swap(threads_);
    }
    for (std::thread& thread : threads) thread.join();
  }

private:
  const std::shared_ptr<TaskQueue> shared_;  // shared with strands and threads
  std::mutex mutex_;
  std::vector<std::shared_ptr<TaskQueue>> pinned_;  // guarded by mutex_
  std::vector<std::thread> threads_;                // guarded by mutex_
};

}  // namespace

std::unique_ptr<Dispatcher> make_threaded_dispatcher(int workers) {
  return std::make_unique<ThreadedDispatcher>(workers);
}

}  // namespace troupe::runtime
