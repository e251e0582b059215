#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/failure.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::runtime {

/// Longest endpoint that travels.
inline constexpr std::size_t kMaxEndpointBytes = 256;

/// One row: who holds a name now, and at which node.
struct DirectoryEntry {
  ActorId actor;         ///< name and incarnation
  std::string endpoint;  ///< the node's transport endpoint

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, endpoint);
    if constexpr (requires { archive.refuse("why"); }) {
      if (endpoint.size() > kMaxEndpointBytes) archive.refuse("an endpoint that is too long");
    }
  }
};

/// Actor name -> where it lives now, which incarnation. Every node holds a copy; whoever places actors announces
/// changes.
///
/// Thread-safety: all methods from any thread.
/// Ownership:     owns its rows.
/// Errors:        lookups return nothing for names that are not there.
/// Restart:       refilled by announcements.
///
/// DI-1  An announcement of an older incarnation never replaces a newer one, and never revives a dead one.
/// DI-2  is_stale() is true for exactly the incarnations older than the newest announced or buried one, and for that
///       one once buried.
/// DI-3  While version() is the same, find() and is_stale() say the same.
class Directory {
public:
  /// @threadsafe  False when the row is older than what is known (and ignored).
  bool announce(DirectoryEntry entry);
  /// @threadsafe  The incarnation is dead; its row disappears.
  void bury(const ActorId& actor);
  /// @threadsafe  Who holds that name_hash() now, and where; nothing when nobody does.
  [[nodiscard]] std::optional<DirectoryEntry> find(std::uint64_t name) const;
  /// @threadsafe  Who has or had it; empty when nobody was announced.
  [[nodiscard]] std::string name_of(std::uint64_t name) const;
  /// @threadsafe  That incarnation of that name_hash() is dead, or a newer one is known (DI-2).
  [[nodiscard]] bool is_stale(std::uint64_t name, std::uint32_t incarnation) const;
  /// @threadsafe  To be asked before what is remembered of find() and is_stale().
  [[nodiscard]] std::uint64_t version() const { return version_.load(); }
  /// @threadsafe  One higher than any announced or buried: for who starts an actor of that name anew.
  [[nodiscard]] std::uint32_t next_incarnation(std::uint64_t name) const;
  /// @threadsafe  Who lives, by name.
  [[nodiscard]] std::vector<DirectoryEntry> all() const;
  /// @threadsafe  Actors that live at `endpoint`.
  [[nodiscard]] std::vector<ActorId> living_at(const std::string& endpoint) const;

private:
  struct Row {
    std::string name;
    std::optional<DirectoryEntry> live;
    std::uint32_t newest = 0;  // highest incarnation ever announced or buried
    std::uint32_t buried = 0;  // highest incarnation known dead
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Row> rows_;  // guarded by mutex_
  std::atomic<std::uint64_t> version_ = 1;       // raised under mutex_
};

}  // namespace troupe::runtime
