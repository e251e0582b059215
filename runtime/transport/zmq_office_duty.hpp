#pragma once

#include "runtime/clock.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>

namespace troupe::runtime {

/// Which of two threads is the post office. Who has the duty lends it while it does something that may take long; the
/// other, the stand-in, takes it over when that has taken kStandInAfter, and then the first one stands in.
///
/// Thread-safety: lend() and take_back() from who has the duty, wait_for() from who has not, close() from any thread.
///                All that was done with the duty is seen by who has it next.
/// Ownership:     a plain value.
/// Errors:        none.
/// Restart:       one per transport.
///
/// OD-1  One thread has the duty at a time, and nobody while it is lent.
/// OD-2  A duty that was lent and is not taken back goes to the stand-in.
class OfficeDuty {
public:
  /// None when there is no stand-in: the duty has to be kept.
  [[nodiscard]] std::optional<std::uint64_t> lend();
  /// `loan` = what lend() gave. False: the other has it now.
  [[nodiscard]] bool take_back(std::uint64_t loan);
  /// True: this thread has it now. False: close() was called.
  [[nodiscard]] bool wait_for();
  /// Nobody will have it again.
  void close();

  /// How long a stand-in leaves a lent duty alone, at least; twice that at most.
  static constexpr Duration kStandInAfter = std::chrono::milliseconds(2);

private:
  std::atomic<std::uint64_t> loans_ = 0;  // odd = lent
  std::atomic<bool> has_stand_in_ = false;
  std::atomic<bool> is_watched_ = false;  // the stand-in looks from time to time; it sleeps where nothing was lent

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_closed_ = false;  // guarded by mutex_
};

}  // namespace troupe::runtime
