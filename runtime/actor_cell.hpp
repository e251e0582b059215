#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/dispatcher.hpp"
#include "runtime/mailbox.hpp"
#include "runtime/observe/flight_recorder.hpp"
#include "runtime/observe/snapshot.hpp"
#include "runtime/observe/status_page.hpp"
#include "runtime/open_requests.hpp"
#include "runtime/stream/out_streams.hpp"
#include "runtime/stream/stream_protocol.hpp"
#include "runtime/task/activity.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace troupe::runtime {

class Node;
class NodeCore;

/// A running actor: mailbox, behavior, open requests, status. Gives the actor one turn at a time, and is the one place
/// where an exception of an actor is caught.
///
/// Thread-safety: deliver(), ask_to_stop(), abandon(), fail_requests() and snapshot() from any thread; the rest in the
///                actor's own turn.
/// Ownership:     owns the actor (until its end) and its mailbox; shared with the dispatcher while it is awake, and
///                with cells that send to it.
/// Errors:        whatever the actor throws ends it: Failure "<what> (in <message>)", told to the node once.
/// Restart:       a new incarnation is a new cell.
///
/// CE-1  At most one turn of an actor runs at a time.
/// CE-2  After a throw the actor gets no further turn, and every request waiting for it is answered with the cause.
/// CE-3  A request whose handler returned without answering or deferring is answered with a Failure.
/// CE-4  The actor is destroyed in its own turn, before anybody hears of its end.
/// CE-5  Nothing is handled before on_start(): what is delivered, or asked to stop, before start() waits for it.
class ActorCell final : public Resumable, public std::enable_shared_from_this<ActorCell> {
public:
  using Started = std::function<void(Result<Done>)>;
  using Task = std::function<void(ActorCell&)>;
  struct Parts {
    ActorId id;
    std::unique_ptr<Actor> actor;
    std::shared_ptr<Strand> strand;    ///< of all shared actors, or a pinned one's own
    std::unique_ptr<StatusPage> page;  ///< may be empty
    std::size_t mailbox_capacity = 0;
    std::size_t flight_records = 0;  ///< last messages kept; 0 = none
  };

  ActorCell(Node& node, NodeCore& core, Parts parts);

  /// Lets the turns begin; `started` is called when on_start() has returned or thrown.
  void start(Started started);
  /// @threadsafe  Takes the mail only when it is queued.
  [[nodiscard]] PushResult deliver(MailPtr& mail, Room room = Room::by_kind);
  /// @threadsafe  Ends in good order after the mail already delivered, or before it; `stopped` is called when it is
  /// over, at once if it is over already.
  void ask_to_stop(std::function<void()> stopped, StopMode mode = StopMode::drain);
  /// @threadsafe  Nothing that waits in the mailbox will be handled; requests among it fail with `why`. For an actor
  /// that does not come to its end in time.
  void abandon(const Failure& why);
  /// @threadsafe  The open requests that `pick` names fail with `why`, in a turn of this actor. `pick` is told how many
  /// were asked before the call: what is asked after the event that is told of here is no part of it.
  using Pick = std::function<OpenRequests::Numbers(const OpenRequests&, std::uint64_t asked)>;
  void fail_requests(Pick pick, Failure why);
  /// @threadsafe  It fails with the other's cause, unless that ended in good order.
  void break_link(const ActorId& other, const Failure& cause);
  /// @threadsafe  There may be room now for what had none.
  void try_kept_again();
  /// @threadsafe
  [[nodiscard]] bool has_open_requests() const { return open_.count() > 0; }
  /// @threadsafe
  [[nodiscard]] bool has_streams() const { return out_streams_.count() > 0; }
  /// @threadsafe  The streams of such readers are over, in a turn of this actor.
  void end_streams(std::function<bool(const ReplyTo&)> matches, Failure why);
  /// @threadsafe
  [[nodiscard]] Snapshot snapshot() const;
  /// @threadsafe  Its last messages, oldest first.
  [[nodiscard]] std::vector<FlightRecord> flight() const;
  /// @threadsafe
  void count_stale() { stale_rejected_.fetch_add(1, std::memory_order_relaxed); }
  /// @threadsafe
  void count_dead_letter() { dead_letters_.fetch_add(1, std::memory_order_relaxed); }
  /// Of the requests it will answer later there were more than its mailbox's capacity; in its own turn.
  [[nodiscard]] bool has_forgotten() const { return has_forgotten_; }
  /// @threadsafe  Stopped or failed.
  [[nodiscard]] bool is_over() const override;
  /// When no thread runs any more: forgets other cells, which may know this one.
  void let_go() { extras_.reset(); }
  [[nodiscard]] const ActorId& id() const { return parts_.id; }
  [[nodiscard]] std::uint64_t name_key() const { return name_key_; }

  bool resume(int most) override;

private:
  friend class Context;

  /// Work that is no message, done between messages in the order pushed.
  void push_task(Task task, Lane lane = Lane::ordinary);
  /// The same, which waits for handlers that wait, as a message does.
  void push_waiting_task(Task task, Lane lane = Lane::ordinary);
  void run_start();
  void take_turn(MailPtr& mail);
  void end_turn();
  void handle(MailPtr& mail);
  void handle_answer(Mail& mail, Context& context);
  void answer_owed(const Mail& request);
  void note_begin(const Mail& mail);
  FlightRecorder& recorder();

  Result<Done> route(const ActorId& to, MailPtr& mail);
  void answer(const ReplyTo& asker, MailPtr mail);
  std::uint64_t ask(const ActorId& to, MailPtr mail, std::string_view name, Duration deadline,
                    std::unique_ptr<Awaiting> awaiting, std::unique_ptr<InStream> stream = nullptr,
                    WhenFull when_full = WhenFull::fail);
  /// route(), behind what waits for room.
  Result<Done> route_in_order(const ActorId& to, MailPtr& mail);
  void watch_deadline(TimePoint due);
  void fail_due();
  void fail_row(std::uint64_t number, const Failure& why);
  void fail_row_later(std::uint64_t number, Failure why);

  std::uint64_t start_timer(Duration delay, Duration interval, MailPtr mail);
  void arm_timer(std::uint64_t number, TimePoint due);
  void cancel_timer(std::uint64_t number);
  void on_timer(std::uint64_t number);

  void remember_deferred(const ReplyTo& asker);
  void forget_deferred(const ReplyTo& asker);
  void answer_waiting(std::vector<MailPtr> waiting, const Failure& why);

  [[nodiscard]] bool is_kept_waiting(const ActorId& receiver) const;
  void keep_for_later(const ActorId& to, MailPtr mail, WhenFull when_full);
  void drop_oldest_kept(const ActorId& to, std::string_view message, std::size_t most);
  void send_kept();
  void lose_kept(const Mail& mail, const Failure& why);
  void look_for_room_later();

  Result<Done> send_answer(const ReplyTo& asker, MailPtr& mail);
  void send_stream(std::uint64_t number);
  void send_streams();
  void end_stream(std::uint64_t number, const Failure& why);
  void fail_streams(const Failure& seen_outside);
  void tell_of_stream(const OutStream::WhenRoom& then, const Result<Done>& room);
  void hear_grant(Mail& mail);
  void hear_stream(OpenRequests::Row& row, Mail& mail, Context& context);
  void grant_wanted(OpenRequests::Row& row);
  void send_grant(const ReplyTo& producer, StreamGrant grant);
  void cancel_at_producer(const OpenRequests::Row& row);
  void refuse_stream(Mail& mail);

  [[nodiscard]] Activities& activities();
  void resume_activity(Activity& activity, std::coroutine_handle<> at);
  void resume_later(Activity& activity, Duration delay, std::coroutine_handle<> at);
  void end_activities(const Failure& seen_outside);
  void choose_hold();
  [[nodiscard]] bool has_to_wait(const Mail& mail) const;
  [[nodiscard]] Failure did_not_answer(const Mail& request) const;

  void finish();
  void fail(const Failure& cause);
  void end(ActorStatus status, const Failure& cause);
  template <class Work>
  void guarded(std::string_view where, const Work& work);
  void publish();

  Node& node_;      // outlives the cell
  NodeCore& core_;  // outlives the cell
  Parts parts_;     // constant after construction, except that the actor goes when it has ended
  const std::uint64_t name_key_;
  Mailbox mailbox_;

  // The actor's turn only.
  void behave(Behavior behavior);
  Behavior behavior_;
  IfLost if_lost_ = IfLost::count;
  OpenRequests open_;
  TimePoint deadline_watched_ = TimePoint::max();  // the earliest, for which the one timer runs
  std::uint64_t deadline_alarm_ = 0;
  /// Where an actor of another node was when this one last sent to it.
  struct Away {
    std::uint64_t name = 0;               ///< name_hash; 0 = nobody
    std::uint32_t asked_incarnation = 0;  ///< 0 = whoever holds the name
    std::uint32_t incarnation = 0;        ///< of who holds it
    std::uint64_t version = 0;            ///< of the directory: when that changed, this is nothing any more
    std::string endpoint;
  };
  struct Extras;  // what most actors never need
  Extras& extras();
  [[nodiscard]] ActorCell* find_peer(std::uint64_t name);
  [[nodiscard]] Away* known_away(const ActorId& to, std::uint64_t name);
  std::unique_ptr<Extras> extras_;
  Started on_started_;
  bool has_forgotten_ = false;
  Duty answer_ = Duty::done;
  enum class Hold { none, ordinary, all } hold_ = Hold::none;  // what is not handled while a coroutine waits
  std::unique_ptr<Activities> activities_;
  OutStreams out_streams_;
  enum class Wish { live, stop } wish_ = Wish::live;

  // Written in the actor's turn (the counters by anybody), read by anybody.
  std::atomic<ActorStatus> status_ = ActorStatus::starting;
  std::atomic<std::uint32_t> epoch_ = 0;
  std::atomic<const MessageType*> last_message_ = nullptr;
  std::atomic<std::uint64_t> handled_ = 0;
  std::atomic<std::uint64_t> stale_rejected_ = 0;
  std::atomic<std::uint64_t> dead_letters_ = 0;
  std::atomic<std::int64_t> busy_since_ns_ = 0;
  std::atomic<std::int64_t> updated_ns_ = 0;

  /// What changes seldom.
  struct Remarks {
    std::string last_message;  ///< where the type is not known
    std::string failure;
    Phase phase = Phase::none;
    std::uint32_t step = 0;
    std::uint32_t micro_batch = 0;
    std::uint64_t dropped = 0;
    std::vector<std::function<void()>> on_stopped;
  };
  mutable std::mutex mutex_;
  std::unique_ptr<FlightRecorder> flight_;  // made under mutex_, with the first message
  std::unique_ptr<Remarks> remarks_;        // guarded by mutex_
  Remarks& remarks();                       // under mutex_
};

struct ActorCell::Extras {
  /// Cells and actors of other nodes that this one sends to, by name: looking them up in the node takes locks.
  static constexpr std::size_t kPeers = 8;
  std::array<std::shared_ptr<ActorCell>, kPeers> peers;
  std::array<Away, kPeers> away;
  std::deque<ReplyTo> deferred;  ///< to be answered later; the oldest is forgotten beyond the mailbox's capacity
  struct Kept {
    ActorId to;
    MailPtr mail;
    WhenFull when_full = WhenFull::wait;
  };
  std::map<std::string, std::deque<Kept>> kept;  ///< messages for which there was no room yet, by receiver
  std::size_t kept_count = 0;
  bool looks_for_room = false;  ///< a timer runs
  struct Timer {
    MailPtr mail;
    Duration interval{};  ///< 0 = once
    TimePoint due;
    std::uint64_t alarm = 0;  ///< of the node's timers
  };
  std::map<std::uint64_t, Timer> timers;
  std::uint64_t last_timer = 0;
  std::unique_ptr<Behavior> next_behavior;  ///< become()
  bool is_told_of_room = false;             ///< by the node, when a link has some
};

}  // namespace troupe::runtime
