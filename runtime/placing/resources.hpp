#pragma once

#include "runtime/result.hpp"

#include <cereal/types/string.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::runtime {

/// Amounts of what actors need and nodes have, by name: "cpu=2,gpu=0.5". Names are the user's own, [a-z][a-z0-9_.-]*;
/// what is not named is none of it. Amounts are exact thousandths of a unit, so that ten times 0.1 is 1; the unit is
/// the user's (a core, a device, a GiB), and nothing here measures or limits what an actor really uses.
///
/// Thread-safety: a plain value.
/// Ownership:     owns its names.
/// Errors:        parse() says at which letter, counted from 1, it stopped, what it expected there, and how such a text
///                looks. Bytes from a message that are no amounts are refused.
/// Restart:       travels in messages.
///
/// RS-1  What describe() says, parse() reads back.
/// RS-2  Sums and differences are exact; less than nothing of a name is nothing.
class Resources final {
public:
  /// Of one name, in units.
  static constexpr std::int64_t kMaxAmount = 1'000'000'000'000;
  static constexpr std::size_t kMaxNames = 64;        ///< in one text
  static constexpr std::size_t kMaxNameLetters = 64;  ///< of one name
  static constexpr std::int64_t kThousandths = 1000;  ///< of a unit

  /// Nothing of any name.
  Resources() = default;
  /// "cpu=2,gpu=0.5", "" or "nothing"; a Failure says what does not fit, and where.
  [[nodiscard]] static Result<Resources> parse(std::string_view text);
  /// The same for a text in a program: throws std::invalid_argument with the failure's text.
  [[nodiscard]] static Resources of(std::string_view text);

  /// Thousandths of a unit; 0 of what is not named.
  [[nodiscard]] std::int64_t thousandths(std::string_view name) const;
  /// Names with more than nothing, in their order, and thousandths of a unit.
  [[nodiscard]] const std::map<std::string, std::int64_t, std::less<>>& amounts() const { return amounts_; }
  /// Nothing of any name.
  [[nodiscard]] bool is_empty() const { return amounts_.empty(); }
  /// Of every name at least as much as in `needs`.
  [[nodiscard]] bool covers(const Resources& needs) const;
  /// There is a name of which both have something.
  [[nodiscard]] bool has_any_name_of(const Resources& other) const;

  /// And as much again as in `other`.
  Resources& operator+=(const Resources& other);
  /// What is left of it; of no name less than nothing.
  Resources& operator-=(const Resources& other);
  /// As much again as `times` say; an amount does not grow beyond what a message can say of it.
  [[nodiscard]] Resources times(std::size_t times) const;
  /// "cpu=2,gpu=0.5", or "nothing".
  [[nodiscard]] std::string describe() const;
  bool operator==(const Resources&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    std::string text = describe();
    archive(text);
    if constexpr (requires { archive.refuse("why"); }) {
      const Result<Resources> read = parse(text);
      if (!read) return archive.refuse("resources that cannot be");
      *this = *read;
    }
  }

private:
  void add(const std::string& name, std::int64_t thousandths);

  std::map<std::string, std::int64_t, std::less<>> amounts_;  // thousandths of a unit, more than 0
};

/// "2", "0.5": thousandths of a unit as text.
[[nodiscard]] std::string describe_amount(std::int64_t thousandths);

}  // namespace troupe::runtime
