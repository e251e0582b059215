#include "runtime/placing/resources.hpp"

#include "runtime/message/message.hpp"

#include <gtest/gtest.h>

#include <random>

namespace troupe::runtime {
namespace {

struct Carrier {
  static constexpr std::string_view kName = "test.carrier";
  Resources resources;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(resources);
  }
};
struct TextCarrier {
  static constexpr std::string_view kName = "test.carrier";
  std::string resources;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(resources);
  }
};

TEST(Resources, RS1_TextBothWays) {
  for (const char* text : {"nothing", "cpu=2", "cpu=2,gpu=1,memory=4", "cpu=0.5", "cpu=0.001,x.y-z_1=10.25"}) {
    EXPECT_EQ(Resources::of(text).describe(), text);
  }
  EXPECT_EQ(Resources::of("").describe(), "nothing");
  EXPECT_EQ(Resources::of(" gpu = 1.50 , cpu=2 ,disk=0").describe(), "cpu=2,gpu=1.5");
  EXPECT_EQ(Resources::of("cpu=1000000000000").describe(), "cpu=1000000000000");
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (const char* name : {"a", "b", "c"}) {
      const auto amount = static_cast<std::int64_t>(random() % 5000 + 1);
      text += (text.empty() ? "" : ",") + std::string(name) + "=" + describe_amount(amount);
    }
    ASSERT_EQ(Resources::of(text).describe(), text);
  }
}

TEST(Resources, RS2_SumsAreExactAndNothingIsTheLeast) {
  Resources sum;
  for (int i = 0; i < 10; ++i) sum += Resources::of("cpu=0.1,gpu=0.333");
  EXPECT_EQ(sum, Resources::of("cpu=1,gpu=3.33"));
  EXPECT_TRUE(sum.covers(Resources::of("cpu=1")));
  EXPECT_FALSE(sum.covers(Resources::of("cpu=1.001")));
  EXPECT_FALSE(sum.covers(Resources::of("memory=0.001")));
  EXPECT_TRUE(Resources().covers(Resources()));
  sum -= Resources::of("cpu=2,gpu=0.33,disk=1");
  EXPECT_EQ(sum, Resources::of("gpu=3"));
  EXPECT_EQ(Resources::of("cpu=0.25").times(4), Resources::of("cpu=1"));
  EXPECT_EQ(Resources::of("cpu=1").times(0), Resources());
  const Resources most = Resources::of("cpu=1000000000000");
  EXPECT_EQ(most.times(1'000'000), most);
  EXPECT_TRUE(Resources::of("cpu=1,gpu=1").has_any_name_of(Resources::of("gpu=9")));
  EXPECT_FALSE(Resources::of("cpu=1").has_any_name_of(Resources::of("gpu=9")));
}

TEST(Resources, WhatIsNoSuchTextIsAFailureThatSaysWhere) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"cpu", "expected \"=\" and an amount behind cpu at letter 4"},
      {"cpu=", "expected an amount, like 2 or 0.5, of at most three digits behind the point at letter 5"},
      {"cpu=two", "expected an amount, like 2 or 0.5, of at most three digits behind the point at letter 5"},
      {"cpu=-1", "expected an amount, like 2 or 0.5, of at most three digits behind the point at letter 5"},
      {"cpu=1.2345", "three digits behind the point at letter 10"},
      {"cpu=1.", "three digits behind the point at letter 7"},
      {"CPU=1", "expected a name of small letters, like cpu at letter 1"},
      {"cpu=1,", "expected a name of small letters, like cpu at letter 7"},
      {"cpu=1 gpu=2", "expected \",\" or the end at letter 7"},
      {"cpu=1,cpu=2", "cpu a second time at letter 7"},
      {"cpu=1000000000001", "more than 1000000000000 of cpu at letter 5"},
      {"cpu=99999999999999999999999", "more than 1000000000000 of cpu at letter 5"},
  };
  for (const auto& [text, words] : cases) {
    const Result<Resources> read = Resources::parse(text);
    ASSERT_FALSE(read) << text;
    EXPECT_NE(read.failure().text.find(words), std::string::npos) << read.failure().text;
    EXPECT_NE(read.failure().text.find("it looks like cpu=2,gpu=0.5"), std::string::npos);
  }
  EXPECT_THROW((void)Resources::of("cpu"), std::invalid_argument);
}

TEST(Resources, RS1_TravelsInMessagesAndIsRefusedWhenItCannotBe) {
  const Carrier sent{Resources::of("cpu=0.5,gpu=2")};
  const auto read = decode_message<Carrier>(encode_message(sent));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->resources, sent.resources);
  EXPECT_FALSE(decode_message<Carrier>(encode_message(TextCarrier{"cpu=-1"})));
}

}  // namespace
}  // namespace troupe::runtime
