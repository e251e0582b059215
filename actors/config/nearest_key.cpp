#include "actors/config/nearest_key.hpp"

#include "runtime/observe/nearest_word.hpp"

#include <algorithm>

namespace troupe::actors {
namespace {

std::string list(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::vector<std::string> sections_of(const std::vector<JobKey>& keys) {
  std::vector<std::string> sections;
  for (const JobKey& key : keys) {
    if (sections.empty() || sections.back() != key.section) sections.push_back(key.section);
  }
  return sections;
}

std::vector<std::string> names_in(const std::vector<JobKey>& keys, std::string_view section) {
  std::vector<std::string> names;
  for (const JobKey& key : keys) {
    if (key.section == section) names.push_back(key.name);
  }
  return names;
}

std::string quoted_name(std::string_view section, std::string_view name) {
  if (section.empty()) return std::string(name);
  return std::string(section) + "." + std::string(name);
}

}  // namespace

std::string nearest_section(const std::vector<JobKey>& keys, std::string_view section) {
  return runtime::nearest_word(sections_of(keys), section);
}

std::string describe_unknown_key(const std::vector<JobKey>& keys, std::string_view section, std::string_view name) {
  const std::vector<std::string> sections = sections_of(keys);
  const bool section_known = std::find(sections.begin(), sections.end(), section) != sections.end();
  if (!section_known && !section.empty()) {
    const std::string near = runtime::nearest_word(sections, section);
    const std::string start = "unknown section [" + std::string(section) + "]: ";
    return near.empty() ? start + "sections are " + list(sections) : start + "did you mean [" + near + "]?";
  }
  const std::string start = "unknown key " + quoted_name(section, name) + ": ";
  for (const JobKey& key : keys) {
    if (key.name == name) return start + "did you mean " + key.full_name() + "?";
  }
  if (section_known) {
    const std::vector<std::string> names = names_in(keys, section);
    const std::string near = runtime::nearest_word(names, name);
    if (near.empty()) return start + "keys of [" + std::string(section) + "] are " + list(names);
    return start + "did you mean " + quoted_name(section, near) + "?";
  }
  return start + "keys stand in the sections " + list(sections);
}

}  // namespace troupe::actors
