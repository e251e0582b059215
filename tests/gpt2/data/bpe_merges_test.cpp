#include "gpt2/data/bpe_merges.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace troupe::gpt2 {
namespace {

/// Ranks made as byte-pair encoding makes them: bytes of a small alphabet first, then random joins of what is there.
BpeMerges random_merges(std::mt19937& random, std::size_t letters, std::size_t joins) {
  BpeMerges merges;
  std::vector<std::string> known;
  const auto add = [&merges, &known](const std::string& bytes) {
    if (merges.rank_of(bytes) != BpeMerges::kNone) return;
    merges.add(bytes, static_cast<TokenId>(known.size()));
    known.push_back(bytes);
  };
  for (std::size_t i = 0; i < letters; ++i) add(std::string(1, static_cast<char>('a' + i)));
  for (std::size_t i = 0; i < joins; ++i) add(known[random() % known.size()] + known[random() % known.size()]);
  return merges;
}

/// As the definition says it.
std::vector<TokenId> by_definition(const BpeMerges& merges, const std::string& word) {
  std::vector<std::string> parts;
  for (const char letter : word) parts.emplace_back(1, letter);
  while (true) {
    TokenId best = BpeMerges::kNone;
    std::size_t where = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const TokenId rank = merges.rank_of(parts[i] + parts[i + 1]);
      if (rank < best) {
        best = rank;
        where = i;
      }
    }
    if (best == BpeMerges::kNone) break;
    parts[where] += parts[where + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
  std::vector<TokenId> tokens;
  for (const std::string& part : parts) tokens.push_back(merges.rank_of(part));
  return tokens;
}

std::string random_word(std::mt19937& random, std::size_t letters, std::size_t length) {
  std::string word;
  for (std::size_t i = 0; i < length; ++i) word += static_cast<char>('a' + random() % letters);
  return word;
}

std::vector<TokenId> merged(const BpeMerges& merges, const std::string& word) {
  std::vector<TokenId> tokens;
  merges.merge(word, tokens);
  return tokens;
}

TEST(BpeMerges, BM1_GivesWhatTheDefinitionGives) {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    const std::size_t letters = 1 + random() % 5;
    const BpeMerges merges = random_merges(random, letters, 1 + random() % 60);
    for (int i = 0; i < 60; ++i) {
      const std::string word = random_word(random, letters, random() % 70);
      ASSERT_EQ(merged(merges, word), by_definition(merges, word)) << word;
    }
  }
}

TEST(BpeMerges, BM1_OfEqualPairsTheLeftmostIsJoined) {
  BpeMerges merges;
  merges.add("a", 0);
  merges.add("aa", 1);
  EXPECT_EQ(merged(merges, "aaa"), (std::vector<TokenId>{1, 0}));
  EXPECT_EQ(merged(merges, "aaaaa"), (std::vector<TokenId>{1, 1, 0}));
  EXPECT_EQ(merged(merges, ""), std::vector<TokenId>{});
}

TEST(BpeMerges, BM2_AMillionLettersWithoutASpaceTakeSeconds) {
  std::mt19937 random(2);
  const BpeMerges merges = random_merges(random, 5, 200);
  const std::string word = random_word(random, 5, 1'000'000);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_LT(merged(merges, word).size(), word.size());
  // By the definition it takes hours.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

}  // namespace
}  // namespace troupe::gpt2
