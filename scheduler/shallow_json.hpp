#pragma once

#include <nlohmann/json.hpp>

#include <string_view>

namespace troupe::scheduler {

/// Levels of any JSON line or message of ours, with room to spare.
inline constexpr int kMostJsonLevels = 8;

/// Parses text that others wrote. What is no JSON, or nests deeper than kMostJsonLevels, gives a discarded value:
/// copying and printing recurse, so that 100,000 brackets in a row would end the process.
///
/// SJ-1  No text, however deep, makes parsing recurse.
template <class Json = nlohmann::json>
[[nodiscard]] Json parse_shallow_json(std::string_view text) {
  enum class Depth { fits, too_deep } found = Depth::fits;
  const auto keep = [&found](int depth, typename Json::parse_event_t event, Json&) {
    const bool opens = event == Json::parse_event_t::array_start || event == Json::parse_event_t::object_start;
    if (!opens || depth < kMostJsonLevels) return true;  // the outermost bracket opens at depth 0
    found = Depth::too_deep;
    return false;
  };
  Json parsed = Json::parse(text, keep, /*allow_exceptions=*/false);
  return found == Depth::fits ? parsed : Json(Json::value_t::discarded);
}

}  // namespace troupe::scheduler
