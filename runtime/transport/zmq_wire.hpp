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
// and after it come, for each payload that travels by wire, its bytes in frames of at most kChunkBytes.
// Messages of which nothing travels in further frames may share one: kBatchMark u32 | for each its length u32 and its
// front. To hand a frame to ZeroMQ and to be called for it costs several times what a small message does.
//
// ZW-1  decode_front() gives back what encode_front() was given.
// ZW-2  Whatever the bytes, decode_front() and join_frames() end with a value or a Failure, read nothing outside their
//       frames, and allocate no more than the frames justify.
// ZW-3  A payload cut into frames is joined to the same bytes.
// ZW-4  split_batch() gives back the fronts that join_fronts() was given, in order.

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
enum class PayloadWay : std::uint32_t { wire = 0, arena = 1 };

/// Where the receiver finds a payload; block.length is its size either way.
struct PayloadPlace {
  PayloadWay way = PayloadWay::wire;
  BlockRef block;

  bool operator==(const PayloadPlace&) const = default;
};

/// A front frame, read: the envelope without its payloads, and where those are.
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

/// One frame of several fronts; of one alone the front itself.
[[nodiscard]] zmq::message_t join_fronts(std::vector<zmq::message_t> fronts);
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
