#include "runtime/dispatcher.hpp"
#include "runtime/observe/thread_name.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace troupe::runtime {
namespace {

class ThreadedTimers final : public Timers {
public:
  ThreadedTimers() : thread_([this] { run(); }) {}
  ~ThreadedTimers() override { stop(); }

  std::uint64_t run_at(TimePoint due, std::function<void()> task) override {
    const std::lock_guard lock(mutex_);
    const std::uint64_t id = next_id_++;
    if (stopped_) return id;
    const auto placed = tasks_.emplace(std::pair{due, id}, std::move(task)).first;
    due_.emplace(id, due);
    if (placed == tasks_.begin()) changed_.notify_one();
    return id;
  }

  void cancel(std::uint64_t id) override {
    const std::lock_guard lock(mutex_);
    const auto found = due_.find(id);
    if (found == due_.end()) return;
    tasks_.erase({found->second, id});
    due_.erase(found);
  }

  void stop() override {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      tasks_.clear();
      due_.clear();
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

private:
  void run() {
    name_this_thread("troupe-timers");
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      if (tasks_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto first = tasks_.begin();
      const TimePoint due = first->first.first;
      if (std::chrono::steady_clock::now() < due) {
        changed_.wait_until(lock, due);
        continue;
      }
      const std::function<void()> task = std::move(first->second);
      due_.erase(first->first.second);
      tasks_.erase(first);
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<TimePoint, std::uint64_t>, std::function<void()>> tasks_;  // guarded by mutex_
  std::map<std::uint64_t, TimePoint> due_;                                      // guarded by mutex_
  std::uint64_t next_id_ = 1;                                                   // guarded by mutex_
  bool stopped_ = false;                                                        // guarded by mutex_
  std::thread thread_;                                                          // last: it uses everything above
};

}  // namespace

std::unique_ptr<Timers> make_threaded_timers() {
  return std::make_unique<ThreadedTimers>();
}

}  // namespace troupe::runtime
