#include "runtime/message/span_archive.hpp"

#include "runtime/message/envelope.hpp"

#include <stdexcept>

namespace troupe::runtime {

SpanWriter::SpanWriter(std::string& body, std::vector<Payload>& payloads)
    : OutputArchive(this), body_(body), payloads_(payloads) {}

void SpanWriter::write_payload(const Payload& payload) {
  payloads_.push_back(payload);
}

Result<Done> SpanWriter::check() const {
  const auto too_large = [](const std::string& what) { return Failure{FailureKind::unknown, what + " are allowed"}; };
  if (body_.size() > kMaxBodyBytes) {
    return too_large("message body of " + std::to_string(body_.size()) +
                     " bytes, bulk data belongs into a Payload: at most " + std::to_string(kMaxBodyBytes));
  }
  if (payloads_.size() > kMaxPayloads) {
    return too_large("message with " + std::to_string(payloads_.size()) + " payloads, at most " +
                     std::to_string(kMaxPayloads));
  }
  std::size_t total = 0;
  for (const Payload& payload : payloads_) total += payload.size();
  if (total > kMaxEnvelopeBytes) {
    return too_large("message with payloads of " + std::to_string(total) + " bytes together, at most " +
                     std::to_string(kMaxEnvelopeBytes));
  }
  return Done{};
}

void SpanWriter::finish() const {
  if (const Result<Done> fits = check(); !fits) throw std::length_error(fits.failure().text);
}

SpanReader::SpanReader(std::string_view body, std::span<const Payload> payloads)
    : InputArchive(this), body_(body), payloads_(payloads) {}

void SpanReader::fail(std::string_view what) {
  if (error_.empty())
    error_ = std::string(what) + " at byte " + std::to_string(at_) + " of " + std::to_string(body_.size());
}

void SpanReader::refuse(std::string_view what) {
  fail(what);
}

void SpanReader::read(void* data, std::size_t size) {
  if (error_.empty() && size <= body_.size() - at_) {
    if (size > 0) std::memcpy(data, body_.data() + at_, size);
    at_ += size;
    return;
  }
  fail("truncated: " + std::to_string(size) + " bytes wanted");
  if (size > 0) std::memset(data, 0, size);
}

std::uint64_t SpanReader::checked_count(std::uint64_t count, std::uint64_t limit) {
  if (count > limit) fail("a container of " + std::to_string(count) + " elements cannot fit");
  return error_.empty() ? count : 0;
}

std::uint64_t SpanReader::read_size(std::size_t element_bytes) {
  std::uint32_t count = 0;
  read(&count, sizeof count);
  return checked_count(count, (body_.size() - at_) / element_bytes);
}

std::uint64_t SpanReader::read_payload_count() {
  std::uint32_t count = 0;
  read(&count, sizeof count);
  return checked_count(count, payloads_.size() - next_payload_);
}

Payload SpanReader::read_payload() {
  if (next_payload_ < payloads_.size()) return payloads_[next_payload_++];
  fail("a payload is missing");
  return {};
}

bool SpanReader::finish() {
  if (error_.empty() && at_ != body_.size()) fail(std::to_string(body_.size() - at_) + " bytes left over");
  if (error_.empty() && next_payload_ != payloads_.size()) fail("payloads left over");
  return error_.empty();
}

}  // namespace troupe::runtime
