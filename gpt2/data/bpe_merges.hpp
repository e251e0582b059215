#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gpt2/data/tokenizer.hpp"

namespace troupe::gpt2 {

/// Hashes std::string and std::string_view alike, so that a map is asked without making a string.
struct ByteHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view bytes) const { return std::hash<std::string_view>()(bytes); }
};

/// The ranks of byte pairs, and words cut by them.
///
/// BM-1  merge() gives what repeatedly joining the adjacent pair of lowest rank, the leftmost of equals, gives.
/// BM-2  A word of n bytes takes O(n log n).
class BpeMerges {
public:
  static constexpr TokenId kNone = std::numeric_limits<TokenId>::max();

  void add(std::string bytes, TokenId rank);
  /// kNone when these bytes are no token.
  TokenId rank_of(std::string_view bytes) const;
  /// Appends the tokens of one pre-token. Every single byte must have been added.
  void merge(std::string_view word, std::vector<TokenId>& tokens) const;

private:
  std::unordered_map<std::string, TokenId, ByteHash, std::equal_to<>> ranks_;
  std::size_t longest_ = 0;
};

}  // namespace troupe::gpt2
