#pragma once

#include "runtime/transport/zmq_inbox.hpp"
#include "runtime/transport/zmq_link_sockets.hpp"
#include "runtime/transport/zmq_office_duty.hpp"
#include "runtime/transport/zmq_out_link.hpp"

#include <signal.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::runtime {

/// When the post office shall be done.
///
/// Thread-safety: request() from any thread, the rest from the post office.
/// Ownership:     owned by the transport.
/// Errors:        none.
/// Restart:       one per transport.
class StopRequest {
public:
  /// Flush until `by`, then close.
  void request(TimePoint by) { by_.store(by.time_since_epoch().count()); }
  [[nodiscard]] bool is_requested() const { return by_.load() != 0; }
  [[nodiscard]] TimePoint by() const { return TimePoint(Duration(by_.load())); }

private:
  std::atomic<Duration::rep> by_{0};  // 0 = not yet
};

/// What the post office is made of; made by the transport before the thread starts, used by the thread alone.
struct PostOfficeParts {
  std::unique_ptr<LinkSockets> sockets;
  ZmqTransportOptions options;
  LinkIdentity self;
  std::unique_ptr<ShmArena> arena;  ///< none = payloads go by wire
  SafetyChecks checks = {};
  sigset_t signals = {};  ///< blocked while an actor has a turn on the post office's thread
};

/// Hands on to a sink, and lets no exception of it out: what it could not stand is counted, logged and dropped, and the
/// link goes on. A sink must not throw; but one message that makes it must not end every link, or the process.
///
/// Thread-safety: the post office's thread.
/// Ownership:     borrows sink and tally.
/// Errors:        counted as malformed.
/// Restart:       made new with the post office.
class GuardedSink final : public TransportSink {
public:
  GuardedSink(TransportSink& sink, TransportTally& tally) : sink_(sink), tally_(tally), guests_(sink.guest_turns()) {}
  /// Until many messages have come at once, the actor that they wake may have its turn on this thread.
  void begin_few();
  void on_envelope(Envelope envelope) override;
  void on_peer_down(const std::string& endpoint, const Failure& why) override;
  void on_undeliverable(Envelope envelope, const Failure& why) override;
  void on_room(const std::string& endpoint) override;

private:
  template <class What, class Work>
  void guarded(const What& what, const Work& work);

  TransportSink& sink_;
  TransportTally& tally_;
  GuestTurns* const guests_;
  std::uint64_t few_left_ = 0;
};

/// What owns every socket and every link: takes envelopes from the outbox, gives those that arrive to the sink.
///
/// Thread-safety: one thread at a time, in which run() or its parts are called: the one that has the duty.
/// Ownership:     owns sockets, arena and links; shares the outbox; borrows sink, tally, stop request and clock.
/// Errors:        a link's end is told to the sink; an error of ZeroMQ itself, or want of memory, ends all links with
///                its text.
/// Restart:       made new with a new transport.
///
/// PO-1  Every envelope taken from the outbox is transmitted, or comes back as undeliverable.
/// PO-2  The end of a peer is told to the sink once for each link to it; that of one who only ever sent, once for it.
/// PO-3  Blocks lent to a dead process are free again; those of a living or unknown one are never taken from under it.
/// PO-4  A message that the sink throws at is dropped and counted; nothing else is disturbed.
/// PO-5  An actor whose turn runs on this thread, however long, keeps back no mail but its own for more than a few ms.
class ZmqPostOffice {
public:
  struct Surroundings {
    std::shared_ptr<ZmqOutbox> outbox;
    std::shared_ptr<Waker> waker;
    TransportSink& sink;
    TransportTally& tally;
    const StopRequest& stop;
    const Clock& clock;
  };

  ZmqPostOffice(PostOfficeParts parts, Surroundings around);
  /// In two threads: one works, the other stands in for it.
  enum class Place : unsigned char { works, stands_in };
  void run(Place place);

  // The parts of run(), for who has no thread to give.
  /// Moves all that can be moved at `now`, and never waits.
  void step(TimePoint now);
  /// How long nothing needs to be done unless something comes; step() is late when it is called later than that.
  [[nodiscard]] Duration plan_wait();
  /// True when everybody has confirmed everything, or the time for it is over.
  [[nodiscard]] bool is_done(TimePoint now);
  /// The end: what is left comes back.
  void close_all(TimePoint now);
  /// The most that any link keeps until it is confirmed, in messages.
  [[nodiscard]] std::uint64_t most_unconfirmed() const;

private:
  // Blocks of a dead link whose borrower may still be looking at them.
  struct Orphans {
    std::uint64_t borrower = 0;
    ProcessMark process;
  };

  // Who hears that the peer of a buried link is gone.
  enum class Telling : unsigned char { sink, nobody };

  template <class Work>
  void ending_all_on_error(const Work& work);
  // Of the thread that has had the duty.
  enum class Duty : unsigned char { kept, lost };
  Duty work();
  Duty turn();
  Duty have_guest();
  void wait(Duration at_most);
  [[nodiscard]] bool is_idle() const;
  void note_lateness(TimePoint now);
  void obey_commands(TimePoint now);
  ZmqOutLink& link_to(const std::string& endpoint, TimePoint now);
  void forget(const ForgetCommand& command);
  void tend_links(TimePoint now);
  void bury(ZmqOutLink& link, Telling telling);
  void note_reported(std::uint64_t instance);
  void report_gone_senders();
  void report_down(const std::string& endpoint, std::uint64_t instance, const Failure& why);
  void take_back_orphans(TimePoint now);
  [[nodiscard]] Duration time_to_wait() const;
  void end_all(const Failure& why);

  PostOfficeParts parts_;
  Surroundings around_;
  GuardedSink sink_;
  GuestTurns* const guests_;  // null = no actor has a turn here
  OfficeDuty duty_;
  LinkParts link_parts_;
  ZmqInbox inbox_;
  std::map<std::string, std::unique_ptr<ZmqOutLink>> links_;
  std::vector<Orphans> orphans_;
  std::deque<std::uint64_t> reported_;  // instances whose end the sink knows
  std::uint64_t next_link_ = 1;
  TimePoint last_turn_;
  TimePoint last_orphan_check_;
  Duration planned_wait_{0};
  std::uint64_t moved_ = 0;
  TimePoint last_news_;
  bool said_bye_ = false;
  bool has_more_to_read_ = false;
};

}  // namespace troupe::runtime
