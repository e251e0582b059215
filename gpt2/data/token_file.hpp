#pragma once

#include "gpt2/data/tokenizer.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gpt2 {

/// What a token file says of itself.
struct TokenFileHead {
  std::string tokenizer;  ///< its name, at most 15 letters
  std::uint32_t vocabulary = 0;
  std::uint32_t lines = 0;  ///< samples, each ended by the tokenizer's end of text; 0 = one stream
};

/// A token file in memory.
struct TokenFile {
  TokenFileHead head;
  std::vector<std::uint16_t> tokens;
};

/// Tokens on disk, so that a large text is encoded once: a head of 64 bytes (docs/formats.md), then 16-bit tokens.
///
/// TF-1  read_token_file() gives back what token_file_bytes() wrote.
/// TF-2  A file of another size, version or checksum (head and tokens), or with a token outside its vocabulary, is
///       refused with the reason.
/// Errors: DataError naming the file.
[[nodiscard]] std::string token_file_bytes(const TokenFileHead& head, std::span<const TokenId> tokens);
/// True when the bytes begin as a token file does.
[[nodiscard]] bool is_token_file(std::span<const std::byte> bytes);
[[nodiscard]] TokenFile read_token_file(const std::filesystem::path& path);

}  // namespace troupe::gpt2
