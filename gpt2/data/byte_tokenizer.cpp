#include "gpt2/data/tokenizer.hpp"

#include <cstdlib>

#include "gpt2/data/data_error.hpp"

namespace troupe::gpt2 {
namespace {

class ByteTokenizer final : public Tokenizer {
public:
  std::vector<TokenId> encode(std::string_view text) const override {
    std::vector<TokenId> tokens;
    tokens.reserve(text.size());
    for (const char letter : text) tokens.push_back(static_cast<unsigned char>(letter));
    return tokens;
  }
  std::string decode(std::span<const TokenId> tokens) const override {
    std::string text;
    for (const TokenId token : tokens) {
      if (token > 255) throw DataError("token " + std::to_string(token) + " is not a byte");
      text.push_back(static_cast<char>(token));
    }
    return text;
  }
  std::int64_t vocabulary() const override { return 256; }
  std::string_view name() const override { return "bytes"; }
  TokenId end_of_text() const override { return '\n'; }
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_tokenizer() {
  return std::make_unique<ByteTokenizer>();
}

std::unique_ptr<Tokenizer> make_tokenizer(std::string_view name) {
  if (name == "bytes") return make_byte_tokenizer();
  if (name != "gpt2") throw DataError("unknown tokenizer \"" + std::string(name) + "\": use bytes or gpt2");
  const char* ranks = std::getenv("TROUPE_GPT2_RANKS");
  return make_bpe_tokenizer(ranks != nullptr ? ranks : "data/gpt2.tiktoken");
}

}  // namespace troupe::gpt2
