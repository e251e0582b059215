#pragma once

#include "runtime/dispatcher.hpp"
#include "runtime/simulation/event_queue.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace troupe::runtime::simulation {

/// What threads and a clock are to a process: its time, the turns of its cells, its timers, and its post office's
/// steps, each an event.
///
/// Thread-safety: one thread.
/// Ownership:     shares those who are awake; owns the timers' tasks; borrows the events.
/// Errors:        none.
/// Restart:       a new process has a new one, with another clock.
///
/// SL-1  Nothing happens in a process that is paused or dead.
/// SL-2  Its clock runs by its own rate, and its timers by its clock.
class ProcessLoop final : public Strand, public std::enable_shared_from_this<ProcessLoop> {
public:
  ProcessLoop(EventQueue& events, Random random, std::int64_t clock_ppm);

  [[nodiscard]] TimePoint now() const;
  /// After `delay` of true time, or later when it is paused then.
  void after(Duration delay, std::function<void()> work) { at(events_.now() + delay, std::move(work)); }
  /// When its clock shows `due`.
  void at_local(TimePoint due, std::function<void()> work);

  void wake(std::shared_ptr<Resumable> sleeper) override;
  /// Brings those who are awake to their end.
  void resume_to_the_end();
  /// Called after each turn.
  void on_turn(std::function<void()> after_turn) { after_turn_ = std::move(after_turn); }

  std::uint64_t add_timer(TimePoint due, std::function<void()> task);
  void cancel_timer(std::uint64_t id);

  void die() { is_alive_ = false; }
  [[nodiscard]] bool is_alive() const { return is_alive_; }
  void pause(Duration length);
  void be_slow(Duration length);
  /// Last instant at which it was paused or slow, as known now.
  [[nodiscard]] TimePoint held_up_until() const { return std::max(paused_until_, slow_until_); }
  [[nodiscard]] Random& random() { return random_; }

private:
  void at(TimePoint due, std::function<void()> work);
  void take_turn();
  void plan_turn();
  void run_due_timers();
  void plan_timers();

  EventQueue& events_;
  Random random_;
  const std::int64_t clock_ppm_;
  const TimePoint began_;  // true time
  const TimePoint shown_;  // by its own clock, then
  bool is_alive_ = true;
  TimePoint paused_until_;
  TimePoint slow_until_;
  std::vector<std::shared_ptr<Resumable>> awake_;
  bool is_turn_planned_ = false;
  std::function<void()> after_turn_;
  std::map<std::pair<TimePoint, std::uint64_t>, std::function<void()>> timers_;
  std::map<std::uint64_t, TimePoint> timers_due_;
  TimePoint timers_planned_ = TimePoint::max();
  std::uint64_t last_timer_ = 0;
};

}  // namespace troupe::runtime::simulation
