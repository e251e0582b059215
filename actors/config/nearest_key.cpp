#include "actors/config/nearest_key.hpp"

#include <algorithm>
#include <numeric>

namespace troupe::actors {
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

std::string nearest(const std::vector<std::string>& known, std::string_view word) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

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
  return nearest(sections_of(keys), section);
}

std::string describe_unknown_key(const std::vector<JobKey>& keys, std::string_view section, std::string_view name) {
  const std::vector<std::string> sections = sections_of(keys);
  const bool section_known = std::find(sections.begin(), sections.end(), section) != sections.end();
  if (!section_known && !section.empty()) {
    const std::string near = nearest(sections, section);
    const std::string start = "unknown section [" + std::string(section) + "]: ";
    return near.empty() ? start + "sections are " + list(sections) : start + "did you mean [" + near + "]?";
  }
  const std::string start = "unknown key " + quoted_name(section, name) + ": ";
  for (const JobKey& key : keys) {
    if (key.name == name) return start + "did you mean " + key.full_name() + "?";
  }
  if (section_known) {
    const std::vector<std::string> names = names_in(keys, section);
    const std::string near = nearest(names, name);
    if (near.empty()) return start + "keys of [" + std::string(section) + "] are " + list(names);
    return start + "did you mean " + quoted_name(section, near) + "?";
  }
  return start + "keys stand in the sections " + list(sections);
}

}  // namespace troupe::actors
