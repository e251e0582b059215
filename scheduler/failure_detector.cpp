#include "scheduler/failure_detector.hpp"

namespace troupe::scheduler {

void FailureDetector::observe_pause(runtime::Duration pause) {
  for (auto& [node, time] : last_) time += pause;
}

Health FailureDetector::health(const std::string& node, runtime::TimePoint now) const {
  const auto found = last_.find(node);
  if (found == last_.end()) return Health::dead;
  const runtime::Duration silence = now - found->second;
  if (silence >= dead_after_) return Health::dead;
  return silence >= suspect_after_ ? Health::suspected : Health::alive;
}

std::vector<std::string> FailureDetector::dead(runtime::TimePoint now) const {
  std::vector<std::string> names;
  for (const auto& [node, time] : last_) {
    if (health(node, now) == Health::dead) names.push_back(node);
  }
  return names;
}

}  // namespace troupe::scheduler
