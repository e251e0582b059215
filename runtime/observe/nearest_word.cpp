#include "runtime/observe/nearest_word.hpp"

#include <algorithm>
#include <numeric>

namespace troupe::runtime {
namespace {

/// Levenshtein distance: letters to insert, delete or replace.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_word(const std::vector<std::string>& known, std::string_view word) {
  std::string best;
  // Two letters that changed places are two changes, but in a word of three they are another word.
  std::size_t best_distance = std::max<std::size_t>(word.size() < 4 ? 1 : 2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string did_you_mean(const std::vector<std::string>& known, std::string_view word) {
  const std::string near = nearest_word(known, word);
  return near.empty() ? "" : " (did you mean " + near + "?)";
}

}  // namespace troupe::runtime
