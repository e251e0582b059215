#pragma once

#include "runtime/actor_cell.hpp"
#include "runtime/node.hpp"
#include "runtime/pending_requests.hpp"
#include "runtime/watch_registry.hpp"

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::runtime {

/// The inside of a Node: where envelopes go, and what happens when actors and peers go away.
///
/// Thread-safety: all methods from any thread.
/// Ownership:     owns parts, cells, directory, pending requests and watches.
/// Errors:        as Node.
/// Restart:       as Node.
class NodeCore final : public TransportSink {
public:
  NodeCore(Node& node, NodeOptions options, NodeParts parts);
  ~NodeCore() override;

  Result<Done> start();
  Result<std::shared_ptr<ActorCell>> make_cell(std::string name, std::unique_ptr<Actor> actor,
                                               const SpawnOptions& options);
  [[nodiscard]] std::shared_ptr<ActorCell> find_cell(std::uint64_t name) const;
  void shutdown(Duration deadline);

  /// Routes an envelope whose sender fields are filled.
  Result<Done> route(const ActorId& to, Envelope envelope);
  /// Sends a request; its outcome goes to `complete`, at the latest at the deadline.
  std::uint64_t ask(const ActorId& to, Envelope envelope, Duration deadline, PendingRequests::Completion complete);
  /// Sends the answer to a request (reply or failure envelope).
  Result<Done> answer(const ReplyTo& asker, Envelope envelope);
  void answer_failure(const Envelope& request, const Failure& why);
  [[nodiscard]] static Envelope failure_envelope(const Failure& failure);
  [[nodiscard]] static Failure failure_of(const Envelope& envelope);
  [[nodiscard]] static ReplyTo asker_of(const Envelope& request);

  void watch(const ActorId& target, const ActorId& watcher);
  void unwatch(const ActorId& target, const ActorId& watcher);
  void watch_links(const ActorId& watcher);
  void declare_down(const ActorId& actor, const Failure& cause);
  void cell_ended(const ActorCell& cell, const Failure& cause);
  void log_dead_letter(const Envelope& envelope, const Failure& why) const;

  // TransportSink
  void on_envelope(Envelope envelope) override;
  void on_peer_down(const std::string& endpoint, const Failure& why) override;
  void on_undeliverable(Envelope envelope, const Failure& why) override;

  [[nodiscard]] std::vector<Snapshot> snapshots() const;
  [[nodiscard]] std::uint64_t next_id() { return next_id_.fetch_add(1, std::memory_order_relaxed); }

  const NodeOptions options;
  NodeParts parts;
  Directory directory;

private:
  Result<Done> deliver_local(ActorCell& cell, Envelope& envelope);
  Result<Done> deliver_from_outside(Envelope& envelope);
  void receive_watch(const Envelope& envelope);
  void receive_down(const Envelope& envelope);
  [[nodiscard]] bool is_acceptable(const Envelope& envelope);
  void tell_watchers(const ActorId& actor, const Failure& cause);
  void tell(const Watcher& watcher, const ActorId& actor, const Failure& cause);
  void tell_of_lost_link(const std::string& endpoint, const Failure& cause);
  void hand_news(const Watcher& watcher, Envelope envelope);
  /// Remembers a watch on an actor of this node, or tells the watcher at once that it is dead.
  void add_local_watch(const ActorId& target, const Watcher& watcher);
  /// What is known of an actor that is not here.
  [[nodiscard]] Failure cause_of_death(const ActorId& actor) const;
  /// A message for a dead incarnation was refused: counted where the console looks, at the living or the last dead one.
  void count_stale(std::uint64_t receiver);

  Node& node_;
  PendingRequests pending_;
  WatchRegistry watches_;
  std::atomic<std::uint64_t> next_id_ = 1;
  std::atomic<bool> over_ = false;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<ActorCell>> cells_;  // guarded by mutex_; shared with posted turns
  std::deque<Snapshot> dead_;                                  // guarded by mutex_
  std::vector<Watcher> link_watchers_;                         // guarded by mutex_: actors of this node
};

}  // namespace troupe::runtime
