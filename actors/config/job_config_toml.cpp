#include "actors/config/job_config_toml.hpp"

// The distribution's shared library throws on bad text. Compiled here, without exceptions, parse errors are values.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#undef TOML_EXCEPTIONS
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace troupe::actors {
namespace {

std::string line_of(std::string_view origin, const toml::node& node) {
  return std::string(origin) + ":" + std::to_string(node.source().begin.line);
}

std::optional<std::vector<std::string>> read_texts(const toml::array& list) {
  std::vector<std::string> texts;
  for (const toml::node& item : list) {
    const auto* text = item.as_string();
    if (text == nullptr) return std::nullopt;
    texts.push_back(text->get());
  }
  return texts;
}

std::optional<JobValue> read_node(const toml::node& node) {
  if (const auto* integer = node.as_integer()) return JobValue(integer->get());
  if (const auto* real = node.as_floating_point()) return JobValue(real->get());
  if (const auto* boolean = node.as_boolean()) return JobValue(boolean->get());
  if (const auto* text = node.as_string()) return JobValue(text->get());
  if (const auto* list = node.as_array()) {
    if (auto texts = read_texts(*list)) return JobValue(std::move(*texts));
  }
  return std::nullopt;
}

JobEntry read_entry(std::string section, std::string_view name, const toml::node& node, std::string_view origin) {
  JobEntry entry{std::move(section), std::string(name), {}, line_of(origin, node)};
  auto value = read_node(node);
  if (!value) {
    throw ConfigError(entry.where + ": the value of " + entry.name +
                      " is neither a number, true or false, a text, nor a list of texts: no key takes that");
  }
  entry.value = std::move(*value);
  return entry;
}

}  // namespace

std::vector<JobEntry> read_toml_entries(std::string_view toml, std::string_view origin) {
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    throw ConfigError(std::string(origin) + ":" + std::to_string(error.source().begin.line) + ":" +
                      std::to_string(error.source().begin.column) + ": not TOML: " + std::string(error.description()));
  }
  std::vector<JobEntry> entries;
  for (const auto& [name, node] : parsed.table()) {
    const toml::table* section = node.as_table();
    if (section == nullptr) {
      entries.push_back(read_entry("", name.str(), node, origin));
      continue;
    }
    if (section->empty()) entries.push_back({std::string(name.str()), "", {}, line_of(origin, node)});
    for (const auto& [key, value] : *section) {
      entries.push_back(read_entry(std::string(name.str()), key.str(), value, origin));
    }
  }
  return entries;
}

std::optional<JobValue> read_toml_value(std::string_view text) {
  const toml::parse_result parsed = toml::parse("value = " + std::string(text));
  if (!parsed || parsed.table().size() != 1) return std::nullopt;
  const toml::node* node = parsed.table().get("value");
  return node == nullptr ? std::nullopt : read_node(*node);
}

}  // namespace troupe::actors
