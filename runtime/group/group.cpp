#include "runtime/group/group.hpp"

#include "runtime/observe/nearest_word.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace troupe::runtime {
namespace {

Failure bad_group(std::string text) {
  return {FailureKind::unknown, std::move(text)};
}

// What ends a word in the text of a selection, beside a space.
constexpr std::string_view kEndsOfGroup = "(),=";
constexpr std::string_view kEndsOfDimension = "=,.()";

bool is_word(std::string_view text, std::string_view ends) {
  return !text.empty() && text.size() <= kMaxNameBytes && text.find(' ') == std::string_view::npos &&
         text.find_first_of(ends) == std::string_view::npos;
}

/// Names that the text of a selection can say, each dimension once.
Result<Done> check_names(const std::string& group, const std::vector<Dimension>& dimensions) {
  if (!is_word(group, kEndsOfGroup)) {
    return bad_group("\"" + group.substr(0, kMaxNameBytes) + "\" is no name of a group: it is a word of at most " +
                     std::to_string(kMaxNameBytes) + " letters, without " + std::string(kEndsOfGroup));
  }
  for (std::size_t at = 0; at < dimensions.size(); ++at) {
    const std::string& name = dimensions[at].name;
    if (!is_word(name, kEndsOfDimension)) {
      return bad_group(group + ": \"" + name.substr(0, kMaxNameBytes) +
                       "\" is no name of a dimension: it is a word of at most " + std::to_string(kMaxNameBytes) +
                       " letters, without " + std::string(kEndsOfDimension));
    }
    const bool again = std::any_of(dimensions.begin(), dimensions.begin() + static_cast<std::ptrdiff_t>(at),
                                   [&name](const Dimension& other) { return other.name == name; });
    if (again) return bad_group(group + " has two dimensions named " + name);
  }
  return Done{};
}

/// How many places there are, or nothing beyond Group::kMaxActors.
std::optional<std::size_t> places_of(const std::vector<Dimension>& dimensions) {
  std::uint64_t places = 1;
  for (const Dimension& each : dimensions) {
    if (each.last < each.first || each.size() > Group::kMaxActors) return std::nullopt;
    places *= each.size();
    if (places > Group::kMaxActors) return std::nullopt;
  }
  return static_cast<std::size_t>(places);
}

/// The indices at a position, the last changing fastest.
std::vector<std::uint32_t> unravel(const std::vector<Dimension>& dimensions, std::size_t position) {
  std::vector<std::uint32_t> indices(dimensions.size());
  for (std::size_t at = dimensions.size(); at-- > 0;) {
    const auto size = static_cast<std::size_t>(dimensions[at].size());
    indices[at] = dimensions[at].first + static_cast<std::uint32_t>(position % size);
    position /= size;
  }
  return indices;
}

std::string list_of(const std::vector<Dimension>& dimensions) {
  std::string text;
  for (const Dimension& each : dimensions) text += (text.empty() ? "" : ", ") + each.describe();
  return text;
}

/// Walks over the text form of a selection.
class SelectionReader {
public:
  explicit SelectionReader(std::string_view text) : text_(text) {}

  Result<Selection> read() {
    Selection selection;
    selection.group = word(kEndsOfGroup);
    if (selection.group.empty()) return expected("the name of a group");
    if (at_end()) return selection;
    if (!take('(')) return expected("\"(\"");
    if (take(')')) return finish(std::move(selection));
    do {
      const Result<Dimension> part = read_part();
      if (!part) return part.failure();
      const bool again = std::any_of(selection.parts.begin(), selection.parts.end(),
                                     [&part](const Dimension& each) { return each.name == part->name; });
      if (again) return bad_group("\"" + std::string(text_) + "\" names the dimension " + part->name + " twice");
      selection.parts.push_back(*part);
    } while (take(','));
    if (!take(')')) return expected("\",\" or \")\"");
    return finish(std::move(selection));
  }

private:
  Result<Selection> finish(Selection selection) {
    if (!at_end()) return expected("nothing more");
    return selection;
  }
  Result<Dimension> read_part() {
    Dimension part;
    part.name = word(kEndsOfDimension);
    if (part.name.empty()) return expected("the name of a dimension");
    if (!take('=')) return expected("\"=\"");
    const std::optional<std::uint32_t> first = number();
    if (!first) return expected("an index, like 0 or 0..1");
    part.first = part.last = *first;
    if (!take('.')) return part;
    if (!take('.')) return expected("\"..\"");
    const std::optional<std::uint32_t> last = number();
    if (!last) return expected("the last index, like 0..1");
    if (*last < *first)
      return bad_group(part.name + "=" + std::to_string(*first) + ".." + std::to_string(*last) +
                       " ends before it begins");
    part.last = *last;
    return part;
  }
  /// Up to one of `ends` or a space.
  std::string word(std::string_view ends) {
    skip_spaces();
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != ' ' && ends.find(text_[at_]) == std::string_view::npos) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  std::optional<std::uint32_t> number() {
    skip_spaces();
    std::uint32_t value = 0;
    const auto [end, problem] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (problem != std::errc{}) return std::nullopt;
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }
  bool take(char letter) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != letter) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    skip_spaces();
    return at_ >= text_.size();
  }
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  Failure expected(std::string_view what) {
    skip_spaces();
    return bad_group("\"" + std::string(text_) + "\": expected " + std::string(what) + " at letter " +
                     std::to_string(at_ + 1) + "; it looks like stages(replica=0..1, stage=1)");
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string Dimension::describe() const {
  return name + "=" + std::to_string(first) + (last == first ? "" : ".." + std::to_string(last));
}

Result<Selection> parse_selection(std::string_view text) {
  return SelectionReader(text).read();
}

Result<Group> Group::make(std::string name, std::vector<Dimension> dimensions,
                          const std::function<ActorId(const std::vector<std::uint32_t>& indices)>& actor_at) {
  if (const Result<Done> named = check_names(name, dimensions); !named) return named.failure();
  for (const Dimension& each : dimensions) {
    if (each.last < each.first) return bad_group(name + ": " + each.describe() + " ends before it begins");
  }
  const std::optional<std::size_t> places = places_of(dimensions);
  if (!places) return bad_group(name + " has more than " + std::to_string(kMaxActors) + " places");
  Group group;
  group.name_ = std::move(name);
  group.dimensions_ = std::move(dimensions);
  group.actors_.reserve(*places);
  for (std::size_t position = 0; position < *places; ++position) {
    group.actors_.push_back(actor_at(unravel(group.dimensions_, position)));
  }
  return group;
}

bool Group::is_named() const {
  const bool is_nobody = name_.empty() && dimensions_.empty() && actors_.empty();  // one that was made by Group()
  return is_nobody || check_names(name_, dimensions_);
}

bool Group::is_whole() const {
  return places_of(dimensions_) == (dimensions_.empty() && actors_.empty() ? 1 : actors_.size());
}

Result<std::size_t> Group::find_dimension(const std::string& name) const {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < dimensions_.size(); ++at) {
    if (dimensions_[at].name == name) return at;
    names.push_back(dimensions_[at].name);
  }
  return bad_group(name_ + " has no dimension " + name + did_you_mean(names, name) + ": it is " + describe());
}

Result<Group> Group::slice(const std::vector<Dimension>& parts) const {
  std::vector<Dimension> wanted = dimensions_;
  for (const Dimension& part : parts) {
    const Result<std::size_t> at = find_dimension(part.name);
    if (!at) return at.failure();
    const Dimension& whole = dimensions_[*at];
    if (part.last < part.first) return bad_group(part.describe() + " ends before it begins");
    if (part.first < whole.first || part.last > whole.last) {
      return bad_group(part.describe() + " is not in " + describe());
    }
    wanted[*at] = part;
  }
  return make(name_, wanted, [this](const std::vector<std::uint32_t>& indices) {
    std::size_t position = 0;
    for (std::size_t at = 0; at < indices.size(); ++at) {
      position = position * static_cast<std::size_t>(dimensions_[at].size()) + (indices[at] - dimensions_[at].first);
    }
    return actors_[position];
  });
}

Result<Group> Group::select(std::string_view text) const {
  const Result<Selection> selection = parse_selection(text);
  if (!selection) return selection.failure();
  if (selection->group != name_) return bad_group("this is the group " + name_ + ", not " + selection->group);
  return slice(selection->parts);
}

Result<ActorId> Group::at(const std::vector<Dimension>& place) const {
  Result<Group> found = slice(place);
  if (!found) return found.failure();
  if (found->size() != 1) {
    return bad_group(found->describe() + " is " + std::to_string(found->size()) + " actors: name one index of each");
  }
  return found->actors().front();
}

std::vector<std::uint32_t> Group::indices_of(std::size_t position) const {
  return unravel(dimensions_, position);
}

std::string Group::describe() const {
  return name_ + "(" + list_of(dimensions_) + ")";
}

}  // namespace troupe::runtime
