#include "gpt2/data/bpe_merges.hpp"

#include <algorithm>
#include <queue>
#include <tuple>
#include <utility>

namespace troupe::gpt2 {
namespace {

/// A word as parts in a row. A part is named by its first byte, which stays when its right neighbour joins it.
class Parts {
public:
  explicit Parts(std::size_t bytes) : links_(bytes) {
    for (std::size_t i = 0; i < bytes; ++i) links_[i] = {i - 1, i + 1};
  }
  std::size_t end_of(std::size_t part) const { return links_[part].end; }
  std::size_t before(std::size_t part) const { return links_[part].before; }
  bool is_last(std::size_t part) const { return end_of(part) == links_.size(); }
  bool is_joined(std::size_t part) const { return links_[part].end == 0; }
  /// Joins `part` and the part behind it.
  void join(std::size_t part) {
    Link& right = links_[end_of(part)];
    links_[part].end = std::exchange(right.end, 0);
    if (!is_last(part)) links_[end_of(part)].before = part;
  }

private:
  struct Link {
    std::size_t before;  // no part is before the one at 0
    std::size_t end;     // where the next part begins; 0 = this one is part of another
  };
  std::vector<Link> links_;
};

/// Two neighbours that may be joined; outdated when one of them has been joined since.
struct Pair {
  TokenId rank;
  std::size_t left;
  std::size_t end;

  bool operator>(const Pair& other) const { return std::tie(rank, left) > std::tie(other.rank, other.left); }
};

}  // namespace

void BpeMerges::add(std::string bytes, TokenId rank) {
  longest_ = std::max(longest_, bytes.size());
  ranks_.emplace(std::move(bytes), rank);
}

TokenId BpeMerges::rank_of(std::string_view bytes) const {
  if (bytes.size() > longest_) return kNone;
  const auto found = ranks_.find(bytes);
  return found == ranks_.end() ? kNone : found->second;
}

void BpeMerges::merge(std::string_view word, std::vector<TokenId>& tokens) const {
  Parts parts(word.size());
  std::priority_queue<Pair, std::vector<Pair>, std::greater<>> pairs;
  const auto offer = [this, word, &parts, &pairs](std::size_t left) {
    if (parts.is_last(left)) return;
    const std::size_t end = parts.end_of(parts.end_of(left));
    const TokenId rank = rank_of(word.substr(left, end - left));
    if (rank != kNone) pairs.push({rank, left, end});
  };
  for (std::size_t i = 0; i < word.size(); ++i) offer(i);
  while (!pairs.empty()) {
    const Pair best = pairs.top();
    pairs.pop();
    // A part only grows, so these two are the pair that was offered exactly when they still end where it did.
    const bool is_current =
        !parts.is_joined(best.left) && !parts.is_last(best.left) && parts.end_of(parts.end_of(best.left)) == best.end;
    if (!is_current) continue;
    parts.join(best.left);
    offer(best.left);
    if (best.left > 0) offer(parts.before(best.left));
  }
  for (std::size_t at = 0; at < word.size(); at = parts.end_of(at)) {
    tokens.push_back(rank_of(word.substr(at, parts.end_of(at) - at)));
  }
}

}  // namespace troupe::gpt2
