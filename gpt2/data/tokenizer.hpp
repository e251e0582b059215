#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gpt2 {

using TokenId = std::uint32_t;

/// Text to tokens and back.
///
/// TK-1  decode(encode(bytes)) gives back the same bytes, whatever they are.
class Tokenizer {
public:
  virtual ~Tokenizer() = default;
  virtual std::vector<TokenId> encode(std::string_view text) const = 0;
  /// Throws DataError for an id outside the vocabulary.
  virtual std::string decode(std::span<const TokenId> tokens) const = 0;
  virtual std::int64_t vocabulary() const = 0;
  virtual std::string_view name() const = 0;
  /// What ends a line or a document.
  virtual TokenId end_of_text() const = 0;
};

/// One token a byte; vocabulary 256; a line ends with '\n'.
std::unique_ptr<Tokenizer> make_byte_tokenizer();

/// GPT-2's byte-level BPE (Radford et al. 2019), vocabulary 50257, from a tiktoken ranks file (base64 token, space,
/// rank). Throws std::runtime_error when the file is missing or is not GPT-2's.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(const std::filesystem::path& ranks);

/// "bytes" or "gpt2"; the latter looks for its ranks in $TROUPE_GPT2_RANKS, else data/gpt2.tiktoken.
std::unique_ptr<Tokenizer> make_tokenizer(std::string_view name);

}  // namespace troupe::gpt2
