#include "gpt2/data/tokenizer.hpp"

#include "gpt2/data/data_error.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace troupe::gpt2 {
namespace {

std::string all_bytes() {
  std::string text;
  for (int i = 0; i < 256; ++i) text += static_cast<char>(i);
  return text;
}

/// Texts that tokenizers stumble over.
std::vector<std::string> texts() {
  std::mt19937 random(1);
  std::string noise;
  for (int i = 0; i < 3000; ++i) noise += static_cast<char>(random() % 256);
  return {"",
          " ",
          "\n",
          "Hello world",
          "  two  spaces\t\ttabs \r\n",
          "don't can't we'LL",
          "na\xc3\xafve \xe2\x82\xac 3.14",
          "\xf0\x9f\x99\x82 \xe4\xbd\xa0\xe5\xa5\xbd",
          std::string("a\0b", 3),
          all_bytes(),
          noise,
          std::string(2000, 'a')};
}

void expect_round_trip(const Tokenizer& tokenizer) {
  for (const std::string& text : texts()) {
    const std::vector<TokenId> tokens = tokenizer.encode(text);
    for (const TokenId token : tokens) ASSERT_LT(token, tokenizer.vocabulary());
    EXPECT_EQ(tokenizer.decode(tokens), text);
  }
}

/// GPT-2's tokenizer, or nothing where ./setup has not brought its ranks.
std::unique_ptr<Tokenizer> bpe() {
  const char* named = std::getenv("TROUPE_GPT2_RANKS");
  const std::filesystem::path here = std::filesystem::path(__FILE__).parent_path();
  const std::filesystem::path ranks = named != nullptr ? named : here / "../../../data/gpt2.tiktoken";
  return std::filesystem::exists(ranks) ? make_bpe_tokenizer(ranks) : nullptr;
}

TEST(Tokenizer, TK1_BytesThereAndBack) {
  const auto tokenizer = make_byte_tokenizer();
  EXPECT_EQ(tokenizer->vocabulary(), 256);
  EXPECT_EQ(tokenizer->encode("Az\n"), (std::vector<TokenId>{65, 122, 10}));
  EXPECT_EQ(tokenizer->end_of_text(), 10U);
  EXPECT_THROW((void)tokenizer->decode(std::vector<TokenId>{256}), DataError);
  expect_round_trip(*tokenizer);
}

TEST(Tokenizer, TK1_BytePairsThereAndBack) {
  const auto tokenizer = bpe();
  if (!tokenizer) GTEST_SKIP() << "data/gpt2.tiktoken is not there: ./setup brings it";
  EXPECT_EQ(tokenizer->vocabulary(), 50257);
  expect_round_trip(*tokenizer);
  EXPECT_THROW((void)tokenizer->decode(std::vector<TokenId>{50257}), DataError);
}

TEST(Tokenizer, GivesTheTokensOfGpt2) {
  const auto tokenizer = bpe();
  if (!tokenizer) GTEST_SKIP() << "data/gpt2.tiktoken is not there: ./setup brings it";
  EXPECT_EQ(tokenizer->encode("Hello world"), (std::vector<TokenId>{15496, 995}));
  EXPECT_EQ(tokenizer->encode("hello world"), (std::vector<TokenId>{31373, 995}));
  EXPECT_EQ(tokenizer->encode(" the"), std::vector<TokenId>{262});
  EXPECT_EQ(tokenizer->end_of_text(), 50256U);
}

TEST(Tokenizer, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW((void)make_tokenizer("words"), DataError);
  EXPECT_THROW((void)make_bpe_tokenizer("/nowhere/gpt2.tiktoken"), std::runtime_error);
}

}  // namespace
}  // namespace troupe::gpt2
