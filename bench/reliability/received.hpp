#pragma once

#include "bench/reliability/child.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe::bench {

/// What one incarnation of a receiver has handled, in memory that survives its kill. Numbers come from 1.
struct Received {
  std::atomic<std::uint64_t> first;       ///< number of the first message handled; 0 = none
  std::atomic<std::uint64_t> last;        ///< of the last one: everything between was handled, but for `gaps`
  std::atomic<std::uint64_t> gaps;        ///< numbers that were left out on the way, or came too late
  std::atomic<std::uint64_t> duplicates;  ///< numbers that came again to this incarnation
  std::atomic<std::uint64_t> stale;       ///< messages to another incarnation that were handled
  std::atomic<std::uint64_t> damaged;     ///< messages whose bytes are not those of their number
  std::atomic<std::uint64_t> refused;     ///< messages to another incarnation that the runtime kept away

  void take(std::uint64_t number) {
    const std::uint64_t before = last.load();
    if (before == 0) {
      first.store(number);
    } else if (number <= before) {
      duplicates.fetch_add(1);
      return;
    } else {
      gaps.fetch_add(number - before - 1);
    }
    last.store(number);
  }
};

/// The sums over all incarnations of a run.
struct Verdict {
  std::uint64_t kills = 0;
  std::uint64_t handled = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t acknowledged_lost = 0;
  std::uint64_t lost_unacknowledged = 0;  ///< sent, told nothing about, not handled: what a kill may cost
  std::uint64_t duplicates = 0;
  std::uint64_t out_of_order = 0;
  std::uint64_t stale = 0;
  std::uint64_t damaged = 0;
  std::uint64_t refused = 0;

  [[nodiscard]] bool is_kept() const { return acknowledged_lost + duplicates + out_of_order + stale + damaged == 0; }
  /// An incarnation is over: it was sent the numbers `from` to `sent`, of which the sender knows up to `acknowledged`.
  void add(const Received& received, std::uint64_t from, std::uint64_t sent, std::uint64_t known) {
    const std::uint64_t first = received.first.load();
    const std::uint64_t last = received.last.load();
    const std::uint64_t before = first == 0 ? 0 : std::min(first - from, known - std::min(known, from - 1));
    acknowledged += known + 1 - from;
    acknowledged_lost += before + (known > last && known >= from ? known - std::max(last, from - 1) : 0);
    if (known >= from && last >= known) acknowledged_lost += received.gaps.load();  // at most: some may be younger
    lost_unacknowledged += sent - std::max({last, known, from - 1});
    handled += first == 0 ? 0 : last - first + 1 - received.gaps.load();
    duplicates += received.duplicates.load();
    out_of_order += received.gaps.load();
    stale += received.stale.load();
    damaged += received.damaged.load();
    refused += received.refused.load();
  }
  void print(double seconds) const {
    std::printf(
        "{\"kills\": %lu, \"handled\": %lu, \"per_second\": %.0f, \"acknowledged\": %lu, \"acknowledged_lost\": %lu, "
        "\"lost_unacknowledged\": %lu, \"duplicated\": %lu, \"out_of_order\": %lu, \"stale\": %lu, \"damaged\": %lu, "
        "\"stale_refused\": %lu}\n",
        kills, handled, static_cast<double>(handled) / seconds, acknowledged, acknowledged_lost, lost_unacknowledged,
        duplicates, out_of_order, stale, damaged, refused);
  }
};

}  // namespace troupe::bench
