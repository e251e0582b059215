#include "runtime/failure.hpp"

#include "runtime/message/message.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

struct Carrier {
  static constexpr std::string_view kName = "test.failure";
  Failure failure;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(failure);
  }
};

TEST(Failure, WithinSaysWhereOneLevelUp) {
  const Failure inner{FailureKind::disconnected, "link lost"};
  const Failure outer = inner.within("stage/r0.s1").within("step 7");
  EXPECT_EQ(outer.kind, FailureKind::disconnected);
  EXPECT_EQ(outer.text, "step 7: stage/r0.s1: link lost");
  EXPECT_EQ(outer.describe(), "disconnected: step 7: stage/r0.s1: link lost");
}

TEST(Failure, EveryKindHasAName) {
  EXPECT_EQ(to_string(FailureKind::faulted), "faulted");
  EXPECT_EQ(to_string(FailureKind::overloaded), "overloaded");
  EXPECT_EQ(to_string(FailureKind::disconnected), "disconnected");
  EXPECT_EQ(to_string(FailureKind::unknown), "unknown");
  EXPECT_EQ(to_string(static_cast<FailureKind>(200)), "invalid");
}

TEST(Failure, ShortenedFitsIntoABody) {
  const Failure huge{FailureKind::faulted, std::string(1 << 20, 'x')};
  EXPECT_THROW((void)encode_message(Carrier{huge}), std::length_error);
  const Result<Carrier> got = decode_message<Carrier>(encode_message(Carrier{huge.shortened()}));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->failure.text, std::string(kMaxFailureText, 'x'));
  EXPECT_EQ(got->failure.kind, FailureKind::faulted);
}

}  // namespace
}  // namespace troupe::runtime
