#pragma once

#include "runtime/message/envelope.hpp"
#include "runtime/transport/shm_arena.hpp"

#include <zmq.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {

// How an envelope becomes ZeroMQ frames. The front frame is
//   header (96) | message name length u16 | sender name length u16 | names | body | payload_count places of 32 bytes
//   | the bytes of payloads that are inside
// and after it come, for each payload that travels by wire, its bytes in frames of at most kChunkBytes. Payloads are
// all inside, or none is. Messages of which nothing travels in further frames may share one: kBatchMark u32 | for each
// its length u32 and its front. To hand a frame to ZeroMQ and to be called for it costs several times what a small
// message does.
//
// What lies before the seal with which such a frame ends (zmq_seal.hpp) is described here.
//
// ZW-1  decode_front() gives back what encode_front() was given.
// ZW-2  Whatever the bytes, decode_front() and join_frames() end with a value or a Failure, read nothing outside their
//       frames, and allocate no more than the frames justify.
// ZW-3  A payload cut into frames is joined to the same bytes.
// ZW-4  split_batch() gives back the fronts that a Batch was given, in order.

/// What travels in one piece.
using Frame = zmq::message_t;

inline constexpr std::size_t kChunkBytes = 8ULL << 20;
inline constexpr std::size_t kMaxFrames = 256;
inline constexpr std::size_t kPlaceBytes = 32;
inline constexpr std::uint32_t kBatchMark = 0x31425254;  // "TRB1"; a front begins with the header's "TRP1"
inline constexpr std::size_t kMaxBatchMessages = 256;
inline constexpr std::size_t kMaxBatchBytes = 64 * 1024;  // of the fronts together
inline constexpr std::size_t kMaxSharedBytes = 8 * 1024;  // a front that is larger goes alone

/// By which way a payload comes. Values are part of the wire format.
enum class PayloadWay : std::uint32_t {
  wire = 0,    ///< in frames of its own
  arena = 1,   ///< in the sender's shared memory
  inside = 2,  ///< in the front
};

/// Where the receiver finds a payload; block.length is its size either way.
struct PayloadPlace {
  PayloadWay way = PayloadWay::wire;
  BlockRef block;

  bool operator==(const PayloadPlace&) const = default;
};

/// A front frame, read: the envelope, and where its payloads are when they are not inside.
struct Front {
  Envelope envelope;
  std::vector<PayloadPlace> places;
};

/// Failure unknown when the envelope passes a limit of the format (names, body, number and size of payloads).
[[nodiscard]] Result<Done> check_limits(const Envelope& envelope);
/// What an envelope costs of its link's window, in bytes; sender and receiver count alike.
[[nodiscard]] std::size_t wire_cost(const Envelope& envelope);

[[nodiscard]] zmq::message_t encode_front(const Envelope& envelope, std::span<const PayloadPlace> places);
[[nodiscard]] Result<Front> decode_front(std::span<const std::byte> bytes);

/// The same with its seal: as a frame that goes alone.
[[nodiscard]] Frame encode_sealed_front(const Envelope& envelope, std::span<const PayloadPlace> places);

/// The fronts of messages one after another, each behind its length: as a batch holds them.
///
/// Thread-safety: a plain value; one thread at a time.
/// Ownership:     owns its bytes.
/// Errors:        none.
/// Restart:       gone with the process.
class Fronts {
public:
  /// Its payloads go inside.
  void add(const Envelope& envelope);
  void add(std::span<const std::byte> front);
  /// Writes the two numbers that only the link knows into the front added last.
  void number_last(std::uint64_t sequence, std::uint64_t acknowledged);

  /// The first of those not taken yet; there has to be one.
  [[nodiscard]] std::span<const std::byte> next() const;
  void take_next() { taken_ += sizeof(std::uint32_t) + next().size(); }
  [[nodiscard]] bool is_empty() const { return taken_ == bytes_.size(); }

  [[nodiscard]] std::size_t count() const { return count_; }  ///< of all that were added
  [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }
  /// All that were added in one frame, sealed; of one alone the front itself. Empties it.
  [[nodiscard]] zmq::message_t to_frame();

private:
  std::byte* grow(std::size_t front_bytes);

  std::vector<std::byte> bytes_;
  std::size_t taken_ = 0;
  std::size_t count_ = 0;
  std::size_t last_ = 0;  // where the front added last begins
};

/// What the message of that front costs of its link's window: the envelope's wire_cost(). All is inside.
[[nodiscard]] std::size_t cost_of_front(std::span<const std::byte> front);

/// Those of them that were not taken, as they were added.
[[nodiscard]] std::vector<Envelope> envelopes_of(Fronts fronts);

[[nodiscard]] bool is_batch(std::span<const std::byte> frame);
/// The fronts inside, where they lie in `frame`.
[[nodiscard]] Result<std::vector<std::span<const std::byte>>> split_batch(std::span<const std::byte> frame);

/// Appends the frames of one payload; from 64 KiB on without a copy (the frame shares the payload's owner).
void append_payload(const Payload& payload, std::vector<zmq::message_t>& frames);
[[nodiscard]] std::size_t frames_of(std::size_t payload_bytes);
/// A payload of `length` bytes from its frames, which are moved from.
[[nodiscard]] Result<Payload> join_frames(std::span<zmq::message_t> frames, std::size_t length);

[[nodiscard]] std::span<const std::byte> bytes_of(const zmq::message_t& frame);

enum class Received : unsigned char { nothing, message };
/// Reads one whole message without waiting; frames beyond kMaxFrames + 1 are thrown away and `frames` is left longer
/// than the limit by one empty frame, which no decoder accepts.
[[nodiscard]] Received receive_frames(zmq::socket_t& socket, std::vector<zmq::message_t>& frames);
/// Sends all frames as one message without waiting; false when the socket has nobody to send to.
[[nodiscard]] bool send_frames(zmq::socket_t& socket, std::vector<zmq::message_t>& frames);

}  // namespace troupe::runtime
