#include "runtime/worker_pool.hpp"

#include "runtime/observe/thread_name.hpp"

#include <algorithm>
#include <utility>

namespace troupe::runtime {
namespace {

constexpr int kTurnsAtOnce = 64;     // before others of the same queue get theirs
constexpr std::size_t kBacklog = 8;  // waiting: worth a second worker

constexpr int kLooks = 200;

constexpr int kGuestTurns = 2;  // one, and a look for more mail
constexpr Duration kLongTurn = std::chrono::microseconds(500);
constexpr std::uint16_t kStaysAway = 1000;

/// A hint to the processor that this is a loop which waits.
void pause_processor() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void WokenStack::push(std::shared_ptr<Resumable> woken) {
  Resumable* const raw = woken.get();
  raw->self_ = std::move(woken);
  raw->next_ = newest_.load(std::memory_order_relaxed);
  while (!newest_.compare_exchange_weak(raw->next_, raw)) {
  }
}

Resumable* WokenStack::take_oldest_first() {
  Resumable* oldest = nullptr;
  for (Resumable* each = newest_.exchange(nullptr); each != nullptr;) {
    Resumable* const older = std::exchange(each->next_, oldest);
    oldest = std::exchange(each, older);
  }
  return oldest;
}

WokenStack::~WokenStack() {
  take_each([](const std::shared_ptr<Resumable>&) {});
}

WorkerPool::WorkerPool(int workers) {
  for (int i = 0; i < workers; ++i) workers_.push_back(std::make_unique<Worker>());
  for (const auto& worker : workers_) {
    threads_.emplace_back([this, own = worker.get()] { run(*own); });
  }
}

void WorkerPool::wake(std::shared_ptr<Resumable> sleeper) {
  if (stopped_) return;
  if (Worker* const own = this_worker()) return add(*own, std::move(sleeper));
  if (seat_.is_host()) {
    if (seat_.offer(sleeper)) return;
    end();
  }
  pass_on(std::move(sleeper));
}

void WorkerPool::resume(std::shared_ptr<Resumable> guest) noexcept {
  if (GuestSeat::resume(*guest)) pass_on(std::move(guest));
}

bool GuestSeat::offer(std::shared_ptr<Resumable>& woken) {
  if (guest_) return false;
  // Only who has woken it is here: there is nobody else to count.
  if (const std::uint16_t left = woken->stays_away_.load(std::memory_order_relaxed); left > 0) {
    woken->stays_away_.store(left - 1, std::memory_order_relaxed);
    return false;
  }
  guest_ = std::move(woken);
  return true;
}

bool GuestSeat::resume(Resumable& guest) {
  const auto began = std::chrono::steady_clock::now();
  const bool has_more = guest.resume(kGuestTurns);
  if (std::chrono::steady_clock::now() - began > kLongTurn) {
    guest.stays_away_.store(kStaysAway, std::memory_order_relaxed);
  }
  return has_more;
}

/// From a thread that is no worker.
void WorkerPool::pass_on(std::shared_ptr<Resumable> guest) {
  injected_.push(std::move(guest));
  if (stopped_) return resume_left_over();  // perhaps no worker has seen it
  // Who looks around sees it, now or when it looks a last time before it sleeps.
  if (looking_.load() > 0 || idle_.load() == 0 || is_called_.exchange(true)) return;
  // The lock: a worker that is about to sleep has looked before, or sleeps.
  { const std::lock_guard lock(mutex_); }
  changed_.notify_one();
}

/// The one this thread is; null for a thread of others. There are few: to compare all takes a few nanoseconds.
WorkerPool::Worker* WorkerPool::this_worker() const {
  const std::thread::id self = std::this_thread::get_id();
  for (const auto& worker : workers_) {
    if (worker->thread.load(std::memory_order_relaxed) == self) return worker.get();
  }
  return nullptr;
}

void WorkerPool::add(Worker& own, std::shared_ptr<Resumable> awake) {
  std::size_t waiting = 0;
  {
    const std::lock_guard lock(own.mutex);
    own.awake.push_back(std::move(awake));
    waiting = own.awake.size();
    own.waiting.store(waiting, std::memory_order_relaxed);
  }
  if (idle_.load(std::memory_order_relaxed) > 0) call_for_help(waiting);
}

void WorkerPool::call_for_help(std::size_t waiting) {
  // The one who waits may be next in no time, as in a conversation of two; or behind a long turn. Somebody will see.
  if (waiting >= kBacklog || !is_watched_.load(std::memory_order_relaxed)) changed_.notify_one();
}

std::shared_ptr<Resumable> WorkerPool::take(Worker& own) {
  if (own.waiting.load(std::memory_order_relaxed) == 0) return nullptr;
  const std::lock_guard lock(own.mutex);
  if (own.awake.empty()) return nullptr;  // helped meanwhile
  std::shared_ptr<Resumable> next = std::move(own.awake.front());
  own.awake.pop_front();
  own.waiting.store(own.awake.size(), std::memory_order_relaxed);
  return next;
}

/// The next of the own queue, behind which those join who were woken by others: they wait for one round at most.
std::shared_ptr<Resumable> WorkerPool::take_next(Worker& own) {
  if (injected_.is_empty()) return take(own);
  std::shared_ptr<Resumable> next;
  std::size_t waiting = 0;
  {
    const std::lock_guard lock(own.mutex);
    injected_.take_each([&own](std::shared_ptr<Resumable> woken) { own.awake.push_back(std::move(woken)); });
    if (own.awake.empty()) return nullptr;  // another worker was quicker
    next = std::move(own.awake.front());
    own.awake.pop_front();
    waiting = own.awake.size();
    own.waiting.store(waiting, std::memory_order_relaxed);
  }
  if (waiting > 0 && idle_.load(std::memory_order_relaxed) > 0) call_for_help(waiting);
  return next;
}

/// For a few microseconds: to sleep and to be called costs as much.
std::shared_ptr<Resumable> WorkerPool::look_around(Worker& own) {
  ++looking_;
  for (int i = 0; i < kLooks && injected_.is_empty(); ++i) pause_processor();
  --looking_;
  return take_next(own);
}

/// Half of what waits behind a busy worker. Under mutex_.
std::shared_ptr<Resumable> WorkerPool::steal(Worker& own) {
  for (const auto& other : workers_) {
    if (other.get() == &own) continue;
    const std::uint64_t turns = other->turns.load(std::memory_order_relaxed);
    const bool is_stuck = std::exchange(other->seen, turns) == turns;
    const std::size_t waiting = other->waiting.load(std::memory_order_relaxed);
    if (waiting == 0 || (waiting < kBacklog && !is_stuck)) continue;
    std::deque<std::shared_ptr<Resumable>> stolen;
    {
      const std::lock_guard lock(other->mutex);
      const auto half = static_cast<std::ptrdiff_t>((other->awake.size() + 1) / 2);
      stolen.assign(std::make_move_iterator(other->awake.begin()),
                    std::make_move_iterator(other->awake.begin() + half));
      other->awake.erase(other->awake.begin(), other->awake.begin() + half);
      other->waiting.store(other->awake.size(), std::memory_order_relaxed);
    }
    if (stolen.empty()) continue;
    std::shared_ptr<Resumable> next = std::move(stolen.front());
    stolen.pop_front();
    const std::lock_guard lock(own.mutex);
    for (auto& each : stolen) own.awake.push_back(std::move(each));
    own.waiting.store(own.awake.size(), std::memory_order_relaxed);
    return next;
  }
  return nullptr;
}

/// Null when the pool has stopped and nothing is left.
std::shared_ptr<Resumable> WorkerPool::wait_for_work(Worker& own) {
  std::unique_lock lock(mutex_);
  Duration patience = kWatchShortest;
  ++idle_;
  std::shared_ptr<Resumable> next;
  while (!next) {
    is_called_ = false;
    if ((next = take_next(own))) {
      // taken
    } else if (stopped_) {
      break;
    } else if ((next = steal(own))) {
      // taken
    } else if (idle_.load() < static_cast<int>(workers_.size()) && !is_watched_) {
      is_watched_ = true;
      const bool was_called = changed_.wait_for(lock, patience) == std::cv_status::no_timeout;
      is_watched_ = false;
      patience = was_called ? kWatchShortest : std::min(2 * patience, kWatchLongest);
    } else {
      changed_.wait(lock);
    }
  }
  --idle_;
  // Somebody else has to look at the busy ones from now on, of whom this is one.
  const auto has_waiting = [](const auto& worker) { return worker->waiting.load(std::memory_order_relaxed) > 0; };
  if (next && idle_.load() > 0 && std::ranges::any_of(workers_, has_waiting)) changed_.notify_one();
  return next;
}

void WorkerPool::run(Worker& own) {
  own.thread = std::this_thread::get_id();
  name_this_thread("troupe-worker");
  while (true) {
    std::shared_ptr<Resumable> next = take_next(own);
    if (!next) next = look_around(own);
    if (!next) next = wait_for_work(own);
    if (!next) return;
    own.turns.fetch_add(1, std::memory_order_relaxed);
    if (!next->resume(kTurnsAtOnce)) continue;
    if (stopped_.load(std::memory_order_relaxed)) {
      (void)next->resume(1);  // the node has closed its mailbox: to its end
    } else {
      add(own, std::move(next));
    }
  }
}

void WorkerPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  resume_left_over();
}

/// Those whom no worker sees any more.
void WorkerPool::resume_left_over() {
  injected_.take_each([](const std::shared_ptr<Resumable>& each) { (void)each->resume(1); });
}

}  // namespace troupe::runtime
