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
OpenRequests::Numbers OpenRequests::find_if(const Matches& matches, std::uint64_t asked) const {
  Numbers found;
  for (const Slot& slot : slots_) {
    if (slot.correlation != 0 && slot.order <= asked && matches(slot.row)) found.push_back(slot.correlation);
  }
  const auto order_of = [this](std::uint64_t number) { return slots_[number & 0xffff'ffffU].order; };
  std::sort(found.begin(), found.end(),
            [&order_of](std::uint64_t a, std::uint64_t b) { return order_of(a) < order_of(b); });
  return found;
}

OpenRequests::Numbers OpenRequests::due(TimePoint now) const {
  Numbers found = find_if([now](const Row& row) { return row.due <= now; }, asked());
  const auto due_of = [this](std::uint64_t number) { return slots_[number & 0xffff'ffffU].row.due; };
  std::stable_sort(found.begin(), found.end(),
                   [&due_of](std::uint64_t a, std::uint64_t b) { return due_of(a) < due_of(b); });
  return found;
}

OpenRequests::Numbers OpenRequests::of_target(std::uint64_t target, std::uint32_t incarnation,
                                              std::uint64_t asked) const {
  return find_if([target, incarnation](
                     const Row& row) { return row.target_hash == target && row.target_incarnation <= incarnation; },
                 asked);
}

OpenRequests::Numbers OpenRequests::of_endpoint(const std::string& endpoint, std::uint64_t asked) const {
  return find_if([&endpoint](const Row& row) { return row.endpoint == endpoint; }, asked);
}

OpenRequests::Numbers OpenRequests::streams() const {
  return find_if([](const Row& row) { return row.stream != nullptr; }, asked());
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
