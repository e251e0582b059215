#include "runtime/watch_registry.hpp"

#include <algorithm>

namespace troupe::runtime {

void WatchRegistry::add(const ActorId& target, const Watcher& watcher) {
  const std::lock_guard lock(mutex_);
  std::vector<Row>& rows = rows_[name_hash(target.name)];
  const bool known = std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
    return row.watcher == watcher && row.incarnation == target.incarnation;
  });
  if (!known) rows.push_back({target.incarnation, watcher});
}

void WatchRegistry::remove(std::uint64_t target, const Watcher& watcher) {
  const std::lock_guard lock(mutex_);
  std::erase_if(rows_[target], [&watcher](const Row& row) { return row.watcher == watcher; });
}

std::vector<Watcher> WatchRegistry::take(std::uint64_t target, std::uint32_t incarnation) {
  const std::lock_guard lock(mutex_);
  std::vector<Watcher> taken;
  std::erase_if(rows_[target], [&](const Row& row) {
    if (row.incarnation > incarnation) return false;
    taken.push_back(row.watcher);
    return true;
  });
  return taken;
}

void WatchRegistry::remove_watcher(std::uint64_t name) {
  const std::lock_guard lock(mutex_);
  for (auto& [target, rows] : rows_) {
    std::erase_if(rows, [name](const Row& row) { return row.watcher.name == name && row.watcher.endpoint.empty(); });
  }
}

}  // namespace troupe::runtime
