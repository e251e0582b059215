#include "runtime/message/envelope.hpp"

#include "runtime/actor_id.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace troupe::runtime {
namespace {

/// A different value in every field, so that two fields exchanged are seen.
Header example_header() {
  Header header;
  header.kind = EnvelopeKind::reply;
  header.phase = Phase::optimizer;
  header.job = 0x0102030405060708;
  header.term = 11;
  header.epoch = 12;
  header.sender = name_hash("stage/r0.s1");
  header.receiver = name_hash("trainer");
  header.sender_incarnation = 13;
  header.receiver_incarnation = 14;
  header.sequence = 0xfffffffffffffffe;
  header.acknowledged = 15;
  header.step = 0xfffffffd;
  header.micro_batch = 16;
  header.cause = 17;
  header.correlation = 18;
  header.body_bytes = kMaxBodyBytes;
  header.payload_count = kMaxPayloads;
  header.if_lost = IfLost::tell_sender;
  return header;
}

template <class T>
void put(HeaderBytes& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

TEST(Envelope, EN1_EveryFieldSurvives) {
  const Result<Header> got = decode_header(encode_header(example_header()));
  ASSERT_TRUE(got) << got.failure().text;
  EXPECT_EQ(*got, example_header());
  EXPECT_EQ(*decode_header(encode_header(Header{})), Header{});
}

TEST(Envelope, EN1_NumbersAreWrittenIntoAnEncodedHeader) {
  HeaderBytes bytes = encode_header(example_header());
  number_header(bytes, 1'000'000'007, 1'000'000'009);
  Header expected = example_header();
  expected.sequence = 1'000'000'007;
  expected.acknowledged = 1'000'000'009;
  EXPECT_EQ(*decode_header(bytes), expected);
}

TEST(Envelope, EN1_RandomFieldsSurvive) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 1000; ++round) {
    Header header;
    header.kind = static_cast<EnvelopeKind>(1 + random() % 10);
    header.phase = static_cast<Phase>(random() % 10);
    for (std::uint64_t* field : {&header.job, &header.sender, &header.receiver, &header.sequence, &header.acknowledged,
                                 &header.cause, &header.correlation}) {
      *field = random();
    }
    for (std::uint32_t* field : {&header.term, &header.epoch, &header.sender_incarnation, &header.receiver_incarnation,
                                 &header.step, &header.micro_batch}) {
      *field = static_cast<std::uint32_t>(random());
    }
    header.body_bytes = static_cast<std::uint32_t>(random() % (kMaxBodyBytes + 1));
    header.payload_count = static_cast<std::uint16_t>(random() % (kMaxPayloads + 1));
    const Result<Header> got = decode_header(encode_header(header));
    ASSERT_TRUE(got) << got.failure().text;
    ASSERT_EQ(*got, header);
  }
}

TEST(Envelope, EN1_TheLayoutIsTheWrittenOne) {
  const HeaderBytes bytes = encode_header(example_header());
  EXPECT_EQ(std::memcmp(bytes.data(), "TRP1", 4), 0);
  std::uint64_t job = 0;
  std::memcpy(&job, bytes.data() + 8, sizeof job);
  EXPECT_EQ(job, example_header().job);
  std::uint16_t payloads = 0;
  std::memcpy(&payloads, bytes.data() + 92, sizeof payloads);
  EXPECT_EQ(payloads, kMaxPayloads);
}

TEST(Envelope, EN2_OtherSizesAreRefused) {
  std::vector<std::byte> bytes(kHeaderBytes * 2);
  const HeaderBytes good = encode_header(example_header());
  std::memcpy(bytes.data(), good.data(), good.size());
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    EXPECT_EQ(static_cast<bool>(decode_header(std::span(bytes).first(size))), size == kHeaderBytes) << size;
  }
}

TEST(Envelope, EN2_WrongMagicVersionKindPhaseAndCountsAreRefused) {
  const auto refused = [](std::size_t at, auto value) {
    HeaderBytes bytes = encode_header(example_header());
    put(bytes, at, value);
    return !decode_header(bytes);
  };
  EXPECT_TRUE(refused(0, std::uint32_t{0x32505254}));
  EXPECT_TRUE(refused(4, std::uint16_t{2}));
  EXPECT_TRUE(refused(6, std::uint8_t{0}));
  EXPECT_TRUE(refused(6, std::uint8_t{11}));
  EXPECT_TRUE(refused(7, std::uint8_t{10}));
  EXPECT_TRUE(refused(88, static_cast<std::uint32_t>(kMaxBodyBytes + 1)));
  EXPECT_TRUE(refused(92, static_cast<std::uint16_t>(kMaxPayloads + 1)));
  EXPECT_TRUE(refused(94, std::uint8_t{2}));
  EXPECT_FALSE(refused(88, static_cast<std::uint32_t>(kMaxBodyBytes)));
}

TEST(Envelope, EN2_EveryFlippedBitIsRefusedOrIsAnotherHeader) {
  const HeaderBytes good = encode_header(example_header());
  for (std::size_t at = 0; at < kHeaderBytes; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      HeaderBytes flipped = good;
      flipped[at] ^= static_cast<std::byte>(1 << bit);
      const Result<Header> got = decode_header(flipped);
      const bool must_refuse = at < 6;  // magic and version
      ASSERT_FALSE(must_refuse && got) << "byte " << at << " bit " << bit;
      if (!got) continue;
      EXPECT_NE(*got, example_header()) << "byte " << at << " bit " << bit;
      EXPECT_EQ(encode_header(*got), flipped);
    }
  }
}

TEST(Envelope, EN2_RandomBytesNeverThrow) {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    HeaderBytes bytes{};
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    if (round % 2 == 0) put(bytes, 0, std::uint32_t{0x31505254});  // past the magic
    if (round % 4 == 0) put(bytes, 4, std::uint16_t{1});           // past the version
    const Result<Header> got = decode_header(bytes);
    if (!got) continue;
    EXPECT_LE(got->body_bytes, kMaxBodyBytes);
    EXPECT_LE(got->payload_count, kMaxPayloads);
  }
}

TEST(Envelope, PhasesHaveNamesThatParse) {
  for (int value = static_cast<int>(Phase::idle); value <= static_cast<int>(Phase::load); ++value) {
    const Phase phase = static_cast<Phase>(value);
    EXPECT_EQ(parse_phase(to_string(phase)).value(), phase);
  }
  EXPECT_FALSE(parse_phase("sideways"));
  EXPECT_FALSE(parse_phase("none")) << "nobody can ask for the absence of a phase";
  EXPECT_EQ(to_string(static_cast<Phase>(99)), "invalid");
}

TEST(Envelope, BytesCountEverythingThatTravels) {
  Envelope envelope;
  envelope.message = std::string(3, 'a');
  envelope.sender_name = std::string(2, 'b');
  envelope.body = std::string(1, 'c');
  envelope.payloads = {Payload::copy_of(std::vector<std::byte>(1000)), Payload::copy_of(std::vector<std::byte>(24))};
  EXPECT_EQ(envelope.bytes(), kHeaderBytes + 6 + 1024);
}

}  // namespace
}  // namespace troupe::runtime
