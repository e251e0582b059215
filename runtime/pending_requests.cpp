#include "runtime/pending_requests.hpp"

#include <utility>

namespace troupe::runtime {

std::uint64_t PendingRequests::add(Request request) {
  std::uint64_t correlation = 0;
  std::optional<Failure> closed;
  {
    const std::lock_guard lock(mutex_);
    correlation = next_++;
    closed = closed_;
    if (!closed) waiting_.emplace(correlation, std::move(request));
  }
  if (closed) request.complete(*closed);
  return correlation;
}

bool PendingRequests::complete(std::uint64_t correlation, Result<MailPtr> outcome) {
  Completion completion;
  {
    const std::lock_guard lock(mutex_);
    const auto found = waiting_.find(correlation);
    if (found == waiting_.end()) return false;
    completion = std::move(found->second.complete);
    waiting_.erase(found);
  }
  completion(std::move(outcome));
  return true;
}

void PendingRequests::fail_if(const std::function<bool(const Request&)>& matches, const Failure& why) {
  std::vector<Completion> completions;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (matches(it->second)) {
        completions.push_back(std::move(it->second.complete));
        it = waiting_.erase(it);
      } else {
        ++it;
      }
    }
  }
  for (const Completion& completion : completions) completion(why);
}

void PendingRequests::fail_target(std::uint64_t target, std::uint32_t incarnation, const Failure& why) {
  fail_if([target, incarnation](
              const Request& request) { return request.target == target && request.target_incarnation <= incarnation; },
          why);
}

void PendingRequests::fail_endpoint(const std::string& endpoint, const Failure& why) {
  fail_if([&endpoint](const Request& request) { return request.endpoint == endpoint; }, why);
}

void PendingRequests::close(const Failure& why) {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) closed_ = why;
  }
  fail_if([](const Request&) { return true; }, why);
}

}  // namespace troupe::runtime
