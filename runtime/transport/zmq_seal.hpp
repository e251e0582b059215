#pragma once

#include "runtime/message/safety_checks.hpp"
#include "runtime/transport/zmq_wire.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace troupe::runtime {

// What tells that something was damaged on the way. A frame of fronts ends with a seal: the CRC32C of all before it, 4
// bytes. A payload by wire has the CRC32C of its bytes in its place, where one in shared memory has its generation.
// What lies in shared memory has none: it never was on a wire. Nor has a payload whose link never leaves the machine,
// or is encrypted: what CURVE lets through is what was sent. Its place says so.
//
// ZS-1  open_frame() gives back what was sealed; when anything of it was changed, or cut off, it gives a Failure.
// ZS-2  are_intact() says no when anything of a payload by wire that has a checksum was changed.

inline constexpr std::size_t kSealBytes = sizeof(std::uint32_t);

/// Writes the seal into the frame's last kSealBytes.
void seal(Frame& frame);
/// A copy with a seal.
[[nodiscard]] Frame sealed(std::span<const std::byte> bytes);
/// What is before the seal, when that is right.
[[nodiscard]] Result<std::span<const std::byte>> open_frame(std::span<const std::byte> frame,
                                                            const SafetyChecks& checks);

/// Whether a payload by wire has a checksum. Values are part of the wire format.
enum class Summed : std::uint32_t { yes = 0, no = 1 };

/// For a link to that endpoint, in a job with a key or without.
[[nodiscard]] Summed summed_on(std::string_view endpoint, bool has_key);
/// Of a payload that comes in frames after the front.
[[nodiscard]] PayloadPlace place_by_wire(const Payload& payload, Summed summed = Summed::yes);
/// Whether the payloads in those frames are what was placed, as far as they have checksums; when they are of another
/// size, that is for others to see.
[[nodiscard]] bool are_intact(std::span<const PayloadPlace> places, std::span<const Frame> payload_frames);

}  // namespace troupe::runtime
