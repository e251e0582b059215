#include "scheduler/actor_record.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace troupe::scheduler {

std::string_view to_string(ActorState state) {
  switch (state) {
    case ActorState::waiting:
      return "waiting";
    case ActorState::starting:
      return "starting";
    case ActorState::up:
      return "up";
    case ActorState::down:
      return "down";
    case ActorState::given_up:
      return "given_up";
  }
  return "?";
}

void ActorRecord::move_to(ActorState from, ActorState to) {
  if (state_ != from) {
    throw std::logic_error("actor " + name_ + " is " + std::string(to_string(state_)) + ": it cannot go from " +
                           std::string(to_string(from)) + " to " + std::string(to_string(to)));
  }
  state_ = to;
}

runtime::ActorId ActorRecord::start_on(std::string node) {
  move_to(ActorState::waiting, ActorState::starting);
  node_ = std::move(node);
  ++incarnation_;
  return id();
}

void ActorRecord::ready(std::int64_t process, std::string endpoint) {
  move_to(ActorState::starting, ActorState::up);
  failed_starts_ = 0;
  process_ = process;
  endpoint_ = std::move(endpoint);
}

void ActorRecord::went_down(runtime::TimePoint now, runtime::Failure cause) {
  if (state_ == ActorState::starting) ++failed_starts_;
  move_to(state_ == ActorState::starting ? ActorState::starting : ActorState::up, ActorState::down);
  failures_.push_back(now);
  causes_.push_back(cause);
  last_failure_ = std::move(cause);
  process_ = 0;
  endpoint_.clear();
}

const runtime::Failure& ActorRecord::first_failure_since(runtime::TimePoint since) const {
  const auto first = std::lower_bound(failures_.begin(), failures_.end(), since);
  return first == failures_.end() ? last_failure_ : causes_[static_cast<std::size_t>(first - failures_.begin())];
}

void ActorRecord::wait_again() {
  move_to(ActorState::down, ActorState::waiting);
}

void ActorRecord::give_up() {
  move_to(ActorState::down, ActorState::given_up);
}

}  // namespace troupe::scheduler
