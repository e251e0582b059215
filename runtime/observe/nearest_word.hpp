#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {

/// The word of `known` that takes the fewest changed letters from `word`; empty when none is close.
[[nodiscard]] std::string nearest_word(const std::vector<std::string>& known, std::string_view word);

/// " (did you mean X?)", or nothing when no known word is close.
[[nodiscard]] std::string did_you_mean(const std::vector<std::string>& known, std::string_view word);

}  // namespace troupe::runtime
