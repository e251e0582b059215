#include "console/view/selection.hpp"

#include "console/exit_codes.hpp"
#include "runtime/group/group.hpp"
#include "runtime/observe/nearest_word.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace troupe::console {
namespace {

/// How the actors of a group are named: each part of the name before an index, and the index's dimension.
struct GroupKind {
  std::string name;
  std::vector<std::pair<std::string, std::string>> parts;
};

const std::vector<GroupKind>& group_kinds() {
  static const std::vector<GroupKind> kinds = {{"stages", {{"stage/r", "replica"}, {".s", "stage"}}},
                                               {"data", {{"data/r", "replica"}}}};
  return kinds;
}

using Indices = std::vector<std::uint32_t>;

/// Of an actor that belongs to the group.
std::optional<Indices> indices_in(const GroupKind& kind, std::string_view name) {
  Indices indices;
  for (const auto& [before, dimension] : kind.parts) {
    if (!name.starts_with(before)) return std::nullopt;
    name.remove_prefix(before.size());
    std::uint32_t index = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), index);
    if (problem != std::errc{}) return std::nullopt;
    name.remove_prefix(static_cast<std::size_t>(end - name.data()));
    indices.push_back(index);
  }
  return name.empty() ? std::optional(indices) : std::nullopt;
}

const GroupKind& find_kind(const std::string& text, const std::string& group) {
  std::vector<std::string> known;
  for (const GroupKind& each : group_kinds()) {
    if (each.name == group) return each;
    known.push_back(each.name);
  }
  throw CommandError(ExitCode::usage, "\"" + text + "\": no group named " + group +
                                          runtime::did_you_mean(known, group) + "; groups are stages and data");
}

/// For each dimension of the group what the selection takes of it.
std::vector<std::optional<runtime::Dimension>> parts_of(const GroupKind& kind, const std::string& text,
                                                        const runtime::Selection& selection) {
  std::vector<std::optional<runtime::Dimension>> parts(kind.parts.size());
  std::vector<std::string> known;
  for (const auto& [before, dimension] : kind.parts) known.push_back(dimension);
  for (const runtime::Dimension& each : selection.parts) {
    const auto found = std::ranges::find(known, each.name);
    if (found == known.end()) {
      std::string listed;
      for (const std::string& name : known) listed += (listed.empty() ? "" : ", ") + name;
      throw CommandError(ExitCode::usage, "\"" + text + "\": " + kind.name + " has no dimension " + each.name +
                                              runtime::did_you_mean(known, each.name) + "; it has " + listed);
    }
    parts[static_cast<std::size_t>(found - known.begin())] = each;
  }
  return parts;
}

std::string describe_all(const GroupKind& kind, const std::vector<std::pair<Indices, ActorView>>& members) {
  if (members.empty()) return "the run has no " + kind.name;
  std::string text;
  for (std::size_t at = 0; at < kind.parts.size(); ++at) {
    runtime::Dimension all{kind.parts[at].second, members.front().first[at]};
    for (const auto& [indices, actor] : members) {
      all.first = std::min(all.first, indices[at]);
      all.last = std::max(all.last, indices[at]);
    }
    text += (text.empty() ? "" : ", ") + all.describe();
  }
  return "the run has " + kind.name + "(" + text + ")";
}

}  // namespace

bool is_group_text(const std::string& text) {
  const bool is_group =
      std::ranges::any_of(group_kinds(), [&text](const GroupKind& each) { return each.name == text; });
  return is_group || text.find('(') != std::string::npos;
}

std::vector<ActorView> select_actors(const std::vector<ActorView>& actors, const std::string& text) {
  const auto named = std::ranges::find(actors, text, &ActorView::name);
  if (named != actors.end()) return {*named};
  if (!is_group_text(text)) return {find_actor(actors, text)};
  const runtime::Result<runtime::Selection> selection = runtime::parse_selection(text);
  if (!selection) throw CommandError(ExitCode::usage, selection.failure().text);
  const GroupKind& kind = find_kind(text, selection->group);
  const auto parts = parts_of(kind, text, *selection);
  std::vector<std::pair<Indices, ActorView>> members;
  for (const ActorView& each : actors) {
    if (std::optional<Indices> indices = indices_in(kind, each.name)) members.emplace_back(*std::move(indices), each);
  }
  std::ranges::sort(members, {}, &std::pair<Indices, ActorView>::first);
  std::vector<ActorView> selected;
  for (const auto& [indices, actor] : members) {
    bool is_in = true;
    for (std::size_t at = 0; at < parts.size(); ++at) {
      is_in = is_in && (!parts[at] || (indices[at] >= parts[at]->first && indices[at] <= parts[at]->last));
    }
    if (is_in) selected.push_back(actor);
  }
  if (selected.empty()) {
    throw CommandError(ExitCode::not_found, text + " selects nobody: " + describe_all(kind, members));
  }
  return selected;
}

}  // namespace troupe::console
