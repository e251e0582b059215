#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/result.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// A dimension of a group, or a part of one: "replica=0..1", both ends included.
struct Dimension {
  std::string name;         ///< a word: none of "(),=." and no space
  std::uint32_t first = 0;  ///< the lowest index
  std::uint32_t last = 0;   ///< the highest index, included

  /// One place, at index 0, of a dimension without a name.
  Dimension() = default;
  /// One index: "stage=1".
  Dimension(std::string called, std::uint32_t index) : Dimension(std::move(called), index, index) {}
  /// Indices from `from` to `to`, both included; Group::make() and slice() refuse `to` < `from`.
  Dimension(std::string called, std::uint32_t from, std::uint32_t to)
      : name(std::move(called)), first(from), last(to) {}

  /// How many indices.
  [[nodiscard]] std::uint64_t size() const { return std::uint64_t{last} - first + 1; }
  /// "replica=0..1", or "stage=1".
  [[nodiscard]] std::string describe() const;
  bool operator==(const Dimension&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, first, last);
    if constexpr (requires { archive.refuse("why"); }) {
      if (last < first) archive.refuse("a dimension that ends before it begins");
      if (name.size() > kMaxNameBytes) archive.refuse("a dimension's name that is too long");
    }
  }
};

/// What parse_selection() reads: "stages(replica=0..1, stage=1)".
struct Selection {
  std::string group;             ///< the name before the bracket
  std::vector<Dimension> parts;  ///< a dimension that is not named is taken whole
};

/// Reads `group`, `group()` or `group(dimension=index, dimension=first..last)`, spaces anywhere between. A Failure says
/// at which letter, counted from 1, it stopped, what it expected there, and how such a text looks.
[[nodiscard]] Result<Selection> parse_selection(std::string_view text);

/// Actors in a grid of named dimensions, or a slice of one; a slice keeps its places' indices. Travels inside messages.
///
/// Thread-safety: a plain value.
/// Ownership:     of the names alone: the actors may be gone.
/// Errors:        values that name the dimension, what there is and what was asked for.
/// Restart:       with incarnations 0 it means whoever holds the names.
///
/// GR-1  Actors are in the order of their indices, those of the last dimension changing fastest.
/// GR-2  A slice has exactly the actors whose indices are in every part, in the same order, at the same indices.
/// GR-3  What describe() says, parse_selection() reads back: names that it could not read are refused.
/// GR-4  A group read from a message has as many actors as its dimensions say, or is refused.
class Group final {
public:
  /// More than a message can carry.
  static constexpr std::size_t kMaxActors = 65536;

  /// Nobody: no name, no dimensions, no actors.
  Group() = default;
  /// The actor at each place is what `actor_at` says of its indices, which are in the order of `dimensions`. Failures:
  /// a name that is no word (empty, longer than kMaxNameBytes, with a space or one of "(),=", and "." in a
  /// dimension's), two dimensions of one name, one that ends before it begins, more than kMaxActors places.
  [[nodiscard]] static Result<Group> make(
      std::string name, std::vector<Dimension> dimensions,
      const std::function<ActorId(const std::vector<std::uint32_t>& indices)>& actor_at);

  /// As given to make(); slices have it too.
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Of a slice: those of the whole group, cut to its part.
  [[nodiscard]] const std::vector<Dimension>& dimensions() const { return dimensions_; }
  /// In the order of GR-1.
  [[nodiscard]] const std::vector<ActorId>& actors() const { return actors_; }
  /// How many actors: the product of the dimensions' sizes.
  [[nodiscard]] std::size_t size() const { return actors_.size(); }
  /// Of actors().
  [[nodiscard]] auto begin() const { return actors_.begin(); }
  /// Of actors().
  [[nodiscard]] auto end() const { return actors_.end(); }

  /// group.slice({{"replica", 0, 1}, {"stage", 1}})
  [[nodiscard]] Result<Group> slice(const std::vector<Dimension>& parts) const;
  /// group.select("stages(replica=0..1, stage=1)"); the name has to be this group's.
  [[nodiscard]] Result<Group> select(std::string_view text) const;
  /// The one actor there: every dimension has to be named that has more than one index.
  [[nodiscard]] Result<ActorId> at(const std::vector<Dimension>& place) const;
  /// The indices of actors()[position], in the order of dimensions().
  [[nodiscard]] std::vector<std::uint32_t> indices_of(std::size_t position) const;
  /// "stages(replica=0..1, stage=1)".
  [[nodiscard]] std::string describe() const;

  bool operator==(const Group&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name_, dimensions_, actors_);
    if constexpr (requires { archive.refuse("why"); }) {
      if (!is_named()) archive.refuse("a group whose names no text can say");
      if (!is_whole()) archive.refuse("a group with more or fewer actors than its dimensions say");
    }
  }

private:
  [[nodiscard]] bool is_named() const;
  [[nodiscard]] bool is_whole() const;
  [[nodiscard]] Result<std::size_t> find_dimension(const std::string& name) const;

  std::string name_;
  std::vector<Dimension> dimensions_;
  std::vector<ActorId> actors_;
};

}  // namespace troupe::runtime
