#include "runtime/message/envelope.hpp"

#include <bit>
#include <cstring>

namespace troupe::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "the wire format is little-endian");

constexpr std::uint32_t kHeaderMagic = 0x31505254;  // "TRP1"
constexpr std::uint16_t kVersion = 1;

/// Walks over the 96 bytes in the order of the layout table, reading or writing each field.
class Cursor {
public:
  explicit Cursor(std::byte* at) : at_(at) {}

  template <class T>
  void put(T value) {
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  template <class T>
  T get() {
    T value{};
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

private:
  std::byte* at_;
};

Failure bad_header(const std::string& what) {
  return {FailureKind::unknown, "envelope header: " + what};
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::none:
      return "none";
    case Phase::idle:
      return "idle";
    case Phase::forward:
      return "forward";
    case Phase::backward:
      return "backward";
    case Phase::reduce:
      return "reduce";
    case Phase::vote:
      return "vote";
    case Phase::optimizer:
      return "optimizer";
    case Phase::checkpoint:
      return "checkpoint";
    case Phase::evaluate:
      return "evaluate";
    case Phase::load:
      return "load";
  }
  return "invalid";
}

Result<Phase> parse_phase(std::string_view text) {
  for (int value = static_cast<int>(Phase::idle); value <= static_cast<int>(Phase::load); ++value) {
    if (to_string(static_cast<Phase>(value)) == text) return static_cast<Phase>(value);
  }
  return Failure{FailureKind::unknown, "unknown phase \"" + std::string(text) + "\""};
}

HeaderBytes encode_header(const Header& header) {
  HeaderBytes bytes{};
  Cursor out(bytes.data());
  out.put(kHeaderMagic);
  out.put(kVersion);
  out.put(static_cast<std::uint8_t>(header.kind));
  out.put(static_cast<std::uint8_t>(header.phase));
  out.put(header.job);
  out.put(header.term);
  out.put(header.epoch);
  out.put(header.sender);
  out.put(header.receiver);
  out.put(header.sender_incarnation);
  out.put(header.receiver_incarnation);
  out.put(header.sequence);
  out.put(header.acknowledged);
  out.put(header.step);
  out.put(header.micro_batch);
  out.put(header.cause);
  out.put(header.correlation);
  out.put(header.body_bytes);
  out.put(header.payload_count);
  out.put(static_cast<std::uint8_t>(header.lane));
  out.put(static_cast<std::uint8_t>(header.if_lost));
  return bytes;
}

void number_header(std::span<std::byte> header, std::uint64_t sequence, std::uint64_t acknowledged) {
  // Where encode_header() puts them.
  constexpr std::size_t kSequenceAt = 48;
  static_assert(kSequenceAt + 2 * sizeof sequence <= kHeaderBytes);
  Cursor out(header.subspan(kSequenceAt).data());
  out.put(sequence);
  out.put(acknowledged);
}

Result<Header> decode_header(std::span<const std::byte> bytes) {
  if (bytes.size() != kHeaderBytes) {
    return bad_header(std::to_string(bytes.size()) + " bytes instead of " + std::to_string(kHeaderBytes));
  }
  HeaderBytes copy{};  // received frames are not aligned
  std::memcpy(copy.data(), bytes.data(), copy.size());
  Cursor in(copy.data());
  if (in.get<std::uint32_t>() != kHeaderMagic) return bad_header("not one of ours (wrong magic)");
  if (const auto version = in.get<std::uint16_t>(); version != kVersion) {
    return bad_header("version " + std::to_string(version) + ", this build speaks " + std::to_string(kVersion));
  }
  const auto kind = in.get<std::uint8_t>();
  const auto phase = in.get<std::uint8_t>();
  if (kind < 1 || kind > static_cast<std::uint8_t>(EnvelopeKind::bye)) {
    return bad_header("unknown kind " + std::to_string(kind));
  }
  if (phase > static_cast<std::uint8_t>(Phase::load)) return bad_header("unknown phase " + std::to_string(phase));
  Header header;
  header.kind = static_cast<EnvelopeKind>(kind);
  header.phase = static_cast<Phase>(phase);
  header.job = in.get<std::uint64_t>();
  header.term = in.get<std::uint32_t>();
  header.epoch = in.get<std::uint32_t>();
  header.sender = in.get<std::uint64_t>();
  header.receiver = in.get<std::uint64_t>();
  header.sender_incarnation = in.get<std::uint32_t>();
  header.receiver_incarnation = in.get<std::uint32_t>();
  header.sequence = in.get<std::uint64_t>();
  header.acknowledged = in.get<std::uint64_t>();
  header.step = in.get<std::uint32_t>();
  header.micro_batch = in.get<std::uint32_t>();
  header.cause = in.get<std::uint64_t>();
  header.correlation = in.get<std::uint64_t>();
  header.body_bytes = in.get<std::uint32_t>();
  header.payload_count = in.get<std::uint16_t>();
  const auto lane = in.get<std::uint8_t>();
  if (lane > static_cast<std::uint8_t>(Lane::urgent)) return bad_header("unknown lane " + std::to_string(lane));
  header.lane = static_cast<Lane>(lane);
  const auto if_lost = in.get<std::uint8_t>();
  if (if_lost > static_cast<std::uint8_t>(IfLost::tell_sender)) {
    return bad_header("unknown wish for a lost message " + std::to_string(if_lost));
  }
  header.if_lost = static_cast<IfLost>(if_lost);
  if (header.body_bytes > kMaxBodyBytes) return bad_header("body of " + std::to_string(header.body_bytes) + " bytes");
  if (header.payload_count > kMaxPayloads) return bad_header(std::to_string(header.payload_count) + " payloads");
  return header;
}

std::size_t Envelope::bytes() const {
  std::size_t total = kHeaderBytes + message.size() + sender_name.size() + body.size();
  for (const Payload& payload : payloads) total += payload.size();
  return total;
}

}  // namespace troupe::runtime
