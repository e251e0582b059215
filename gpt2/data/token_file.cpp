#include "gpt2/data/token_file.hpp"

#include "gpt2/data/data_error.hpp"
#include "gpt2/store/storage.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace troupe::gpt2 {
namespace {

constexpr std::string_view kMagic = "TROUPETK";
constexpr std::uint32_t kVersion = 2;  // 1 had a checksum over the tokens alone

/// The head as it lies in the file, little-endian.
struct Head {
  std::array<char, 8> magic{};
  std::uint32_t version = kVersion;
  std::uint32_t vocabulary = 0;
  std::uint64_t count = 0;
  std::uint32_t lines = 0;
  std::uint32_t unused = 0;
  std::array<char, 16> tokenizer{};
  std::array<char, 16> checksum{};  // the first 16 digits of hash_hex() over all that is around it
};
static_assert(sizeof(Head) == 64);

static_assert(offsetof(Head, checksum) + sizeof(Head::checksum) == sizeof(Head));

std::array<char, 16> checksum_of(const Head& head, std::span<const std::byte> body) {
  const std::array parts{std::as_bytes(std::span(&head, 1)).first(offsetof(Head, checksum)), body};
  std::array<char, 16> digits{};
  const std::string text = hash_hex(parts);
  std::copy_n(text.begin(), digits.size(), digits.begin());
  return digits;
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw DataError("token file " + path.string() + " " + why + "; write it again with: troupe tokenize FILE --out " +
                  path.string());
}

}  // namespace

std::string token_file_bytes(const TokenFileHead& head, std::span<const TokenId> tokens) {
  const std::vector<std::uint16_t> narrow(tokens.begin(), tokens.end());
  const std::span<const std::byte> body = std::as_bytes(std::span(narrow));
  Head raw;
  std::copy(kMagic.begin(), kMagic.end(), raw.magic.begin());
  raw.vocabulary = head.vocabulary;
  raw.count = narrow.size();
  raw.lines = head.lines;
  std::copy_n(head.tokenizer.begin(), std::min(head.tokenizer.size(), raw.tokenizer.size() - 1), raw.tokenizer.begin());
  raw.checksum = checksum_of(raw, body);
  std::string bytes(sizeof raw + body.size(), '\0');
  std::memcpy(bytes.data(), &raw, sizeof raw);
  if (!body.empty()) std::memcpy(bytes.data() + sizeof raw, body.data(), body.size());
  return bytes;
}

bool is_token_file(std::span<const std::byte> bytes) {
  return bytes.size() >= kMagic.size() && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

TokenFile read_token_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::span<const std::byte> bytes = file.bytes();
  Head raw;
  if (!is_token_file(bytes) || bytes.size() < sizeof raw) refuse(path, "has no head of 64 bytes");
  std::memcpy(&raw, bytes.data(), sizeof raw);
  if (raw.version != kVersion)
    refuse(path, "is of version " + std::to_string(raw.version) + ", not " + std::to_string(kVersion));
  const std::span<const std::byte> body = bytes.subspan(sizeof raw);
  if (body.size() % 2 != 0 || body.size() / 2 != raw.count) {
    refuse(path, "promises " + std::to_string(raw.count) + " tokens and holds " + std::to_string(body.size()) +
                     " bytes of them");
  }
  if (checksum_of(raw, body) != raw.checksum) refuse(path, "is damaged: its checksum does not match");
  TokenFile result;
  result.head.tokenizer.assign(raw.tokenizer.data(), strnlen(raw.tokenizer.data(), raw.tokenizer.size()));
  result.head.vocabulary = raw.vocabulary;
  result.head.lines = raw.lines;
  result.tokens.resize(raw.count);
  if (!body.empty()) std::memcpy(result.tokens.data(), body.data(), body.size());
  for (std::size_t i = 0; i < result.tokens.size(); ++i) {
    if (result.tokens[i] >= raw.vocabulary) {
      refuse(path, "has token " + std::to_string(result.tokens[i]) + " at position " + std::to_string(i) +
                       ", outside its vocabulary of " + std::to_string(raw.vocabulary));
    }
  }
  return result;
}

}  // namespace troupe::gpt2
