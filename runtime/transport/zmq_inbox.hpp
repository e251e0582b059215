#pragma once

#include "runtime/clock.hpp"
#include "runtime/message/safety_checks.hpp"
#include "runtime/transport/zmq_handshake.hpp"
#include "runtime/transport/zmq_link_sockets.hpp"
#include "runtime/transport/zmq_outbox.hpp"
#include "runtime/transport/zmq_tally.hpp"
#include "runtime/transport/zmq_transport.hpp"
#include "runtime/transport/zmq_wire.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// A sender that is gone, as seen from the receiving side.
struct GoneSender {
  std::string endpoint;
  std::uint64_t instance = 0;
  Failure why;
};

/// The receiving half of all links: reads what came to the places listened on, checks everything, hands envelopes up,
/// and tells senders what arrived and what is done with. Nobody is trusted: what does not fit is counted and dropped.
///
/// Thread-safety: the post office's thread; delivered envelopes go from any.
/// Ownership:     owns the state of each sender; borrows sockets, options, sink.
/// Errors:        counted as malformed; a sender whose messages do not follow each other is sent off and reported.
/// Restart:       a restarted sender is a new link; the old one is reported gone.
///
/// IB-1  Nothing is delivered before a hello of the same job and protocol.
/// IB-2  Messages of a link are delivered in sequence, each once; a gap is mended as damage is, a repeat is dropped.
/// IB-3  A sender that ignores its window is sent off.
/// IB-4  Garbage is counted, never delivered, and disturbs no other link.
/// IB-6  Of a sender's links to one name of this endpoint only the newest is heard: what was under way on one that it
///       has given up cannot arrive after what it sent later.
/// IB-8  A connection has one link at a time.
/// IB-7  A link that was ended here never begins anew, whatever is said on its connection.
/// IB-9  What was damaged on the way is never delivered, nor what comes after it on its connection: the link goes on
///       over the next, from the last message that was right.
/// IB-10 A loss after which nothing more is sent is noticed at the sender's next note, and mended as damage is.
/// IB-5  What waits for a caller that does not read is bounded; confirmations and credit that found no room are told
///       once it reads again.
class ZmqInbox {
public:
  struct Parts {
    LinkSockets& sockets;
    const ZmqTransportOptions& options;
    const LinkIdentity& self;
    TransportSink& sink;
    TransportTally& tally;
    std::shared_ptr<Waker> waker;
    const SafetyChecks& checks;
  };

  explicit ZmqInbox(Parts parts) : parts_(std::move(parts)) {}

  /// Reads what waits at listener number `listener`, at most one batch; true when there may be more.
  [[nodiscard]] bool read(std::size_t listener, TimePoint now);
  /// Sends the notes that are due, drops senders that fell silent.
  void tick(TimePoint now);
  void excuse(Duration lateness);
  /// Tells every sender that this node stops.
  void say_bye();

  [[nodiscard]] std::vector<GoneSender> take_gone() { return std::exchange(gone_, {}); }
  /// True while a sender waits to be told of arrivals or credit: tick() again in kNoteDelay.
  [[nodiscard]] bool owes_notes() const;
  /// Highest sequence received from the node at `endpoint`.
  [[nodiscard]] std::uint64_t received_from(const std::string& endpoint) const;

  static constexpr Duration kNoteDelay = std::chrono::milliseconds(10);

private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // instance and link of the sender
  using Route = std::pair<std::size_t, std::string>;    // listener and name of the connection

  struct Sender {
    Key key;
    Route route;
    std::string endpoint;
    std::string dialed;
    std::uint64_t received = 0;
    LinkCost delivered;
    std::shared_ptr<CreditLedger> ledger;
    std::shared_ptr<ArenaView> arena;
    LinkCost told;
    std::uint64_t told_received = 0;
    std::size_t untold_bytes = 0;  // of frames that came since the last note
    TimePoint last_told;
    TimePoint last_heard;
  };

  void accept(std::size_t listener, std::vector<Frame>& frames, TimePoint now);
  void accept_batch(const Route& route, std::span<const std::byte> frame, TimePoint now);
  void on_sent_note(const Route& route, const Sender& sender, const Envelope& envelope);
  [[nodiscard]] Sender* sender_at(const Route& route);
  void on_damage(const Route& route, std::span<const std::byte> frame);
  void on_hello(const Route& route, const Envelope& envelope, TimePoint now);
  [[nodiscard]] std::string reason_to_refuse(const LinkHello& hello) const;
  void drop_older(const LinkHello& hello);
  void open_arena(Sender& sender, const LinkHello& hello) const;
  // Whether more can come on its connection afterwards.
  enum class Standing : unsigned char { open, ended };
  Standing on_sequenced(Sender& sender, Front front, std::span<Frame> payload_frames);
  [[nodiscard]] Result<Done> attach_payloads(const Sender& sender, Front& front, std::span<Frame> payload_frames) const;
  void confirm_bytes(Sender& sender, std::size_t bytes, TimePoint now);
  Standing send_off(Sender& sender, const std::string& why);
  void remove(const Key& key, Failure why);
  void send_note(Sender& sender, TimePoint now);
  enum class Sent : unsigned char { yes, no };
  [[nodiscard]] Sent send_back(const Route& route, Envelope envelope);
  [[nodiscard]] bool owes_note(const Sender& sender) const;
  /// What is confirmed to the sender.
  [[nodiscard]] std::uint64_t confirmed(const Sender& sender) const { return parts_.checks.ack ? sender.received : 0; }

  const Parts parts_;
  std::map<Key, Sender> senders_;
  std::map<Route, Key> routes_;
  std::vector<GoneSender> gone_;
  std::deque<Key> ended_;  // links that must not begin anew: what they brought would be delivered again
};

}  // namespace troupe::runtime
