#include "runtime/message/mail.hpp"

#include "tests/runtime/test_actors.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

/// Another type with the name of Number, as another library of the process may have it.
struct OtherNumber {
  static constexpr std::string_view kName = Number::kName;
  std::uint32_t value = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
};

struct Placed {
  static constexpr std::string_view kName = "test.placed";
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  std::uint32_t epoch = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(step, micro_batch, epoch);
  }
};

/// The number inside, or why there is none.
std::string read_number(Mail& mail) {
  std::string text;
  const Result<Done> read =
      with_message<Number>(mail, [&text](const Number& number) { text = std::to_string(number.value); });
  return read ? text : read.failure().describe();
}

TEST(Mail, AnObjectOfThisProcessIsUsedAsItIs) {
  const MailPtr mail = make_mail(Number{7});
  ASSERT_NE(value_of<Number>(*mail), nullptr);
  EXPECT_EQ(value_of<Answer>(*mail), nullptr);
  const Number* used = nullptr;
  ASSERT_TRUE(with_message<Number>(*mail, [&used](const Number& number) { used = &number; }));
  EXPECT_EQ(used, value_of<Number>(*mail));
}

TEST(Mail, BytesAreDecodedAndChecked) {
  BytesMail good(encode_message(Number{8}));
  EXPECT_EQ(read_number(good), "8");
  Envelope cut = encode_message(Number{8});
  cut.body.pop_back();
  BytesMail bad(std::move(cut));
  EXPECT_NE(read_number(bad).find("unknown: test.number: "), std::string::npos) << read_number(bad);
}

TEST(Mail, AnotherTypeOfTheSameNameGoesByItsBytes) {
  const MailPtr mail = make_mail(OtherNumber{9});
  EXPECT_EQ(value_of<Number>(*mail), nullptr);
  EXPECT_EQ(read_number(*mail), "9");
}

TEST(Mail, AnotherMessageIsRefused) {
  const MailPtr mail = make_mail(Answer{1});
  EXPECT_EQ(read_number(*mail), "unknown: expected message test.number, got test.answer");
}

TEST(Mail, OnItsWayOutTheHeaderIsTheMailsAndTheSizesAreTheBodys) {
  const MailPtr mail = make_mail(Placed{3, 4, 5});
  EXPECT_EQ(mail->header.step, 3U);
  EXPECT_EQ(mail->header.micro_batch, 4U);
  EXPECT_EQ(mail->header.epoch, 5U);
  mail->header.kind = EnvelopeKind::request;
  mail->header.correlation = 77;
  const Envelope envelope = mail->to_envelope().value();
  Header expected = mail->header;
  expected.body_bytes = 12;
  EXPECT_EQ(envelope.header, expected);
  EXPECT_EQ(envelope.message, "test.placed");
  EXPECT_EQ(decode_message<Placed>(envelope)->epoch, 5U);
}

}  // namespace
}  // namespace troupe::runtime
