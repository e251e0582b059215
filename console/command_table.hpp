#pragma once

#include "console/parsed_command.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::console {

/// One option: "--name VALUE", "--name=VALUE", "-x VALUE", or a flag when `value` is empty.
struct OptionSpec {
  enum class Repeat { once, many };
  std::string name;    ///< without dashes
  std::string letter;  ///< short form without dash, or empty
  std::string value;   ///< what the value is, in capitals; empty = flag
  std::string help;
  std::vector<std::string> words;  ///< the only allowed values; empty = any
  Repeat repeat = Repeat::once;
  enum class Need { optional, required } need = Need::optional;
};

/// One positional argument.
struct ArgumentSpec {
  enum class Count { one, optional, many };  ///< many = none or more, and last
  std::string name;
  Count count = Count::one;
  std::string help;
};

/// One command: what `troupe help` tells and what the parser accepts come from the same row.
struct CommandSpec {
  enum class Listed { yes, no };
  std::string name;
  std::string help;     ///< one line
  std::string details;  ///< more lines for `troupe help NAME`; may be empty
  std::vector<ArgumentSpec> arguments;
  std::vector<OptionSpec> options;
  Listed listed = Listed::yes;
};

/// All commands, in the order in which help lists them.
///
/// CT-1  Every row of the table is listed by help (unless hidden) and parsed.
/// CT-2  docs/commands.md holds render_command_reference() as it is.
[[nodiscard]] std::vector<CommandSpec> command_table();

/// Reads the words after the program's name. Throws CommandError (usage) with a hint: the nearest known command or
/// option, or the usage line. "-h" and "--help" anywhere give the command "help".
[[nodiscard]] ParsedCommand parse_command(std::span<const std::string> words);

/// `troupe help`, or `troupe help NAME`. Throws CommandError (usage) for an unknown name.
[[nodiscard]] std::string render_help(std::string_view name);
/// "troupe kill ACTOR [--run-dir DIR]".
[[nodiscard]] std::string render_usage(const CommandSpec& command);
/// All commands as Markdown, for docs/commands.md.
[[nodiscard]] std::string render_command_reference();

}  // namespace troupe::console
