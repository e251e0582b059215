#include "scheduler/json_depth.hpp"

namespace troupe::scheduler {

std::size_t find_too_deep(std::string_view json, std::size_t levels) {
  std::size_t level = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char letter = json[i];
    if (in_text && letter == '\\') {
      ++i;  // whatever is escaped ends no text
    } else if (letter == '"') {
      in_text = !in_text;
    } else if (!in_text && (letter == '[' || letter == '{')) {
      if (++level > levels) return i;
    } else if (!in_text && level > 0 && (letter == ']' || letter == '}')) {
      --level;
    }
  }
  return std::string_view::npos;
}

}  // namespace troupe::scheduler
