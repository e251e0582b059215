#pragma once

#include "runtime/clock.hpp"
#include "runtime/message/safety_checks.hpp"
#include "runtime/transport/zmq_handshake.hpp"
#include "runtime/transport/zmq_link_sockets.hpp"
#include "runtime/transport/zmq_outbox.hpp"
#include "runtime/transport/zmq_seal.hpp"
#include "runtime/transport/zmq_tally.hpp"
#include "runtime/transport/zmq_transport.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace troupe::runtime {

/// What the links of a post office share.
struct LinkParts {
  LinkSockets& sockets;
  const ZmqTransportOptions& options;
  const LinkIdentity& self;
  ShmArena* arena;  ///< none = payloads go by wire
  TransportTally& tally;
  const SafetyChecks& checks;
};

/// The sending half of a link: one connection to one peer, dialed again when it breaks. What the peer has not
/// confirmed is kept and sent again after a break, so a break alone loses nothing and doubles nothing.
///
/// Thread-safety: the post office's thread.
/// Ownership:     owns its connection and what waits in it; borrows the parts.
/// Errors:        ends in is_dead() with why_dead(); the post office buries it and tells the sink.
/// Restart:       a restarted peer has another instance id: the link dies, the next send begins a new one.
///
/// OL-1  The peer receives what was posted in a lane in order, each once, also over broken connections.
/// OL-2  A peer whose socket is gone is found dead within about 100 ms; a silent one after peer_timeout.
/// OL-3  After death, unsent() is exactly what never left, in order, urgent mail first.
/// OL-5  What is damaged on the way, there or back, is sent again over a new connection; the eighth time that nothing
///       gets further the link dies.
/// OL-4  Urgent mail leaves before ordinary mail that waits, of which no more than kMaxAheadBytes and one message are
///       on the way unconfirmed; and the last of the peer's windows is for urgent mail alone.
class ZmqOutLink {
public:
  ZmqOutLink(std::string endpoint, std::uint64_t id, const LinkParts& parts, TimePoint now);
  ZmqOutLink(const ZmqOutLink&) = delete;
  ZmqOutLink& operator=(const ZmqOutLink&) = delete;

  /// Waits until flush().
  void post(Envelope envelope) { pending(envelope.header.lane).emplace_back(std::move(envelope)); }
  /// As well, all of one lane; `acknowledged` = highest sequence received on the way back.
  void post(Fronts fronts, Lane lane, std::uint64_t acknowledged) {
    acknowledged_ = acknowledged;
    pending(lane).emplace_back(std::move(fronts));
  }
  /// Sends what there is room for; of ordinary mail not more than kMaxAheadBytes and one message at a time.
  void flush(TimePoint now);
  /// There was room for more than one flush() sends.
  [[nodiscard]] bool has_more() const { return has_more_ && state_ == State::up; }
  /// Reads what the peer says on the way back.
  void read(TimePoint now);
  /// Reads what happened to the connection.
  void read_news(TimePoint now);
  /// Dials again, sends signs of life, notices silence.
  void tick(TimePoint now);
  /// Our own thread was late by this much: nobody else's fault.
  void excuse(Duration lateness);
  void die(Failure why);

  /// The orderly end: no more posts; is_drained() once the peer has confirmed everything.
  void say_bye(TimePoint now);
  [[nodiscard]] bool is_drained() const { return drained_; }
  /// Nothing is waiting to leave, or nothing will.
  [[nodiscard]] bool is_flushed() const;

  [[nodiscard]] bool is_dead() const { return state_ == State::dead; }
  [[nodiscard]] const Failure& why_dead() const { return why_dead_; }
  /// There was never anybody, and a dial has been refused.
  [[nodiscard]] bool is_refused() const { return !was_up() && refusals_ > 0; }
  /// True once a welcome has come, whatever happened later.
  [[nodiscard]] bool was_up() const { return peer_instance_ != 0; }
  [[nodiscard]] bool is_up() const { return state_ == State::up; }
  [[nodiscard]] std::vector<Envelope> unsent();

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] std::uint64_t peer_instance() const { return peer_instance_; }
  [[nodiscard]] const ProcessMark& peer_process() const { return peer_process_; }
  /// What the peer gave back since the last call.
  [[nodiscard]] LinkCost take_released();
  /// What is neither given back nor unsent: to be released when the link is dead.
  [[nodiscard]] LinkCost in_flight() const;
  /// Messages that left and are kept until the peer confirms them.
  [[nodiscard]] std::uint64_t unconfirmed() const {
    return kept_.empty() ? 0 : kept_.back().last - kept_.front().first + 1;
  }

private:
  enum class State : unsigned char { dialing, up, redialing, dead };

  // A message that left and is not confirmed yet, or a batch of them.
  struct Kept {
    std::uint64_t first = 0;  // sequence numbers
    std::uint64_t last = 0;
    Frame front;
    std::vector<Payload> by_wire;

    [[nodiscard]] std::size_t bytes() const;
  };

  void dial(TimePoint now);
  void lose_connection(TimePoint now);
  void transmit(Envelope envelope, TimePoint now);
  void transmit(Fronts& fronts, Lane lane, TimePoint now);
  void add_to_batch(std::span<const std::byte> front, std::uint64_t sequence, TimePoint now);
  void count_sent(std::uint64_t cost);
  void send_batch(TimePoint now);
  void send_and_keep(Kept kept, TimePoint now);
  [[nodiscard]] bool put_on_wire(Kept& kept, TimePoint now);
  void send_control(EnvelopeKind kind, Envelope envelope, TimePoint now);
  void on_control(std::span<const std::byte> front, TimePoint now);
  void on_welcome(const LinkWelcome& welcome, TimePoint now);
  void on_note(const LinkNote& note, TimePoint now);
  void on_bye(const LinkBye& bye, TimePoint now);
  void on_damage(TimePoint now);
  using Waiting = std::deque<std::variant<Envelope, Fronts>>;
  [[nodiscard]] Waiting& pending(Lane lane) { return pending_.at(static_cast<std::size_t>(lane)); }
  [[nodiscard]] bool may_go(Lane lane, std::uint64_t bytes);
  void confirm(std::uint64_t received);

  const std::string endpoint_;
  const std::uint64_t id_;
  const LinkParts parts_;
  const Summed summed_;  // its payloads by wire

  State state_ = State::dialing;
  Failure why_dead_;
  std::unique_ptr<DialedConnection> connection_;  // none while the link waits to dial again
  std::uint64_t dials_ = 0;                       // since the link began
  std::uint32_t attempt_ = 0;                     // since the connection broke: sets the delay before the next dial
  std::uint32_t refusals_ = 0;
  std::uint32_t hang_ups_ = 0;  // before the first welcome
  std::uint32_t damages_ = 0;   // since anything was confirmed
  bool leaving_ = false;
  bool drained_ = false;
  TimePoint next_dial_;
  TimePoint not_up_since_;
  TimePoint last_heard_;
  TimePoint last_sent_;

  std::uint64_t peer_instance_ = 0;
  ProcessMark peer_process_;
  LinkCost peer_window_;
  bool arena_open_ = false;

  std::array<Waiting, kLanes> pending_;  // by lane
  std::uint64_t acknowledged_ = 0;
  Fronts batch_;                  // those that will share a frame; empty but during flush()
  std::uint64_t batch_from_ = 0;  // sequence number of its first
  std::deque<Kept> kept_;
  std::uint64_t kept_bytes_ = 0;     // of their frames
  std::uint64_t flushed_bytes_ = 0;  // of ordinary mail, by the flush() under way
  bool has_more_ = false;
  std::uint64_t next_sequence_ = 1;
  LinkCost sent_;
  LinkCost released_;
  LinkCost released_reported_;
};

}  // namespace troupe::runtime
