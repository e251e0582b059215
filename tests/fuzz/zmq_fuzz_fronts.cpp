#include "runtime/transport/zmq_seal.hpp"
#include "tests/fuzz/fuzz_target.hpp"

#include <algorithm>
#include <cstring>

namespace troupe::runtime {

namespace {

std::vector<std::byte> copy_of(const zmq::message_t& frame) {
  const std::span<const std::byte> bytes = bytes_of(frame);
  return {bytes.begin(), bytes.end()};
}

/// A front whose payloads are where they were: inside, or named by their places.
std::vector<std::byte> written(const Front& front) {
  if (!front.places.empty() || front.envelope.payloads.empty()) {
    return copy_of(encode_front(front.envelope, front.places));
  }
  Fronts inside;
  inside.add(front.envelope);
  const zmq::message_t frame = inside.to_frame();
  const std::span<const std::byte> bytes = open_frame(bytes_of(frame), SafetyChecks{}).value();
  return {bytes.begin(), bytes.end()};
}

/// What was read is written as the same number of bytes, and then as the same bytes.
void read_front(std::span<const std::byte> bytes) {
  const Result<Front> front = decode_front(bytes);
  if (!front) return;
  if (front->places.size() > kMaxPayloads || front->envelope.body.size() > kMaxBodyBytes) {
    throw FuzzFinding("ZW-2: a front beyond the limits");
  }
  const std::vector<std::byte> once = written(*front);
  const Result<Front> second = decode_front(once);
  if (!second || once.size() != bytes.size() || written(*second) != once) {
    throw FuzzFinding("ZW-1: a front that changes when it is passed on");
  }
}

void read_batch(std::span<const std::byte> bytes) {
  const Result<std::vector<std::span<const std::byte>>> fronts = split_batch(bytes);
  if (!fronts) return;
  if (fronts->size() > kMaxBatchMessages) throw FuzzFinding("ZW-2: a batch beyond the limits");
  std::size_t total = sizeof kBatchMark;
  for (const std::span<const std::byte> front : *fronts) {
    total += sizeof(std::uint32_t) + front.size();
    read_front(front);
  }
  if (total != bytes.size()) throw FuzzFinding("ZW-4: bytes of a batch in no front");
}

/// Frames of a payload whose length was announced by somebody else.
std::size_t read_frames(FuzzBytes& bytes) {
  const std::size_t announced = bytes.word() + bytes.byte() % 2U;
  std::vector<zmq::message_t> frames;
  std::vector<std::byte> whole;
  std::size_t made_up = 0;
  for (unsigned count = bytes.byte() % 8U; count > 0; --count) {
    const std::size_t filled = bytes.byte() % 4U == 0 ? std::size_t{bytes.byte()} * 512 : 0;
    std::vector<std::byte> frame(filled);
    made_up += filled * 4;
    const std::span<const std::byte> given = bytes.take(bytes.byte());
    frame.insert(frame.end(), given.begin(), given.end());
    frames.emplace_back(frame.data(), frame.size());
    whole.insert(whole.end(), frame.begin(), frame.end());
  }
  const Result<Payload> payload = join_frames(frames, announced);
  if (!payload) return made_up;
  if (payload->size() != announced ||
      !std::equal(whole.begin(), whole.end(), payload->bytes().begin(), payload->bytes().end())) {
    throw FuzzFinding("ZW-3: a payload that is not its frames");
  }
  return made_up;
}

}  // namespace

std::size_t fuzz_fronts(FuzzBytes& bytes) {
  const unsigned kind = bytes.byte() % 3U;
  if (kind == 2) return read_frames(bytes);
  const std::span<const std::byte> frame = bytes.rest();
  // Its last four bytes taken for a seal: of a good one the same bytes come back.
  const auto opened = open_frame(frame, SafetyChecks{});
  if (opened && sealed(*opened).to_string() != text_of(frame))
    throw FuzzFinding("ZS-1: a wrong seal was taken for right");
  if (kind == 1 && is_batch(frame)) {
    read_batch(frame);
  } else {
    read_front(frame);
  }
  return 0;
}

}  // namespace troupe::runtime
