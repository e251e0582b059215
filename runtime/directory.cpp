#include "runtime/directory.hpp"

#include <algorithm>
#include <utility>

namespace troupe::runtime {

bool Directory::announce(DirectoryEntry entry) {
  const std::lock_guard lock(mutex_);
  Row& row = rows_[name_hash(entry.actor.name)];
  if (entry.actor.incarnation < row.newest || entry.actor.incarnation <= row.buried) return false;
  row.newest = entry.actor.incarnation;
  row.name = entry.actor.name;
  row.live = std::move(entry);
  ++version_;
  return true;
}

void Directory::bury(const ActorId& actor) {
  const std::lock_guard lock(mutex_);
  Row& row = rows_[name_hash(actor.name)];
  row.newest = std::max(row.newest, actor.incarnation);
  row.buried = std::max(row.buried, actor.incarnation);
  if (row.live && row.live->actor.incarnation <= row.buried) row.live.reset();
  ++version_;
}

std::optional<DirectoryEntry> Directory::find(std::uint64_t name) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(name);
  return found == rows_.end() ? std::nullopt : found->second.live;
}

std::string Directory::name_of(std::uint64_t name) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(name);
  return found == rows_.end() ? std::string() : found->second.name;
}

bool Directory::is_stale(std::uint64_t name, std::uint32_t incarnation) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(name);
  if (found == rows_.end()) return false;
  return incarnation < found->second.newest || incarnation <= found->second.buried;
}

std::uint32_t Directory::next_incarnation(std::uint64_t name) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(name);
  return found == rows_.end() ? 1 : found->second.newest + 1;
}

std::vector<DirectoryEntry> Directory::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, row] : rows_) {
    if (row.live) entries.push_back(*row.live);
  }
  std::sort(entries.begin(), entries.end(),
            [](const DirectoryEntry& a, const DirectoryEntry& b) { return a.actor.name < b.actor.name; });
  return entries;
}

std::vector<ActorId> Directory::living_at(const std::string& endpoint) const {
  std::vector<ActorId> actors;
  for (const DirectoryEntry& entry : all()) {
    if (entry.endpoint == endpoint) actors.push_back(entry.actor);
  }
  return actors;
}

}  // namespace troupe::runtime
