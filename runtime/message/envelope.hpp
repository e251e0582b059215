#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/message/payload.hpp"
#include "runtime/result.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// What a message is for the runtime. Values are part of the wire format.
enum class EnvelopeKind : std::uint8_t {
  message = 1,  ///< sent, with no answer
  request = 2,  ///< has to be answered, by a reply or a failure of the same correlation
  reply = 3,    ///< the answer, or an item of a stream
  failure = 4,  ///< a reply that is a Failure
  watch = 5,    ///< its sender wants to hear of an actor's end
  unwatch = 6,  ///< and does not any more
  down = 7,     ///< ActorDown for a watcher
  hello = 8,    ///< first on a link: who is calling, from which endpoint
  credit = 9,   ///< the receiver gives back credit
  bye = 10,     ///< orderly end of a link
};

/// Which of two queues of the receiver. Values are part of the wire format.
enum class Lane : std::uint8_t {
  ordinary = 0,  ///< handled in the order of arrival
  urgent = 1,    ///< handled before ordinary mail that waits
};
/// How many lanes there are.
inline constexpr std::size_t kLanes = 2;

/// What becomes of a message that cannot be handled. Values are part of the wire format.
enum class IfLost : std::uint8_t {
  count = 0,        ///< it is counted and logged
  tell_sender = 1,  ///< and its sender gets a DeadLetter
};

/// What an actor is doing, as the envelope, the snapshot and the console name it. Values are part of the wire format.
enum class Phase : std::uint8_t {
  none = 0,        ///< it has not said
  idle = 1,        ///< waits for work
  forward = 2,     ///< computes activations
  backward = 3,    ///< computes gradients
  reduce = 4,      ///< sums gradients over replicas
  vote = 5,        ///< waits for the others' agreement on the step
  optimizer = 6,   ///< changes the weights
  checkpoint = 7,  ///< writes to disk
  evaluate = 8,    ///< computes a validation loss
  load = 9,        ///< reads weights
};

/// The name above, "none" to "load".
[[nodiscard]] std::string_view to_string(Phase phase);
/// What to_string() gave, but for "none", which nobody writes; a Failure for any other text.
[[nodiscard]] Result<Phase> parse_phase(std::string_view text);

/// The fixed part of every message: 96 bytes, little-endian, layout in runtime/README.md.
///
/// EN-1  encode_header() then decode_header() gives the same header, for every field.
/// EN-2  decode_header() refuses every other size, magic, version or kind with a Failure; it never throws.
struct Header {
  EnvelopeKind kind = EnvelopeKind::message;  ///< what it is for the runtime
  Phase phase = Phase::none;                  ///< of the work that it is about; for people
  std::uint64_t job = 0;                      ///< hash of the run's id; 0 outside a job
  std::uint32_t term = 0;                     ///< of the head
  std::uint32_t epoch = 0;                    ///< of the membership
  std::uint64_t sender = 0;                   ///< name_hash of the sending actor; 0 = the node itself
  std::uint64_t receiver = 0;                 ///< name_hash of the receiving actor; 0 = the node itself
  std::uint32_t sender_incarnation = 0;       ///< from 1; 0 = the node itself
  std::uint32_t receiver_incarnation = 0;     ///< 0 = whoever holds the name
  std::uint64_t sequence = 0;                 ///< per (sender node, receiver node) link, from 1
  std::uint64_t acknowledged = 0;             ///< highest sequence received on the way back
  std::uint32_t step = 0;                     ///< optimizer step: the message's field of that name; 0 = it has none
  std::uint32_t micro_batch = 0;              ///< the same
  std::uint64_t cause = 0;                    ///< id of the message whose handling sent this one
  std::uint64_t correlation = 0;              ///< ties a reply to its request; 0 = none
  std::uint32_t body_bytes = 0;               ///< at most kMaxBodyBytes
  std::uint16_t payload_count = 0;            ///< at most kMaxPayloads
  Lane lane = Lane::ordinary;                 ///< which of the receiver's queues
  IfLost if_lost = IfLost::count;             ///< whether its sender wants to hear of its loss

  bool operator==(const Header&) const = default;
};

/// Of an encoded Header.
inline constexpr std::size_t kHeaderBytes = 96;
/// What serialize() may write; more belongs in a Payload.
inline constexpr std::size_t kMaxBodyBytes = 64 * 1024;
/// Of one message.
inline constexpr std::size_t kMaxPayloads = 64;
/// Of all payloads of a message together.
inline constexpr std::size_t kMaxEnvelopeBytes = std::size_t{1} << 30;

/// An encoded Header.
using HeaderBytes = std::array<std::byte, kHeaderBytes>;

/// As the table in runtime/README.md.
[[nodiscard]] HeaderBytes encode_header(const Header& header);
/// Of exactly kHeaderBytes bytes; else, and for what EN-2 names, a Failure of kind unknown.
[[nodiscard]] Result<Header> decode_header(std::span<const std::byte> bytes);

/// Writes two fields into a header that is encoded already.
void number_header(std::span<std::byte> header, std::uint64_t sequence, std::uint64_t acknowledged);

/// The link by which messages arrive: where the sender's node listens, and who hears when one is done with.
///
/// Thread-safety: give_back() from any thread.
/// Ownership:     shared by what arrived.
/// Errors:        none.
/// Restart:       one per link.
class Origin {
public:
  /// `endpoint` is where the sender's node listens.
  explicit Origin(std::string endpoint) : endpoint_(std::move(endpoint)) {}
  virtual ~Origin() = default;
  /// Where the sender's node listens: an answer goes there.
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  /// A message that cost that much of the link's window is done with.
  virtual void give_back(std::uint64_t cost) { (void)cost; }

private:
  const std::string endpoint_;
};

/// How one message came here; empty for one of this process. Gives its part of the link's window back at its end. A
/// copy knows where it came from, and gives nothing back.
///
/// Thread-safety: a plain value; one thread at a time.
/// Ownership:     shares the origin.
/// Errors:        none.
/// Restart:       gone with the process.
class Arrival {
public:
  /// Of this process: it owes nothing.
  Arrival() = default;
  /// By that link, of whose window it takes `cost` bytes (not 0) until it ends.
  Arrival(std::shared_ptr<Origin> origin, std::uint64_t cost) : origin_(std::move(origin)), cost_(cost) {}
  ~Arrival() { give_back(); }
  /// Knows the origin and owes nothing: a window is given back once.
  Arrival(const Arrival& other) : origin_(other.origin_) {}
  /// The other owes nothing any more.
  Arrival(Arrival&& other) noexcept : origin_(std::move(other.origin_)), cost_(std::exchange(other.cost_, 0)) {}
  Arrival& operator=(Arrival other) noexcept {
    std::swap(origin_, other.origin_);
    std::swap(cost_, other.cost_);
    return *this;
  }
  /// Null for a message of this process.
  [[nodiscard]] const Origin* origin() const { return origin_.get(); }
  /// Its end gives a part of the link's window back.
  [[nodiscard]] bool owes() const { return cost_ != 0; }

private:
  void give_back() {
    if (cost_ != 0) origin_->give_back(cost_);
  }

  std::shared_ptr<Origin> origin_;
  std::uint64_t cost_ = 0;  // 0 = nothing to give back
};

/// One message on its way: header, the message's name, its cereal body, and bulk payloads by reference.
///
/// Thread-safety: a plain value; one thread at a time.
/// Ownership:     owns name and body, shares payloads; `arrival` gives the link's credit back.
/// Errors:        none.
/// Restart:       those waiting in a mailbox are lost with the actor; requests among them are answered by a failure.
struct Envelope {
  Header header;                  ///< body_bytes and payload_count agree with the fields below
  std::string message;            ///< kName of the message type, e.g. "stage.forward"
  std::string sender_name;        ///< for people: logs, console, dead letters
  std::string body;               ///< what serialize() wrote, at most kMaxBodyBytes
  std::vector<Payload> payloads;  ///< beside the body, in the order of serialize()
  Arrival arrival;                ///< set by the receiving transport

  /// Where the sender's node listens; empty = here.
  [[nodiscard]] std::string_view from_endpoint() const {
    return arrival.origin() == nullptr ? std::string_view{} : std::string_view(arrival.origin()->endpoint());
  }
  /// Of header, names, body and payloads together.
  [[nodiscard]] std::size_t bytes() const;
};

}  // namespace troupe::runtime
