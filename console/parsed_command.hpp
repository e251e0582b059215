#pragma once

#include "console/exit_codes.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::console {

/// A command line that was found to fit the table of commands: names are known, required arguments are there.
///
/// Thread-safety: a plain value.
/// Ownership:     owns its texts.
/// Errors:        number(), integer(), address() and node_name() throw CommandError (usage) that names option, text and
///                what is allowed.
/// Restart:       stateless.
struct ParsedCommand {
  std::string command;
  std::vector<std::string> positional;
  std::map<std::string, std::vector<std::string>> options;  ///< by long name without dashes; a flag has one empty value

  [[nodiscard]] bool has(const std::string& option) const { return options.contains(option); }
  /// The value given last, or `otherwise`.
  [[nodiscard]] std::string get(const std::string& option, const std::string& otherwise = "") const;
  /// Every value, in the order given.
  [[nodiscard]] std::vector<std::string> all(const std::string& option) const;
  [[nodiscard]] std::int64_t integer(const std::string& option, std::int64_t otherwise, std::int64_t least,
                                     std::int64_t most) const;
  [[nodiscard]] double number(const std::string& option, double otherwise, double least, double most) const;
  /// "tcp://HOST:PORT"; to listen at, the port may be "*": any free one.
  enum class Address { listen, connect };
  [[nodiscard]] std::string address(const std::string& option, const std::string& otherwise, Address use) const;
  /// Letters, digits, '.', '_' and '-', at most 64: it becomes part of actors' names.
  [[nodiscard]] std::string node_name(const std::string& option, const std::string& otherwise) const;
  /// Positional argument `index`, or `otherwise`.
  [[nodiscard]] std::string argument(std::size_t index, const std::string& otherwise = "") const;
  [[nodiscard]] bool wants_json() const { return get("output", "text") == "json"; }
};

}  // namespace troupe::console
