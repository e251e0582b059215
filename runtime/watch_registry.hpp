#pragma once

#include "runtime/actor_id.hpp"

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::runtime {

/// Who is told when an actor dies: an actor here, or one on another node.
struct Watcher {
  std::uint64_t name = 0;  ///< name_hash
  std::uint32_t incarnation = 0;
  std::string endpoint;  ///< its node; empty = this one
  enum class Tie {
    watch,  ///< it gets ActorDown
    link,   ///< it ends too
  } tie = Tie::watch;

  bool operator==(const Watcher&) const = default;
};

/// Watches not yet used up.
///
/// Thread-safety: all methods from any thread.
/// Ownership:     owns its rows.
/// Errors:        none.
/// Restart:       emptied with the node.
///
/// WR-1  A watch is handed out at most once.
/// WR-2  A node elsewhere has at most kMaxWatchesOfNode rows, and none when its link is gone.
class WatchRegistry final {
public:
  /// More than a node has actors, times what each of them watches.
  static constexpr std::size_t kMaxWatchesOfNode = 16384;

  /// @threadsafe  `target.incarnation` 0 watches whoever holds the name.
  void add(const ActorId& target, const Watcher& watcher);
  /// @threadsafe  Forgets the watchers of a node that is gone: they hear of its end by themselves.
  void remove_endpoint(const std::string& endpoint);
  /// @threadsafe
  void remove(std::uint64_t target, const Watcher& watcher);
  /// @threadsafe  Takes the watchers of that incarnation (and older ones) out.
  [[nodiscard]] std::vector<Watcher> take(std::uint64_t target, std::uint32_t incarnation);
  /// @threadsafe  Forgets what a dead actor watched.
  void remove_watcher(std::uint64_t name);

private:
  struct Row {
    std::uint32_t incarnation = 0;
    Watcher watcher;
  };
  template <class Matches>
  void erase_if(std::vector<Row>& rows, Matches matches);

  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::vector<Row>> rows_;  // guarded by mutex_
  std::unordered_map<std::string, std::size_t> of_node_;      // guarded by mutex_: rows by endpoint, of other nodes
};

}  // namespace troupe::runtime
