#pragma once

#include "runtime/message/envelope.hpp"
#include "runtime/message/span_archive.hpp"

#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::runtime {

/// A message is a plain struct with a name and a cereal serialize() right under its fields, declared in the header of
/// the actor that accepts it:
///
///     struct Greet {
///       static constexpr std::string_view kName = "hello.greet";
///       std::string who;
///       template <class Archive> void serialize(Archive& archive) { archive(who); }
///     };
///
/// Fields named step, micro_batch and epoch are copied into the envelope's header. Payload fields travel beside the
/// body.
template <class M>
concept Message = std::default_initializable<M> && requires {
  { M::kName } -> std::convertible_to<std::string_view>;
};

/// Writes `message` into an envelope: name, body, payloads and the identity fields it has. A Failure when the body
/// passes kMaxBodyBytes (bulk data belongs in a Payload), or the payloads kMaxPayloads or kMaxEnvelopeBytes.
template <Message M>
[[nodiscard]] Result<Envelope> try_encode_message(const M& message) {
  Envelope envelope;
  envelope.message = M::kName;
  SpanWriter writer(envelope.body, envelope.payloads);
  writer(const_cast<M&>(message));  // serialize() is one function for both directions; writing changes nothing
  if (const Result<Done> fits = writer.check(); !fits) return fits.failure().within(std::string(M::kName));
  if constexpr (requires { message.step; }) envelope.header.step = static_cast<std::uint32_t>(message.step);
  if constexpr (requires { message.micro_batch; })
    envelope.header.micro_batch = static_cast<std::uint32_t>(message.micro_batch);
  if constexpr (requires { message.epoch; }) envelope.header.epoch = static_cast<std::uint32_t>(message.epoch);
  envelope.header.body_bytes = static_cast<std::uint32_t>(envelope.body.size());
  envelope.header.payload_count = static_cast<std::uint16_t>(envelope.payloads.size());
  return envelope;
}

/// The same for a message that fits: throws std::length_error for one that does not.
template <Message M>
[[nodiscard]] Envelope encode_message(const M& message) {
  Result<Envelope> envelope = try_encode_message(message);
  if (!envelope) throw std::length_error(envelope.failure().text);
  return std::move(envelope).value();
}

/// Reads a message of type M, or says why the bytes are not one (name, truncation, trailing bytes, a length beyond
/// what is there). Never throws, never allocates more than the bytes at hand justify.
template <Message M>
[[nodiscard]] Result<M> decode_message(const Envelope& envelope) {
  if (envelope.message != M::kName) {
    return Failure{FailureKind::unknown, "expected message " + std::string(M::kName) + ", got " + envelope.message};
  }
  M message{};
  SpanReader reader(envelope.body, envelope.payloads);
  reader(message);
  if (!reader.finish()) {
    return Failure{FailureKind::unknown, std::string(M::kName) + ": " + reader.error()};
  }
  return message;
}

}  // namespace troupe::runtime
