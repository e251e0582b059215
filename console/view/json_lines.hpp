#pragma once

#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace troupe::console {

/// The objects of a JSON-lines file, oldest first. Lines that are no JSON object, such as one torn by a crash, are left
/// out; an absent file has none.
///
/// JL-1  A torn or foreign line never hides the lines around it.
[[nodiscard]] std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& file);

/// Members of a JSON object, or `otherwise` when the member is absent or of another type.
[[nodiscard]] std::string text_of(const nlohmann::json& object, const char* name, const std::string& otherwise = "");
[[nodiscard]] double number_of(const nlohmann::json& object, const char* name, double otherwise = 0.0);
[[nodiscard]] std::int64_t integer_of(const nlohmann::json& object, const char* name, std::int64_t otherwise = 0);

}  // namespace troupe::console
