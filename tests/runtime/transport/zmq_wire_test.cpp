#include "runtime/transport/zmq_wire.hpp"

#include "runtime/transport/zmq_seal.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace troupe::runtime {
namespace {

Envelope full_envelope() {
  Envelope envelope = numbered(5);
  envelope.header.kind = EnvelopeKind::request;
  envelope.header.sender = 11;
  envelope.header.receiver = 12;
  envelope.header.sequence = 13;
  envelope.header.correlation = 14;
  return envelope;
}

const std::vector<PayloadPlace>& some_places() {
  static const std::vector<PayloadPlace> places{{PayloadWay::wire, {0, 0, 1000, 0}},
                                                {PayloadWay::arena, {5, 8192, 70'000, 99}}};
  return places;
}

TEST(ZmqWire, ZW1_FrontRoundTrip) {
  const Envelope envelope = full_envelope();
  const zmq::message_t frame = encode_front(envelope, some_places());
  const Front front = decode_front(bytes_of(frame)).value();
  Header expected = envelope.header;
  expected.body_bytes = static_cast<std::uint32_t>(envelope.body.size());
  expected.payload_count = 2;
  EXPECT_EQ(front.envelope.header, expected);
  EXPECT_EQ(front.envelope.message, envelope.message);
  EXPECT_EQ(front.envelope.sender_name, envelope.sender_name);
  EXPECT_EQ(front.envelope.body, envelope.body);
  EXPECT_EQ(front.places, some_places());
}

/// A batch of `count` numbered messages, without its seal.
zmq::message_t batch_of(std::uint32_t count) {
  Fronts fronts;
  for (std::uint32_t i = 0; i < count; ++i) fronts.add(numbered(i));
  const zmq::message_t frame = fronts.to_frame();
  const std::span<const std::byte> bytes = open_frame(bytes_of(frame), SafetyChecks{}).value();
  return {bytes.data(), bytes.size()};
}

TEST(ZmqWire, ZW4_ABatchGivesBackItsFrontsInOrder) {
  EXPECT_FALSE(is_batch(bytes_of(batch_of(1)))) << "one alone needs no wrapping";
  for (const std::uint32_t count : {2U, 100U, static_cast<std::uint32_t>(kMaxBatchMessages)}) {
    const zmq::message_t frame = batch_of(count);
    ASSERT_TRUE(is_batch(bytes_of(frame)));
    const auto fronts = split_batch(bytes_of(frame)).value();
    ASSERT_EQ(fronts.size(), count);
    for (std::uint32_t i = 0; i < count; ++i) {
      EXPECT_EQ(decode_front(fronts[i]).value().envelope.body, numbered(i).body);
    }
  }
}

TEST(ZmqWire, ZW2_ABatchThatLiesIsRefused) {
  EXPECT_FALSE(split_batch(bytes_of(batch_of(kMaxBatchMessages + 1))));
  const zmq::message_t frame = batch_of(3);
  const std::span<const std::byte> good = bytes_of(frame);
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < good.size(); ++size) {
    const std::vector<std::byte> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    if (const auto fronts = split_batch(cut)) {
      ++accepted;
      EXPECT_LT(fronts->size(), 3U);
    }
  }
  EXPECT_EQ(accepted, 3U) << "cut between its fronts it is a shorter batch";
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(good.begin(), good.end());
    for (std::uint32_t flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    const auto fronts = split_batch(bytes);
    if (!fronts) continue;
    for (const std::span<const std::byte> front : *fronts) (void)decode_front(front);  // reads nothing outside
  }
}

Envelope with_small_payloads() {
  Envelope envelope = full_envelope();
  envelope.payloads = {patterned(100, 1), Payload(), patterned(1, 2)};
  return envelope;
}

TEST(ZmqWire, ZW1_SmallPayloadsTravelInsideTheFront) {
  Fronts fronts;
  fronts.add(with_small_payloads());
  fronts.number_last(77, 66);
  EXPECT_EQ(cost_of_front(fronts.next()), wire_cost(with_small_payloads()));
  const Result<Front> front = decode_front(fronts.next());
  ASSERT_TRUE(front) << front.failure().text;
  EXPECT_TRUE(front->places.empty());
  EXPECT_EQ(front->envelope.header.sequence, 77U);
  EXPECT_EQ(front->envelope.header.acknowledged, 66U);
  EXPECT_EQ(front->envelope.body, full_envelope().body);
  ASSERT_EQ(front->envelope.payloads.size(), 3U);
  EXPECT_TRUE(equal_bytes(front->envelope.payloads[0], patterned(100, 1)));
  EXPECT_EQ(front->envelope.payloads[1].size(), 0U);
  EXPECT_TRUE(equal_bytes(front->envelope.payloads[2], patterned(1, 2)));
}

TEST(ZmqWire, ZW4_WhatIsTakenDoesNotComeBackAndTheRestDoes) {
  Fronts fronts;
  for (std::uint32_t i = 0; i < 5; ++i) fronts.add(numbered(i));
  fronts.take_next();
  fronts.take_next();
  const std::vector<Envelope> left = envelopes_of(fronts);
  ASSERT_EQ(left.size(), 3U);
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(left[i].header.step, i + 2);
}

TEST(ZmqWire, ZW2_EveryTruncationOfPayloadsInsideIsRefused) {
  Fronts fronts;
  fronts.add(with_small_payloads());
  const std::span<const std::byte> bytes = fronts.next();
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_front(bytes.first(size))) << size;
  std::vector<std::byte> longer(bytes.begin(), bytes.end());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_front(longer));
}

TEST(ZmqWire, ZW2_EveryTruncationIsRefused) {
  const zmq::message_t frame = encode_front(full_envelope(), some_places());
  const std::span<const std::byte> bytes = bytes_of(frame);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(decode_front(cut)) << size << " bytes";
  }
  std::vector<std::byte> longer(bytes.begin(), bytes.end());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_front(longer));
}

TEST(ZmqWire, ZW2_FlippedAndRandomBytesEndInAValueOrAFailure) {
  const zmq::message_t frame = encode_front(full_envelope(), some_places());
  const std::span<const std::byte> good = bytes_of(frame);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::vector<std::byte> bytes(good.begin(), good.end());
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    if (const Result<Front> front = decode_front(bytes)) {
      EXPECT_LE(front->envelope.body.size() + front->envelope.message.size(), bytes.size());
    }
  }
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(good.begin(), good.end());
    bytes.resize(random() % 400);
    const std::size_t from = random() % 120;  // keeps a part of the header right, to get behind it
    for (std::size_t i = from; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(random());
    if (const Result<Front> front = decode_front(bytes)) {
      EXPECT_LE(front->places.size(), kMaxPayloads);
    }
  }
}

TEST(ZmqWire, ZW2_HugeLengthsAreRefused) {
  const std::vector<PayloadPlace> huge{{PayloadWay::wire, {0, 0, kMaxEnvelopeBytes, 0}},
                                       {PayloadWay::wire, {0, 0, 1, 0}}};
  EXPECT_FALSE(decode_front(bytes_of(encode_front(full_envelope(), huge))));
  const std::vector<PayloadPlace> endless{{PayloadWay::wire, {0, 0, ~std::uint64_t{0}, 0}}};
  EXPECT_FALSE(decode_front(bytes_of(encode_front(full_envelope(), endless))));
  const std::vector<PayloadPlace> odd_way{{static_cast<PayloadWay>(2), {0, 0, 1, 0}}};
  EXPECT_FALSE(decode_front(bytes_of(encode_front(full_envelope(), odd_way))));
}

TEST(ZmqWire, ZW3_PayloadsOfAllSizesAreJoinedToTheSameBytes) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65'535}, std::size_t{65'536},
                                 kChunkBytes - 1, kChunkBytes, kChunkBytes + 1, 2 * kChunkBytes + 77}) {
    const Payload payload = patterned(size, 3);
    std::vector<zmq::message_t> frames;
    append_payload(payload, frames);
    ASSERT_EQ(frames.size(), frames_of(size)) << size;
    const Payload joined = join_frames(frames, size).value();
    EXPECT_TRUE(equal_bytes(payload, joined)) << size;
  }
  std::vector<zmq::message_t> frames;
  append_payload(patterned(100, 1), frames);
  EXPECT_FALSE(join_frames(frames, 101));
}

TEST(ZmqWire, LimitsAreCheckedBeforeSending) {
  EXPECT_TRUE(check_limits(full_envelope()));
  Envelope long_name = full_envelope();
  long_name.message.assign(kMaxNameBytes + 1, 'n');
  EXPECT_FALSE(check_limits(long_name));
  Envelope long_body = full_envelope();
  long_body.body.assign(kMaxBodyBytes + 1, 'b');
  EXPECT_FALSE(check_limits(long_body));
  Envelope many = full_envelope();
  many.payloads.resize(kMaxPayloads + 1);
  EXPECT_FALSE(check_limits(many));
}

}  // namespace
}  // namespace troupe::runtime
