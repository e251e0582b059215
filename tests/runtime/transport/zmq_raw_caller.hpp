#pragma once

#include "runtime/message/message.hpp"
#include "runtime/transport/zmq_seal.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>
#include <zmq.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe::runtime {

/// A caller that speaks ZeroMQ and the wire format, but keeps to the protocol only as far as its test wants.
class RawCaller {
public:
  explicit RawCaller(const std::string& endpoint) : socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::sndhwm, 0);
    socket_.set(zmq::sockopt::rcvtimeo, static_cast<int>(std::chrono::milliseconds(kPatience).count()));
    socket_.connect(endpoint);
    hello_.job = 7;
    hello_.node_name = "raw";
    hello_.instance = random_id();
    hello_.link = 1;
    hello_.endpoint = "ipc:///nowhere/raw" + std::to_string(hello_.instance);  // two callers are two nodes
  }
  LinkHello& hello() { return hello_; }

  void say_hello() {
    Envelope envelope = encode_message(hello_);
    envelope.header.kind = EnvelopeKind::hello;
    send(envelope, {}, {});
  }
  void send(const Envelope& envelope, std::span<const PayloadPlace> places, std::vector<std::string> more) {
    std::vector<zmq::message_t> frames;
    frames.push_back(encode_sealed_front(envelope, places));
    for (const std::string& frame : more) frames.emplace_back(frame.data(), frame.size());
    ASSERT_TRUE(send_frames(socket_, frames));
  }
  void send_sequence(std::uint64_t sequence) {
    Envelope envelope = numbered(static_cast<std::uint32_t>(sequence));
    envelope.header.sequence = sequence;
    send(envelope, {}, {});
  }
  /// In one frame.
  void send_batch(const std::vector<Envelope>& envelopes) {
    Fronts fronts;
    for (const Envelope& envelope : envelopes) fronts.add(envelope);
    std::vector<zmq::message_t> frames;
    frames.push_back(fronts.to_frame());
    ASSERT_TRUE(send_frames(socket_, frames));
  }
  void send_bytes(const std::vector<std::string>& parts) {
    std::vector<zmq::message_t> frames;
    for (const std::string& part : parts) frames.emplace_back(part.data(), part.size());
    ASSERT_TRUE(send_frames(socket_, frames));
  }
  /// As of another version, which knows no seals.
  void send_unsealed(const Envelope& envelope) {
    std::vector<zmq::message_t> frames;
    frames.push_back(encode_front(envelope, {}));
    ASSERT_TRUE(send_frames(socket_, frames));
  }
  /// A sealed message of which one bit has flipped.
  void send_damaged(const Envelope& envelope, std::size_t bit) {
    zmq::message_t frame = encode_sealed_front(envelope, {});
    static_cast<std::byte*>(frame.data())[bit / 8 % frame.size()] ^= std::byte{1} << (bit % 8);
    std::vector<zmq::message_t> frames;
    frames.push_back(std::move(frame));
    ASSERT_TRUE(send_frames(socket_, frames));
  }
  Result<zmq::message_t> next_frame() {
    zmq::message_t frame;
    if (!socket_.recv(frame)) return Failure{FailureKind::disconnected, "no answer"};
    return frame;
  }
  Result<Envelope> next_envelope() {
    const Result<zmq::message_t> frame = next_frame();
    if (!frame) return frame.failure();
    const auto bytes = open_frame(bytes_of(*frame), SafetyChecks{});
    if (!bytes) return bytes.failure();
    const Result<Front> front = decode_front(*bytes);
    if (!front) return front.failure();
    return front->envelope;
  }
  /// The next answer that is an M; answers of other kinds before it are passed over.
  template <Message M>
  Result<M> next() {
    for (;;) {
      const Result<Envelope> envelope = next_envelope();
      if (!envelope) return envelope.failure();
      if (Result<M> message = decode_message<M>(*envelope)) return message;
    }
  }

private:
  zmq::context_t context_{1};
  zmq::socket_t socket_;
  LinkHello hello_;
};

}  // namespace troupe::runtime
