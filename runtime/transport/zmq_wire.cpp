#include "runtime/transport/zmq_wire.hpp"

#include "runtime/transport/zmq_seal.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace troupe::runtime {

namespace {

constexpr std::size_t kZeroCopyBytes = 64 * 1024;
constexpr std::size_t kFrameAlignment = 8;

template <class T>
void put(std::byte*& at, T value) {
  std::memcpy(at, &value, sizeof value);
  at += sizeof value;
}

void put_text(std::byte*& at, std::string_view text) {
  if (!text.empty()) std::memcpy(at, text.data(), text.size());
  at += text.size();
}

// Takes values off the front of a span; the caller has checked that they are there.
template <class T>
T take(std::span<const std::byte>& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof value);
  return value;
}

std::string take_text(std::span<const std::byte>& bytes, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(bytes.data()), size);
  bytes = bytes.subspan(size);
  return text;
}

Failure malformed(const std::string& what) {
  return {FailureKind::unknown, "malformed message: " + what};
}

std::size_t front_bytes(const Envelope& envelope, std::size_t places) {
  return kHeaderBytes + 2 * sizeof(std::uint16_t) + envelope.message.size() + envelope.sender_name.size() +
         envelope.body.size() + places * kPlaceBytes;
}

void put_place(std::byte*& at, const PayloadPlace& place) {
  put(at, static_cast<std::uint32_t>(place.way));
  put(at, place.block.slot);
  put(at, place.block.offset);
  put(at, place.block.length);
  put(at, place.block.generation);
}

// What is inside is left to the caller: returns where it goes.
std::byte* write_front(std::byte* at, const Envelope& envelope, std::span<const PayloadPlace> places) {
  Header header = envelope.header;
  header.body_bytes = static_cast<std::uint32_t>(envelope.body.size());
  header.payload_count = static_cast<std::uint16_t>(places.size());
  const HeaderBytes head = encode_header(header);
  std::memcpy(at, head.data(), head.size());
  at += head.size();
  put(at, static_cast<std::uint16_t>(envelope.message.size()));
  put(at, static_cast<std::uint16_t>(envelope.sender_name.size()));
  put_text(at, envelope.message);
  put_text(at, envelope.sender_name);
  put_text(at, envelope.body);
  for (const PayloadPlace& place : places) put_place(at, place);
  return at;
}

PayloadPlace take_place(std::span<const std::byte>& bytes) {
  PayloadPlace place;
  place.way = static_cast<PayloadWay>(take<std::uint32_t>(bytes));
  place.block.slot = take<std::uint32_t>(bytes);
  place.block.offset = take<std::uint64_t>(bytes);
  place.block.length = take<std::uint64_t>(bytes);
  place.block.generation = take<std::uint64_t>(bytes);
  return place;
}

// `bytes` = the places, and behind them what is inside.
Result<Done> read_payloads(std::span<const std::byte> bytes, std::size_t count, Front& front) {
  std::span<const std::byte> inside = bytes.subspan(count * kPlaceBytes);
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const PayloadPlace place = take_place(bytes);
    if (place.way > PayloadWay::inside) return malformed("unknown way of a payload");
    if (place.block.length > kMaxEnvelopeBytes - total) return malformed("payloads larger than 1 GiB");
    total += place.block.length;
    if (place.way != PayloadWay::inside) {
      front.places.push_back(place);
      continue;
    }
    if (place.block.length > inside.size()) return malformed("a payload inside that is cut off");
    const std::span<const std::byte> own = inside.first(place.block.length);
    front.envelope.payloads.push_back(own.empty() ? Payload() : Payload::copy_of(own));
    inside = inside.subspan(own.size());
  }
  if (!front.places.empty() && !front.envelope.payloads.empty()) return malformed("payloads inside and elsewhere");
  if (!inside.empty()) return malformed("front frame of another size than its lengths say");
  return Done{};
}

// Keeps a payload's owner alive while ZeroMQ sends from its memory. The flag orders the making of the object before its
// end on another thread; ZeroMQ orders them as well, but not where a race detector can see it.
struct SharedFrame {
  Payload payload;
  std::atomic<int> ready{0};
};

void end_shared_frame(void*, void* hint) {
  auto* frame = static_cast<SharedFrame*>(hint);
  if (frame->ready.load(std::memory_order_acquire) == 1) delete frame;
}

}  // namespace

Result<Done> check_limits(const Envelope& envelope) {
  std::size_t total = 0;
  for (const Payload& payload : envelope.payloads) total += payload.size();
  const auto refuse = [&](const std::string& why) {
    return Failure{FailureKind::unknown,
                   "cannot send message " + envelope.message.substr(0, kMaxNameBytes) + ": " + why};
  };
  if (envelope.message.size() > kMaxNameBytes || envelope.sender_name.size() > kMaxNameBytes) {
    return refuse("a name is longer than " + std::to_string(kMaxNameBytes) + " bytes");
  }
  if (envelope.body.size() > kMaxBodyBytes) {
    return refuse("body of " + std::to_string(envelope.body.size()) + " bytes; put bulk data in payloads");
  }
  if (envelope.payloads.size() > kMaxPayloads || total > kMaxEnvelopeBytes) {
    return refuse(std::to_string(envelope.payloads.size()) + " payloads of " + std::to_string(total) +
                  " bytes together; at most " + std::to_string(kMaxPayloads) + " and 1 GiB, send several messages");
  }
  return Done{};
}

std::size_t wire_cost(const Envelope& envelope) {
  std::size_t cost = kHeaderBytes + envelope.message.size() + envelope.sender_name.size() + envelope.body.size();
  for (const Payload& payload : envelope.payloads) cost += payload.size();
  return cost;
}

zmq::message_t encode_front(const Envelope& envelope, std::span<const PayloadPlace> places) {
  zmq::message_t frame(front_bytes(envelope, places.size()));
  write_front(static_cast<std::byte*>(frame.data()), envelope, places);
  return frame;
}

zmq::message_t encode_sealed_front(const Envelope& envelope, std::span<const PayloadPlace> places) {
  zmq::message_t frame(front_bytes(envelope, places.size()) + kSealBytes);
  write_front(static_cast<std::byte*>(frame.data()), envelope, places);
  seal(frame);
  return frame;
}

Result<Front> decode_front(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes + 2 * sizeof(std::uint16_t)) {
    return malformed("front frame of " + std::to_string(bytes.size()) + " bytes");
  }
  Result<Header> header = decode_header(bytes.first(kHeaderBytes));
  if (!header) return header.failure();
  bytes = bytes.subspan(kHeaderBytes);
  const std::size_t message_bytes = take<std::uint16_t>(bytes);
  const std::size_t sender_bytes = take<std::uint16_t>(bytes);
  if (message_bytes > kMaxNameBytes || sender_bytes > kMaxNameBytes) return malformed("name too long");
  if (header->body_bytes > kMaxBodyBytes) return malformed("body too long");
  if (header->payload_count > kMaxPayloads) return malformed("too many payloads");
  if (bytes.size() < message_bytes + sender_bytes + header->body_bytes + header->payload_count * kPlaceBytes) {
    return malformed("front frame of another size than its lengths say");
  }
  Front front;
  front.envelope.header = *header;
  front.envelope.message = take_text(bytes, message_bytes);
  front.envelope.sender_name = take_text(bytes, sender_bytes);
  front.envelope.body = take_text(bytes, header->body_bytes);
  if (Result<Done> read = read_payloads(bytes, header->payload_count, front); !read) return read.failure();
  return front;
}

std::byte* Fronts::grow(std::size_t front_bytes) {
  std::size_t at = bytes_.size();
  bytes_.resize(at + sizeof(std::uint32_t) + front_bytes);
  const auto length = static_cast<std::uint32_t>(front_bytes);
  std::memcpy(bytes_.data() + at, &length, sizeof length);
  last_ = at + sizeof length;
  ++count_;
  return bytes_.data() + last_;
}

void Fronts::add(const Envelope& envelope) {
  std::array<PayloadPlace, kMaxPayloads> places;
  std::size_t inside = 0;
  const std::size_t count = envelope.payloads.size();
  for (std::size_t i = 0; i < count; ++i) {
    places[i] = {PayloadWay::inside, BlockRef{0, 0, envelope.payloads[i].size(), 0}};
    inside += envelope.payloads[i].size();
  }
  std::byte* at = grow(front_bytes(envelope, count) + inside);
  at = write_front(at, envelope, std::span(places).first(count));
  for (const Payload& payload : envelope.payloads) {
    if (payload.size() > 0) std::memcpy(at, payload.data(), payload.size());
    at += payload.size();
  }
}

std::size_t cost_of_front(std::span<const std::byte> front) {
  constexpr std::size_t kPayloadCountAt = 92;
  std::uint16_t payloads = 0;
  std::memcpy(&payloads, front.data() + kPayloadCountAt, sizeof payloads);
  return front.size() - 2 * sizeof(std::uint16_t) - payloads * kPlaceBytes;
}

void Fronts::add(std::span<const std::byte> front) {
  std::memcpy(grow(front.size()), front.data(), front.size());
}

void Fronts::number_last(std::uint64_t sequence, std::uint64_t acknowledged) {
  number_header(std::span(bytes_).subspan(last_), sequence, acknowledged);
}

std::span<const std::byte> Fronts::next() const {
  std::span<const std::byte> rest = std::span(bytes_).subspan(taken_);
  const auto length = take<std::uint32_t>(rest);
  return rest.first(length);
}

zmq::message_t Fronts::to_frame() {
  const Fronts all = std::exchange(*this, {});
  if (all.count_ == 1) return sealed(std::span(all.bytes_).subspan(all.last_));
  zmq::message_t frame(sizeof kBatchMark + all.bytes_.size() + kSealBytes);
  auto* at = static_cast<std::byte*>(frame.data());
  put(at, kBatchMark);
  std::memcpy(at, all.bytes_.data(), all.bytes_.size());
  seal(frame);
  return frame;
}

std::vector<Envelope> envelopes_of(Fronts fronts) {
  std::vector<Envelope> envelopes;
  for (; !fronts.is_empty(); fronts.take_next()) {
    envelopes.push_back(std::move(decode_front(fronts.next()).value().envelope));
  }
  return envelopes;
}

bool is_batch(std::span<const std::byte> frame) {
  return frame.size() >= sizeof kBatchMark && take<std::uint32_t>(frame) == kBatchMark;
}

Result<std::vector<std::span<const std::byte>>> split_batch(std::span<const std::byte> frame) {
  if (!is_batch(frame)) return malformed("no batch");
  frame = frame.subspan(sizeof kBatchMark);
  std::vector<std::span<const std::byte>> fronts;
  while (!frame.empty()) {
    if (frame.size() < sizeof(std::uint32_t)) return malformed("a batch that ends in a length");
    const std::size_t size = take<std::uint32_t>(frame);
    if (size > frame.size()) return malformed("a batch that is cut off");
    if (fronts.size() == kMaxBatchMessages) return malformed("a batch of too many messages");
    fronts.push_back(frame.first(size));
    frame = frame.subspan(size);
  }
  return fronts;
}

std::size_t frames_of(std::size_t payload_bytes) {
  return (payload_bytes + kChunkBytes - 1) / kChunkBytes;
}

void append_payload(const Payload& payload, std::vector<zmq::message_t>& frames) {
  std::span<const std::byte> rest = payload.bytes();
  while (!rest.empty()) {
    const std::span<const std::byte> chunk = rest.first(std::min(rest.size(), kChunkBytes));
    rest = rest.subspan(chunk.size());
    if (chunk.size() < kZeroCopyBytes) {
      frames.emplace_back(chunk.data(), chunk.size());
      continue;
    }
    auto* shared = new SharedFrame{payload, {}};
    shared->ready.store(1, std::memory_order_release);
    frames.emplace_back(const_cast<std::byte*>(chunk.data()), chunk.size(), &end_shared_frame, shared);
  }
}

Result<Payload> join_frames(std::span<zmq::message_t> frames, std::size_t length) {
  std::size_t total = 0;
  for (const zmq::message_t& frame : frames) total += frame.size();
  if (total != length) return malformed("payload frames of another size than announced");
  if (frames.size() == 1) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(frames[0].data()) % kFrameAlignment == 0;
    if (!aligned || length < kZeroCopyBytes) return Payload::copy_of(bytes_of(frames[0]));
    auto owner = std::make_shared<zmq::message_t>(std::move(frames[0]));
    const std::span<const std::byte> bytes = bytes_of(*owner);
    return Payload(std::move(owner), bytes);
  }
  auto joined = std::make_shared<std::vector<std::byte>>();
  joined->reserve(length);
  for (zmq::message_t& frame : frames) {
    const std::span<const std::byte> bytes = bytes_of(frame);
    joined->insert(joined->end(), bytes.begin(), bytes.end());
    frame.rebuild();  // gives the memory back while the rest is copied
  }
  const std::span<const std::byte> bytes(*joined);
  return Payload(std::move(joined), bytes);
}

std::span<const std::byte> bytes_of(const zmq::message_t& frame) {
  return {static_cast<const std::byte*>(frame.data()), frame.size()};
}

Received receive_frames(zmq::socket_t& socket, std::vector<zmq::message_t>& frames) {
  frames.clear();
  for (;;) {
    zmq::message_t frame;
    try {
      if (!socket.recv(frame, zmq::recv_flags::dontwait)) return Received::nothing;
    } catch (const zmq::error_t& error) {
      if (error.num() != EINTR) throw;
      continue;
    }
    const bool more = frame.more();
    if (frames.size() <= kMaxFrames) {
      frames.push_back(std::move(frame));
    } else if (frames.size() == kMaxFrames + 1) {
      frames.emplace_back();
    }
    if (!more) return Received::message;
  }
}

bool send_frames(zmq::socket_t& socket, std::vector<zmq::message_t>& frames) {
  for (std::size_t i = 0; i < frames.size();) {
    const bool last = i + 1 == frames.size();
    const auto flags = last ? zmq::send_flags::dontwait : zmq::send_flags::dontwait | zmq::send_flags::sndmore;
    try {
      if (!socket.send(frames[i], flags)) return false;
      ++i;
    } catch (const zmq::error_t& error) {
      if (error.num() == EHOSTUNREACH) return false;
      if (error.num() != EINTR) throw;
    }
  }
  return true;
}

}  // namespace troupe::runtime
