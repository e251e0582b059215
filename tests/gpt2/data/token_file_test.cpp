#include "gpt2/data/token_file.hpp"

#include "gpt2/data/data_error.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

namespace troupe::gpt2 {
namespace {

const std::vector<TokenId> kTokens{0, 1, 255, 7, 10};

std::string bytes() {
  return token_file_bytes({"bytes", 256, 1}, kTokens);
}

/// The DataError's text, or "accepted".
std::string token_file_refusal(const std::string& content) {
  const test::TemporaryFolder folder;
  try {
    (void)read_token_file(folder.write("text.tokens", content));
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(TokenFile, TF1_ReadsWhatWasWritten) {
  const test::TemporaryFolder folder;
  const TokenFile file = read_token_file(folder.write("text.tokens", bytes()));
  EXPECT_EQ(file.head.tokenizer, "bytes");
  EXPECT_EQ(file.head.vocabulary, 256U);
  EXPECT_EQ(file.head.lines, 1U);
  EXPECT_EQ(std::vector<TokenId>(file.tokens.begin(), file.tokens.end()), kTokens);
  EXPECT_EQ(bytes().size(), 64 + 2 * kTokens.size());
  const std::string content = bytes();
  const std::string text = "In the beginning";
  EXPECT_TRUE(is_token_file(std::as_bytes(std::span(content))));
  EXPECT_FALSE(is_token_file(std::as_bytes(std::span(text))));
}

TEST(TokenFile, TF2_EveryShorterFileIsRefused) {
  ASSERT_EQ(token_file_refusal(bytes()), "accepted");
  for (std::size_t size = 0; size < bytes().size(); ++size) {
    EXPECT_NE(token_file_refusal(bytes().substr(0, size)), "accepted") << size << " bytes";
  }
  EXPECT_NE(token_file_refusal(bytes() + "xx"), "accepted");
}

TEST(TokenFile, TF2_SaysWhatIsWrong) {
  std::string damaged = bytes();
  damaged[66] = static_cast<char>(damaged[66] ^ 1);
  EXPECT_NE(token_file_refusal(damaged).find("checksum"), std::string::npos);
  for (const std::size_t offset : {12U, 24U, 28U, 32U, 47U, 48U}) {
    std::string lying = bytes();
    lying[offset] = static_cast<char>(lying[offset] ^ 1);
    EXPECT_NE(token_file_refusal(lying).find("checksum"), std::string::npos)
        << "offset " << offset << ": " << token_file_refusal(lying);
  }
  std::string other = bytes();
  other[8] = 1;
  EXPECT_NE(token_file_refusal(other).find("version 1, not 2; write it again with: troupe tokenize"),
            std::string::npos);
  EXPECT_NE(token_file_refusal(token_file_bytes({"bytes", 100, 0}, kTokens)).find("token 255 at position 2"),
            std::string::npos);
}

}  // namespace
}  // namespace troupe::gpt2
