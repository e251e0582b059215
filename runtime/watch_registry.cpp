#include "runtime/watch_registry.hpp"

#include <algorithm>

namespace troupe::runtime {

/// With mutex_ held.
template <class Matches>
void WatchRegistry::erase_if(std::vector<Row>& rows, Matches matches) {
  std::erase_if(rows, [&](const Row& row) {
    if (!matches(row)) return false;
    const auto counted = of_node_.find(row.watcher.endpoint);
    if (counted != of_node_.end() && --counted->second == 0) of_node_.erase(counted);
    return true;
  });
}

void WatchRegistry::add(const ActorId& target, const Watcher& watcher) {
  const std::lock_guard lock(mutex_);
  std::vector<Row>& rows = rows_[name_hash(target.name)];
  const bool known = std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
    return row.watcher == watcher && row.incarnation == target.incarnation;
  });
  if (known) return;
  if (!watcher.endpoint.empty()) {
    std::size_t& count = of_node_[watcher.endpoint];
    if (count >= kMaxWatchesOfNode) return;
    ++count;
  }
  rows.push_back({target.incarnation, watcher});
}

void WatchRegistry::remove(std::uint64_t target, const Watcher& watcher) {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(target);
  if (found != rows_.end()) erase_if(found->second, [&](const Row& row) { return row.watcher == watcher; });
}

std::vector<Watcher> WatchRegistry::take(std::uint64_t target, std::uint32_t incarnation) {
  const std::lock_guard lock(mutex_);
  std::vector<Watcher> taken;
  const auto found = rows_.find(target);
  if (found == rows_.end()) return taken;
  erase_if(found->second, [&](const Row& row) {
    if (row.incarnation > incarnation) return false;
    taken.push_back(row.watcher);
    return true;
  });
  if (found->second.empty()) rows_.erase(found);
  return taken;
}

void WatchRegistry::remove_watcher(std::uint64_t name) {
  const std::lock_guard lock(mutex_);
  for (auto& [target, rows] : rows_) {
    erase_if(rows, [&](const Row& row) { return row.watcher.name == name && row.watcher.endpoint.empty(); });
  }
}

void WatchRegistry::remove_endpoint(const std::string& endpoint) {
  const std::lock_guard lock(mutex_);
  if (endpoint.empty() || !of_node_.contains(endpoint)) return;
  for (auto& [target, rows] : rows_) {
    erase_if(rows, [&](const Row& row) { return row.watcher.endpoint == endpoint; });
  }
}

}  // namespace troupe::runtime
