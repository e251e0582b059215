#include "runtime/transport/zmq_seal.hpp"

#include "runtime/transport/crc32c.hpp"
#include "runtime/transport/zmq_handshake.hpp"

#include <cstring>

namespace troupe::runtime {

void seal(Frame& frame) {
  const std::size_t size = frame.size() - kSealBytes;
  const std::uint32_t value = crc32c(bytes_of(frame).first(size));
  std::memcpy(static_cast<std::byte*>(frame.data()) + size, &value, sizeof value);
}

Frame sealed(std::span<const std::byte> bytes) {
  Frame frame(bytes.size() + kSealBytes);
  if (!bytes.empty()) std::memcpy(frame.data(), bytes.data(), bytes.size());
  seal(frame);
  return frame;
}

Result<std::span<const std::byte>> open_frame(std::span<const std::byte> frame, const SafetyChecks& checks) {
  if (frame.size() < kSealBytes) return Failure{FailureKind::unknown, "a frame without its checksum"};
  const std::span<const std::byte> bytes = frame.first(frame.size() - kSealBytes);
  std::uint32_t value = 0;
  std::memcpy(&value, frame.data() + bytes.size(), sizeof value);
  if (checks.checksum && value != crc32c(bytes)) return Failure{FailureKind::unknown, "damaged on the way"};
  return bytes;
}

Summed summed_on(std::string_view endpoint, bool has_key) {
  const bool is_encrypted = has_key && endpoint.starts_with(kTcp);
  return is_encrypted || never_leaves_machine(endpoint) ? Summed::no : Summed::yes;
}

PayloadPlace place_by_wire(const Payload& payload, Summed summed) {
  const std::uint32_t sum = summed == Summed::yes ? crc32c(payload.bytes()) : 0;
  return {PayloadWay::wire, BlockRef{static_cast<std::uint32_t>(summed), 0, payload.size(), sum}};
}

bool are_intact(std::span<const PayloadPlace> places, std::span<const Frame> payload_frames) {
  for (const PayloadPlace& place : places) {
    if (place.way != PayloadWay::wire) continue;
    const std::size_t count = frames_of(place.block.length);
    if (count > payload_frames.size()) return true;
    const std::span<const Frame> own = payload_frames.first(count);
    payload_frames = payload_frames.subspan(count);
    if (place.block.slot == static_cast<std::uint32_t>(Summed::no)) continue;
    std::uint32_t value = 0;
    std::size_t size = 0;
    for (const Frame& frame : own) {
      value = crc32c(bytes_of(frame), value);
      size += frame.size();
    }
    if (size == place.block.length && value != place.block.generation) return false;
  }
  return true;
}

}  // namespace troupe::runtime
