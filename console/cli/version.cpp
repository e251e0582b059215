#include "console/cli/version.hpp"

#include <nlohmann/json.hpp>

namespace troupe::console {
namespace {

#ifdef __clang__
constexpr const char* kCompiler = "Clang " __clang_version__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

}  // namespace

std::string render_version() {
  return std::string("troupe ") + TROUPE_VERSION + " (" + TROUPE_BUILD + ", " + kCompiler + ")";
}

std::string version_json() {
  const nlohmann::ordered_json json = {{"version", TROUPE_VERSION}, {"build", TROUPE_BUILD}, {"compiler", kCompiler}};
  return json.dump();
}

}  // namespace troupe::console
