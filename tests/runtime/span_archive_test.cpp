#include "runtime/message/span_archive.hpp"

#include "runtime/message/message.hpp"
#include "tests/support/counting_new.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <optional>
#include <random>

namespace troupe::runtime {
namespace {

struct Inner {
  std::string text;
  std::vector<std::string> words;
  std::array<std::int16_t, 3> three{};

  bool operator==(const Inner&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text, words, three);
  }
};

/// One field of every shape the project's messages have.
struct Everything {
  static constexpr std::string_view kName = "test.everything";
  bool flag = false;
  std::int8_t small = 0;
  std::uint64_t large = 0;
  double real = 0;
  std::string text;
  std::vector<float> numbers;
  std::vector<bool> flags;
  std::vector<Inner> inners;
  std::vector<std::vector<std::uint32_t>> nested;
  std::map<std::string, std::uint32_t> counts;
  std::optional<std::string> maybe;
  std::pair<std::uint32_t, std::string> pair;
  Payload one;
  std::vector<Payload> several;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(flag, small, large, real, text, numbers, flags, inners, nested, counts, maybe, pair, one, several);
  }
};

Payload payload(std::string_view text) {
  return Payload::copy_of(std::as_bytes(std::span(text.data(), text.size())));
}

std::string text_of(const Payload& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Everything example_message() {
  Everything message;
  message.flag = true;
  message.small = -7;
  message.large = std::numeric_limits<std::uint64_t>::max();
  message.real = -0.1;
  message.text = std::string("with\0zero", 9);
  message.numbers = {1.5F, -2.5F, 0.0F};
  message.flags = {true, false, true};
  message.inners = {{"a", {"x", "", "yz"}, {1, -2, 3}}, {}};
  message.nested = {{1, 2}, {}, {3}};
  message.counts = {{"one", 1}, {"two", 2}};
  message.maybe = "there";
  message.pair = {4, "four"};
  message.one = payload("bulk");
  message.several = {payload("first"), payload(""), payload("third")};
  return message;
}

TEST(SpanArchive, SA3_WhatWasWrittenIsReadBack) {
  const Everything sent = example_message();
  const Result<Everything> got = decode_message<Everything>(encode_message(sent));
  ASSERT_TRUE(got) << got.failure().text;
  EXPECT_EQ(got->flag, sent.flag);
  EXPECT_EQ(got->small, sent.small);
  EXPECT_EQ(got->large, sent.large);
  EXPECT_EQ(got->real, sent.real);
  EXPECT_EQ(got->text, sent.text);
  EXPECT_EQ(got->numbers, sent.numbers);
  EXPECT_EQ(got->flags, sent.flags);
  EXPECT_EQ(got->inners, sent.inners);
  EXPECT_EQ(got->nested, sent.nested);
  EXPECT_EQ(got->counts, sent.counts);
  EXPECT_EQ(got->maybe, sent.maybe);
  EXPECT_EQ(got->pair, sent.pair);
  EXPECT_EQ(text_of(got->one), "bulk");
  ASSERT_EQ(got->several.size(), 3U);
  EXPECT_EQ(text_of(got->several[2]), "third");
  EXPECT_EQ(got->several[0].data(), sent.several[0].data()) << "payloads are shared, not copied";
}

TEST(SpanArchive, SA3_TheEmptyMessageToo) {
  const Envelope empty = encode_message(Everything{});
  EXPECT_EQ(empty.payloads.size(), 1U) << "an empty payload is still one";
  EXPECT_TRUE(decode_message<Everything>(empty));
}

TEST(SpanArchive, SA1_EveryTruncationIsAFailure) {
  const Envelope whole = encode_message(example_message());
  for (std::size_t length = 0; length < whole.body.size(); ++length) {
    Envelope cut = whole;
    cut.body.resize(length);
    const Result<Everything> got = decode_message<Everything>(cut);
    ASSERT_FALSE(got) << "cut to " << length << " of " << whole.body.size();
    EXPECT_NE(got.failure().text.find("at byte"), std::string::npos) << got.failure().text;
  }
}

TEST(SpanArchive, SA1_FewerPayloadsThanNamedAreAFailure) {
  const Envelope whole = encode_message(example_message());
  for (std::size_t count = 0; count < whole.payloads.size(); ++count) {
    Envelope cut = whole;
    cut.payloads.resize(count);
    EXPECT_FALSE(decode_message<Everything>(cut)) << count;
  }
}

TEST(SpanArchive, SA2_WhatIsLeftOverIsAFailure) {
  Envelope longer = encode_message(example_message());
  longer.body.push_back('\0');
  const Result<Everything> got = decode_message<Everything>(longer);
  ASSERT_FALSE(got);
  EXPECT_NE(got.failure().text.find("1 bytes left over"), std::string::npos) << got.failure().text;
  Envelope more = encode_message(example_message());
  more.payloads.push_back(payload("stray"));
  EXPECT_FALSE(decode_message<Everything>(more));
}

/// What decoding may allocate beyond what the message's own elements are: texts, error text, growth of vectors.
constexpr std::size_t kSlackBytes = 4096;

TEST(SpanArchive, SA1_MutatedBytesEndInAValueOrAFailure) {
  const Envelope whole = encode_message(example_message());
  std::mt19937 random(20240731);
  std::size_t decoded = 0;
  for (int round = 0; round < 20000; ++round) {
    Envelope mutated = whole;
    for (std::uint32_t changes = 1 + random() % 8; changes > 0; --changes) {
      mutated.body[random() % mutated.body.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) mutated.body.resize(random() % mutated.body.size());
    const CountingNew counting;
    if (decode_message<Everything>(mutated)) ++decoded;
    // Each byte of the body makes at most half an Inner: a text's or vector's size takes four, growth doubles.
    ASSERT_LT(counting.bytes(), mutated.body.size() * 64 + kSlackBytes) << "round " << round;
  }
  EXPECT_GT(decoded, 0U) << "mutations of plain numbers still decode";
  EXPECT_LT(decoded, 20000U);
}

template <class T>
struct Bomb {
  static constexpr std::string_view kName = "test.bomb";
  T content{};
  template <class Archive>
  void serialize(Archive& archive) {
    archive(content);
  }
};

template <class T>
void expect_bomb_is_refused(std::uint32_t claimed, std::size_t body_bytes, std::size_t allowed) {
  Envelope envelope;
  envelope.message = "test.bomb";
  envelope.body.assign(body_bytes, '\xff');
  std::memcpy(envelope.body.data(), &claimed, sizeof claimed);
  const CountingNew counting;
  const Result<Bomb<T>> got = decode_message<Bomb<T>>(envelope);
  EXPECT_FALSE(got);
  EXPECT_LE(counting.bytes(), allowed);
}

TEST(SpanArchive, SA1_LengthBombsAllocateNothing) {
  constexpr std::uint32_t kFourGiB = 0xffffffff;
  expect_bomb_is_refused<std::vector<std::uint8_t>>(kFourGiB, 64, kSlackBytes);
  expect_bomb_is_refused<std::vector<double>>(kFourGiB, 64, kSlackBytes);
  expect_bomb_is_refused<std::string>(kFourGiB, 64, kSlackBytes);
  expect_bomb_is_refused<std::vector<Inner>>(kFourGiB, 64, kSlackBytes);
  expect_bomb_is_refused<std::map<std::string, std::string>>(kFourGiB, 64, kSlackBytes);
  expect_bomb_is_refused<std::vector<Payload>>(kFourGiB, 64, kSlackBytes);
}

TEST(SpanArchive, SA1_PlausibleSizesMakeNoElementBeforeItIsRead) {
  constexpr std::size_t kBody = 60'000;
  constexpr std::uint32_t kFits = kBody - 4;  // one byte an element is there, but no element is that small
  expect_bomb_is_refused<std::vector<double>>(kFits, kBody, kSlackBytes);
  expect_bomb_is_refused<std::vector<std::string>>(kFits, kBody, kSlackBytes);
  expect_bomb_is_refused<std::vector<Inner>>(kFits, kBody, kSlackBytes);
  expect_bomb_is_refused<std::vector<std::vector<std::vector<std::string>>>>(kFits, kBody, kSlackBytes);
}

TEST(SpanArchive, BodiesBeyondTheLimitAreNotWritten) {
  Bomb<std::string> fits{std::string(kMaxBodyBytes - 4, 'x')};
  EXPECT_EQ(encode_message(fits).body.size(), kMaxBodyBytes);
  fits.content.push_back('x');
  EXPECT_THROW((void)encode_message(fits), std::length_error);
  Bomb<std::vector<Payload>> many;
  many.content.resize(kMaxPayloads + 1);
  EXPECT_THROW((void)encode_message(many), std::length_error);
}

TEST(SpanArchive, AnotherMessagesBytesAreRefusedByName) {
  const Result<Everything> got = decode_message<Everything>(encode_message(Bomb<std::string>{}));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.failure().text, "expected message test.everything, got test.bomb");
}

}  // namespace
}  // namespace troupe::runtime
