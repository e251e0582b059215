#include "runtime/simulation/process_loop.hpp"

#include <algorithm>

namespace troupe::runtime::simulation {

namespace {

constexpr std::int64_t kMillion = 1'000'000;
constexpr Duration kTurnLeast = std::chrono::microseconds(2);
constexpr Duration kTurnMost = std::chrono::microseconds(40);
constexpr Duration kSlowTurnMost = std::chrono::milliseconds(15);
constexpr Duration kMostUptime = std::chrono::hours(100);

}  // namespace

ProcessLoop::ProcessLoop(EventQueue& events, Random random, std::int64_t clock_ppm)
    : events_(events),
      random_(random),
      clock_ppm_(clock_ppm),
      began_(events.now()),
      shown_(random_.between(std::chrono::seconds(1), kMostUptime)) {}

TimePoint ProcessLoop::now() const {
  const Duration passed = events_.now() - began_;
  return shown_ + passed + Duration(passed.count() / 1000 * clock_ppm_ / (kMillion / 1000));
}

void ProcessLoop::at(TimePoint due, std::function<void()> work) {
  events_.at(due, [self = shared_from_this(), work = std::move(work)]() mutable {
    if (!self->is_alive_) return;
    if (self->paused_until_ > self->events_.now()) return self->at(self->paused_until_, std::move(work));
    work();
  });
}

void ProcessLoop::at_local(TimePoint due, std::function<void()> work) {
  if (due == TimePoint::max()) return;
  const Duration left = due - now();
  const auto count = left.count() <= 0 ? 0 : left.count() - left.count() / kMillion * clock_ppm_ + 1000;
  // The rate is near 1, so this is near; whoever comes too early looks at the clock and waits on.
  after(Duration(count), std::move(work));
}

// ---- turns ---------------------------------------------------------------------------------------------------------

void ProcessLoop::wake(std::shared_ptr<Resumable> sleeper) {
  awake_.push_back(std::move(sleeper));
  plan_turn();
}

void ProcessLoop::plan_turn() {
  if (awake_.empty() || !is_alive_ || std::exchange(is_turn_planned_, true)) return;
  const bool is_slow = slow_until_ > events_.now();
  after(random_.between(kTurnLeast, is_slow ? kSlowTurnMost : kTurnMost), [this] { take_turn(); });
}

// Which of those who are awake is next, is left to chance: so it is with several workers.
void ProcessLoop::take_turn() {
  is_turn_planned_ = false;
  if (awake_.empty()) return;
  const auto chosen = awake_.begin() + static_cast<std::ptrdiff_t>(random_.below(awake_.size()));
  const std::shared_ptr<Resumable> next = std::move(*chosen);
  awake_.erase(chosen);
  if (next->resume(1)) awake_.push_back(next);
  if (after_turn_) after_turn_();
  plan_turn();
}

void ProcessLoop::resume_to_the_end() {
  while (!awake_.empty()) {
    const std::shared_ptr<Resumable> next = std::move(awake_.back());
    awake_.pop_back();
    while (next->resume(1)) {
    }
  }
}

// ---- timers --------------------------------------------------------------------------------------------------------

std::uint64_t ProcessLoop::add_timer(TimePoint due, std::function<void()> task) {
  const std::uint64_t id = ++last_timer_;
  timers_.emplace(std::pair{due, id}, std::move(task));
  timers_due_.emplace(id, due);
  plan_timers();
  return id;
}

void ProcessLoop::cancel_timer(std::uint64_t id) {
  const auto found = timers_due_.find(id);
  if (found == timers_due_.end()) return;
  timers_.erase({found->second, id});
  timers_due_.erase(found);
}

void ProcessLoop::plan_timers() {
  if (timers_.empty() || timers_.begin()->first.first >= timers_planned_) return;
  timers_planned_ = timers_.begin()->first.first;
  at_local(timers_planned_, [this, planned = timers_planned_] {
    if (timers_planned_ != planned) return;  // an earlier one came later
    timers_planned_ = TimePoint::max();
    run_due_timers();
  });
}

void ProcessLoop::run_due_timers() {
  while (is_alive_ && !timers_.empty() && timers_.begin()->first.first <= now()) {
    const auto first = timers_.begin();
    const std::function<void()> task = std::move(first->second);
    timers_due_.erase(first->first.second);
    timers_.erase(first);
    task();
  }
  plan_timers();
}

// ---- faults --------------------------------------------------------------------------------------------------------

void ProcessLoop::pause(Duration length) {
  paused_until_ = std::max(paused_until_, events_.now() + length);
}

void ProcessLoop::be_slow(Duration length) {
  slow_until_ = std::max(slow_until_, events_.now() + length);
}

}  // namespace troupe::runtime::simulation
