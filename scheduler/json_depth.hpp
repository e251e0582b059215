#pragma once

#include <cstddef>
#include <string_view>

namespace troupe::scheduler {

/// Levels of any JSON of ours, with room to spare.
inline constexpr std::size_t kMostJsonLevels = 8;

/// Offset of the first bracket that opens one level too many, or npos. To be asked before text that others wrote is
/// parsed: copying and printing a parsed value recurse, so that 100,000 brackets in a row would end the process.
///
/// JD-1  A text for which the answer is npos parses, if at all, to at most `levels` levels.
[[nodiscard]] std::size_t find_too_deep(std::string_view json, std::size_t levels = kMostJsonLevels);

}  // namespace troupe::scheduler
