#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <stdexcept>
#include <unordered_map>

#include "gpt2/data/bpe_merges.hpp"
#include "gpt2/data/data_error.hpp"
#include "gpt2/data/tokenizer.hpp"

namespace troupe::gpt2 {
namespace {

constexpr std::size_t kRanks = 50256;
constexpr TokenId kEndOfText = 50256;
// Pre-tokens repeat (Zipf): so many cached ones cover nearly all of a text in about 10 MB.
constexpr std::size_t kCacheEntries = 65536;
constexpr std::size_t kCachedLetters = 64;  // longer ones hardly come twice

// GPT-2's pre-tokenization pattern (openai/gpt-2, src/encoder.py).
constexpr const char* kPattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct PcreFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::unique_ptr<pcre2_code, PcreFree> compile_pattern() {
  int error = 0;
  PCRE2_SIZE offset = 0;
  // UCP, or \s misses 19 code points; MATCH_INVALID_UTF, so that broken text is cut into pieces and never lost.
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(kPattern), PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &error, &offset, nullptr);
  if (code == nullptr)
    throw std::runtime_error("PCRE2 refuses the pre-tokenization pattern, error " + std::to_string(error));
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is slower, not different
  return std::unique_ptr<pcre2_code, PcreFree>(code);
}

int base64_value(char letter) {
  if (letter >= 'A' && letter <= 'Z') return letter - 'A';
  if (letter >= 'a' && letter <= 'z') return letter - 'a' + 26;
  if (letter >= '0' && letter <= '9') return letter - '0' + 52;
  if (letter == '+') return 62;
  return letter == '/' ? 63 : -1;
}

std::string decode_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    const int value = base64_value(letter);
    if (value < 0) break;  // padding
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>((bits >> count) & 0xFF));
    }
  }
  return bytes;
}

/// Not for use by two threads at once: encode() fills a cache.
class BpeTokenizer final : public Tokenizer {
public:
  explicit BpeTokenizer(const std::filesystem::path& path) : pattern_(compile_pattern()) {
    std::ifstream file(path);
    if (!file) {
      throw std::runtime_error("cannot read the GPT-2 ranks " + path.string() +
                               ": ./setup puts them there, $TROUPE_GPT2_RANKS names another file");
    }
    std::string word;
    std::string rank;
    while (file >> word >> rank) {
      TokenId id = 0;
      std::from_chars(rank.data(), rank.data() + rank.size(), id);
      tokens_.push_back(decode_base64(word));
      if (id + 1 != tokens_.size()) throw std::runtime_error(path.string() + ": rank " + rank + " is out of order");
      merges_.add(tokens_.back(), id);
    }
    if (tokens_.size() != kRanks) {
      throw std::runtime_error(path.string() + " holds " + std::to_string(tokens_.size()) + " ranks, GPT-2 has " +
                               std::to_string(kRanks));
    }
    tokens_.emplace_back("<|endoftext|>");
  }

  std::vector<TokenId> encode(std::string_view text) const override {
    const std::unique_ptr<pcre2_match_data, PcreFree> match(
        pcre2_match_data_create_from_pattern(pattern_.get(), nullptr));
    std::vector<TokenId> tokens;
    std::size_t at = 0;
    while (at < text.size()) {
      const int found = pcre2_match(pattern_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, 0,
                                    match.get(), nullptr);
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(match.get());
      const std::size_t begin = found > 0 ? span[0] : text.size();
      const std::size_t end = found > 0 ? span[1] : text.size();
      // Bytes that are no UTF-8 match nothing: each stands for itself.
      for (; at < begin; ++at) tokens.push_back(merges_.rank_of(text.substr(at, 1)));
      if (end > begin) append_pre_token(text.substr(begin, end - begin), tokens);
      at = std::max(end, at);
    }
    return tokens;
  }

  std::string decode(std::span<const TokenId> tokens) const override {
    std::string text;
    for (const TokenId token : tokens) {
      if (token >= tokens_.size()) throw DataError("token " + std::to_string(token) + " is not GPT-2's");
      text += tokens_[token];
    }
    return text;
  }
  std::int64_t vocabulary() const override { return static_cast<std::int64_t>(tokens_.size()); }
  std::string_view name() const override { return "gpt2"; }
  TokenId end_of_text() const override { return kEndOfText; }

private:
  void append_pre_token(std::string_view word, std::vector<TokenId>& tokens) const {
    if (word.size() > kCachedLetters) {
      merges_.merge(word, tokens);
      return;
    }
    auto found = cache_.find(word);
    if (found == cache_.end()) {
      if (cache_.size() >= kCacheEntries) cache_.clear();
      std::vector<TokenId> merged;
      merges_.merge(word, merged);
      found = cache_.emplace(std::string(word), std::move(merged)).first;
    }
    tokens.insert(tokens.end(), found->second.begin(), found->second.end());
  }

  std::unique_ptr<pcre2_code, PcreFree> pattern_;
  std::vector<std::string> tokens_;
  BpeMerges merges_;
  mutable std::unordered_map<std::string, std::vector<TokenId>, ByteHash, std::equal_to<>> cache_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(const std::filesystem::path& ranks) {
  return std::make_unique<BpeTokenizer>(ranks);
}

}  // namespace troupe::gpt2
