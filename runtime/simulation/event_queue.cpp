#include "runtime/simulation/event_queue.hpp"

#include <algorithm>
#include <utility>

namespace troupe::runtime::simulation {

void EventQueue::at(TimePoint due, std::function<void()> work) {
  heap_.push_back({std::max(due, now_), random_.next(), std::move(work)});
  std::push_heap(heap_.begin(), heap_.end(), &is_later);
}

bool EventQueue::run_next(TimePoint end) {
  if (heap_.empty() || heap_.front().due > end) {
    now_ = end;
    return false;
  }
  std::pop_heap(heap_.begin(), heap_.end(), &is_later);
  const Event event = std::move(heap_.back());
  heap_.pop_back();
  now_ = event.due;
  ++happened_;
  event.work();
  return true;
}

}  // namespace troupe::runtime::simulation
