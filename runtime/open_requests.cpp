#include "runtime/open_requests.hpp"

#include <algorithm>

namespace troupe::runtime {

std::uint64_t OpenRequests::add(Row row) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t at = free_.back();
  free_.pop_back();
  Slot& slot = slots_[at];
  std::uint64_t order = last_.load(std::memory_order_relaxed) + 1;
  if ((order & 0xffff'ffffU) == 0) ++order;  // 0 is no number
  last_.store(order);
  slot.order = order;
  slot.correlation = (order << 32) | at;
  slot.row = std::move(row);
  count_.fetch_add(1);
  return slot.correlation;
}

OpenRequests::Row OpenRequests::release(std::size_t slot) {
  slots_[slot].correlation = 0;
  free_.push_back(static_cast<std::uint32_t>(slot));
  count_.fetch_sub(1);
  return std::move(slots_[slot].row);
}

std::optional<OpenRequests::Row> OpenRequests::take(std::uint64_t correlation) {
  const std::size_t slot = correlation & 0xffff'ffffU;
  if (correlation == 0 || slot >= slots_.size() || slots_[slot].correlation != correlation) return std::nullopt;
  return release(slot);
}

OpenRequests::Row* OpenRequests::find(std::uint64_t correlation) {
  const std::size_t slot = correlation & 0xffff'ffffU;
  const bool is_open = correlation != 0 && slot < slots_.size() && slots_[slot].correlation == correlation;
  return is_open ? &slots_[slot].row : nullptr;
}

template <class Matches>
std::vector<OpenRequests::Row> OpenRequests::take_if(const Matches& matches, std::uint64_t asked) {
  std::vector<std::pair<std::uint64_t, std::size_t>> found;  // in the order asked
  for (std::size_t at = 0; at < slots_.size(); ++at) {
    const Slot& slot = slots_[at];
    if (slot.correlation != 0 && slot.order <= asked && matches(slot.row)) found.emplace_back(slot.order, at);
  }
  std::sort(found.begin(), found.end());
  std::vector<Row> rows;
  for (const auto& [order, slot] : found) rows.push_back(release(slot));
  return rows;
}

std::vector<OpenRequests::Row> OpenRequests::take_due(TimePoint now) {
  std::vector<Row> rows = take_if([now](const Row& row) { return row.due <= now; }, asked());
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.due < b.due; });
  return rows;
}

std::vector<OpenRequests::Row> OpenRequests::take_target(std::uint64_t target, std::uint32_t incarnation,
                                                         std::uint64_t asked) {
  return take_if([target, incarnation](
                     const Row& row) { return row.target_hash == target && row.target_incarnation <= incarnation; },
                 asked);
}

std::vector<OpenRequests::Row> OpenRequests::take_endpoint(const std::string& endpoint, std::uint64_t asked) {
  return take_if([&endpoint](const Row& row) { return row.endpoint == endpoint; }, asked);
}

std::vector<OpenRequests::Row> OpenRequests::take_streams() {
  return take_if([](const Row& row) { return row.stream != nullptr; }, asked());
}

std::optional<TimePoint> OpenRequests::next_due() const {
  std::optional<TimePoint> first;
  for (const Slot& slot : slots_) {
    if (slot.correlation != 0 && (!first || slot.row.due < *first)) first = slot.row.due;
  }
  return first;
}

void OpenRequests::clear() {
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].correlation != 0) (void)release(slot);
  }
}

}  // namespace troupe::runtime
