#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatcher.hpp"
#include "runtime/mailbox.hpp"
#include "runtime/observe/snapshot.hpp"
#include "runtime/observe/status_page.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace troupe::runtime {

class Node;
class NodeCore;

/// A running actor: mailbox, behavior, status. Gives the actor one turn at a time, and is the one place where an
/// exception of an actor is caught.
///
/// Thread-safety: deliver(), ask_to_stop(), abandon() and snapshot() from any thread; the rest in the actor's own turn.
/// Ownership:     owns the actor (until its end), its mailbox and its strand; shared with the tasks posted for it.
/// Errors:        whatever the actor throws ends it: Failure "<what> (in <message>)", told to the node once.
/// Restart:       a new incarnation is a new cell.
///
/// CE-1  At most one turn of an actor runs at a time.
/// CE-2  After a throw the actor gets no further turn, and every request waiting for it is answered with the cause.
/// CE-3  A request whose handler returned without answering or deferring is answered with a Failure.
/// CE-4  The actor is destroyed in its own turn, before anybody hears of its end.
/// CE-5  Nothing is handled before on_start(): what is delivered, or asked to stop, before start() waits for it.
class ActorCell final : public std::enable_shared_from_this<ActorCell> {
public:
  using Started = std::function<void(Result<Done>)>;
  using Continuation = std::function<void(Result<Envelope>, Context&)>;
  struct Parts {
    ActorId id;
    std::unique_ptr<Actor> actor;
    std::unique_ptr<Strand> strand;
    std::unique_ptr<StatusPage> page;  ///< may be empty
    std::size_t mailbox_capacity = 0;
  };

  ActorCell(Node& node, NodeCore& core, Parts parts);

  /// Posts the first turn; `started` is called when on_start() has returned or thrown.
  void start(Started started);
  /// @threadsafe  Takes the envelope only when it is queued.
  [[nodiscard]] PushResult deliver(Envelope& envelope, Room room = Room::by_kind);
  /// @threadsafe  Ends in good order after the turns already posted; `stopped` is called when it is over, at once if it
  /// is over already.
  void ask_to_stop(std::function<void()> stopped);
  /// @threadsafe  Nothing that waits in the mailbox will be handled; requests among it fail with `why`. For an actor
  /// that does not come to its end in time.
  void abandon(const Failure& why);
  /// @threadsafe
  [[nodiscard]] Snapshot snapshot() const;
  /// @threadsafe
  void count_stale();
  /// @threadsafe
  void count_dead_letter();
  [[nodiscard]] const ActorId& id() const { return parts_.id; }

private:
  friend class Context;

  /// A turn on the strand, after on_start()'s.
  void post(std::function<void()> task);
  void turn();
  void handle(const Envelope& envelope);
  void remember_deferred(const ReplyTo& asker);
  void forget_deferred(const ReplyTo& asker);
  void answer_waiting(const std::vector<Envelope>& waiting, const Failure& why);
  [[nodiscard]] bool is_kept_waiting(const ActorId& receiver) const;
  void keep_for_later(const ActorId& to, Envelope envelope);
  void send_kept();
  void send_kept_later();
  void handle_answer(const Envelope& envelope, Context& context);
  void finish();
  void fail(const Failure& cause);
  void end(ActorStatus status, const Failure& cause);
  template <class Work>
  void guarded(std::string_view where, const Work& work);
  void publish();

  Node& node_;      // outlives the cell
  NodeCore& core_;  // outlives the cell
  Parts parts_;     // constant after construction, except that the actor goes when it has ended
  Mailbox mailbox_;

  // The actor's turn only.
  Behavior behavior_;
  std::unordered_map<std::uint64_t, Continuation> continuations_;
  std::deque<ReplyTo>
      deferred_;  // requests to be answered later; the oldest is forgotten beyond the mailbox's capacity
  struct Kept {
    ActorId to;
    Envelope envelope;
  };
  std::deque<Kept> kept_;  // messages for which there was no room yet
  enum class Answer { owed, given } answer_ = Answer::given;
  enum class Wish { live, stop } wish_ = Wish::live;

  mutable std::mutex mutex_;
  Snapshot snapshot_;                              // guarded by mutex_
  std::vector<std::function<void()>> on_stopped_;  // guarded by mutex_
  std::vector<std::function<void()>> early_;       // guarded by mutex_: turns asked for before start()
  std::atomic<bool> started_ = false;              // set under mutex_, when early_ is posted
};

}  // namespace troupe::runtime
