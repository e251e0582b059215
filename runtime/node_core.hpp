#pragma once

#include "runtime/actor_cell.hpp"
#include "runtime/node.hpp"
#include "runtime/pending_requests.hpp"
#include "runtime/supervision/link.hpp"
#include "runtime/watch_registry.hpp"

#include <unistd.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
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

  /// Sends mail whose sender fields are filled; takes it only when it is on its way. `sender` is for people.
  Result<Done> route(const ActorId& to, MailPtr& mail, std::string_view sender);
  // The parts of it. address() fills in the receiver.
  void address(Mail& mail, std::uint64_t receiver, std::uint32_t incarnation) const;
  Result<Done> deliver_local(ActorCell& cell, MailPtr& mail);
  /// Where the living holder of the name is, when that is another node. A dead receiver is counted.
  Result<DirectoryEntry> find_away(const ActorId& to, std::uint64_t receiver);
  /// answer() of what must not be lost to a full link, also when the actor that says it ends: tried again until the
  /// link has room, or is gone. Also of grants, which answer no request.
  void insist(const ReplyTo& asker, MailPtr mail, const std::string& sender,
              Duration again = std::chrono::milliseconds(1));
  /// To the transport, as bytes.
  Result<Done> hand_over(const std::string& endpoint, const Mail& mail, std::string_view sender);
  /// Asks from outside any actor; the outcome goes to `complete`, at the latest at the deadline.
  void ask(const ActorId& to, MailPtr mail, Duration deadline, PendingRequests::Completion complete);
  /// Sends the answer to a request (a reply, or failure_mail()).
  Result<Done> answer(const ReplyTo& asker, MailPtr mail, std::string_view sender);
  void answer_failure(const Mail& request, const Failure& why);
  /// Makes it a reply to that request, or leaves it a failure.
  static void mark_answer(Mail& mail, const ReplyTo& asker);
  [[nodiscard]] static MailPtr failure_mail(const Failure& failure);
  [[nodiscard]] static Failure failure_of(Mail& mail);
  [[nodiscard]] static ReplyTo asker_of(const Mail& request);

  enum class Watch {
    one_way,
    both_ways,  ///< a link, made by the watcher
    back,       ///< its other half
  };
  void watch(const ActorId& target, const ActorId& watcher, Watch how);
  void unwatch(const ActorId& target, const ActorId& watcher);
  void link(const ActorId& target, const ActorId& watcher);
  void unlink(const ActorId& target, const ActorId& watcher);
  void watch_links(const ActorId& watcher);
  void declare_down(const ActorId& actor, const Failure& cause);
  void cell_ended(const ActorCell& cell, const Failure& cause);
  /// A message that was taken is not handled: its sender is told, if it has asked for that. `from` is its node.
  void tell_of_loss(const Header& lost, std::string_view message, const std::string& from, const Failure& why);
  void tell_of_loss(const Mail& lost, const Failure& why);
  void log_dead_letter(const Mail& mail, const Failure& why) const;
  void log_dead_letter(const Envelope& envelope, const Failure& why) const;

  // TransportSink
  void on_envelope(Envelope envelope) override;
  void on_peer_down(const std::string& endpoint, const Failure& why) override;
  void on_undeliverable(Envelope envelope, const Failure& why) override;
  void on_room(const std::string& endpoint) override;
  [[nodiscard]] GuestTurns* guest_turns() override { return parts.dispatcher->guest_turns(); }

  /// The actor keeps messages for which there was no room: it is told when a link has some.
  void remember_waiting(std::weak_ptr<ActorCell> cell);

  [[nodiscard]] std::vector<Snapshot> snapshots() const;
  [[nodiscard]] std::vector<FlightRecord> flight(std::string_view name) const;
  [[nodiscard]] std::uint64_t next_id() { return next_id_.fetch_add(1, std::memory_order_relaxed); }

  const NodeOptions options;
  const std::int32_t process = getpid();
  NodeParts parts;
  Directory directory;

private:
  Result<Done> deliver_from_outside(MailPtr& mail);
  Result<Done> take_answer(MailPtr mail);
  /// The one whose header that is, of whoever asked it here.
  void fail_request(const Header& request, const Failure& why);
  /// What actors and others ask of a target, or of a node, and that can have no answer any more.
  void fail_requests(const ActorCell::Pick& pick, const Failure& why);
  void fail_target(const ActorId& actor, const Failure& why);
  /// Those that actors here fill for such readers are over.
  void end_streams(const std::function<bool(const ReplyTo&)>& matches, const Failure& why);
  /// A stream for a reader that may not be there any more: then its producer hears of it.
  void take_opened(Envelope opened);
  [[nodiscard]] bool lives_elsewhere(const ActorId& actor) const;
  /// With the incarnation that is known here.
  [[nodiscard]] ActorId resolved(const ActorId& target) const;
  Result<Done> send_watch(EnvelopeKind kind, const ActorId& target, const ActorId& watcher, MailPtr mail);
  void receive_link(const Envelope& envelope);
  void watch_came_back(const Envelope& envelope, const Failure& why);
  void link_back(const ActorCell& cell, const ActorId& target, const ActorId& watcher);
  void remove_link(const ActorId& target, const ActorId& watcher);
  void receive_watch(const Envelope& envelope);
  void receive_down(const Envelope& envelope);
  [[nodiscard]] bool is_acceptable(const Envelope& envelope);
  void tell_watchers(const ActorId& actor, const Failure& cause);
  void tell(const Watcher& watcher, const ActorId& actor, const Failure& cause);
  void tell_of_lost_link(const std::string& endpoint, const Failure& cause);
  void hand_news(const Watcher& watcher, MailPtr mail);
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
  /// Guarded by mutex_; shared with the dispatcher, and with cells that send to them.
  std::unordered_map<std::uint64_t, std::shared_ptr<ActorCell>> cells_;
  std::vector<std::weak_ptr<ActorCell>> wait_for_room_;  // guarded by mutex_
  struct Dead : Snapshot {
    std::vector<FlightRecord> flight;
  };
  std::deque<Dead> dead_;               // guarded by mutex_
  std::vector<Watcher> link_watchers_;  // guarded by mutex_: actors of this node
};

}  // namespace troupe::runtime
