#include "runtime/transport/zmq_office_duty.hpp"

#include <utility>

namespace troupe::runtime {
namespace {

bool is_lent(std::uint64_t loans) {
  return loans % 2 == 1;
}

}  // namespace

std::optional<std::uint64_t> OfficeDuty::lend() {
  if (!has_stand_in_) return std::nullopt;
  const std::uint64_t loan = loans_.fetch_add(1) + 1;
  // After the loan: a stand-in that is about to sleep looks at the loans once more.
  if (!is_watched_) {
    {
      const std::lock_guard lock(mutex_);
      is_watched_ = true;
    }
    changed_.notify_one();
  }
  return loan;
}

bool OfficeDuty::take_back(std::uint64_t loan) {
  return loans_.compare_exchange_strong(loan, loan + 1);
}

bool OfficeDuty::wait_for() {
  std::unique_lock lock(mutex_);
  has_stand_in_ = true;
  std::uint64_t seen = 0;
  while (!is_closed_) {
    if (is_watched_) {
      changed_.wait_for(lock, kStandInAfter);
    } else {
      changed_.wait(lock, [this] { return is_closed_ || is_watched_; });
    }
    std::uint64_t now = loans_;
    if (std::exchange(seen, now) != now || is_closed_) continue;
    if (!is_lent(now)) {
      is_watched_ = false;
      if (loans_ != now) is_watched_ = true;
    } else if (loans_.compare_exchange_strong(now, now + 1)) {
      has_stand_in_ = false;
      return true;
    }
  }
  has_stand_in_ = false;
  return false;
}

void OfficeDuty::close() {
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
  }
  changed_.notify_all();
}

}  // namespace troupe::runtime
