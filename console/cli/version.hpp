#pragma once

#include <string>

namespace troupe::console {

/// "troupe 0.1.0 (Release, GCC 12.2.0)".
[[nodiscard]] std::string render_version();
/// {"version", "build", "compiler"}, as text.
[[nodiscard]] std::string version_json();

}  // namespace troupe::console
