#include "console/command_table.hpp"
#include "runtime/observe/nearest_word.hpp"

#include <algorithm>

namespace troupe::console {
namespace {

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string describe_argument(const ArgumentSpec& argument) {
  switch (argument.count) {
    case ArgumentSpec::Count::one:
      return argument.name;
    case ArgumentSpec::Count::optional:
      return std::string("[").append(argument.name).append("]");
    case ArgumentSpec::Count::many:
      return std::string("[").append(argument.name).append("]...");
  }
  return {};
}

std::string describe_option(const OptionSpec& option) {
  return "--" + option.name + (option.value.empty() ? "" : " " + option.value);
}

/// "-o, --output FORMAT".
std::string option_heading(const OptionSpec& option) {
  return (option.letter.empty() ? "" : "-" + option.letter + ", ") + describe_option(option);
}

std::string render_commands() {
  std::string text =
      "troupe trains GPT-2 with actors: pipeline stages and data actors in processes of their own.\n\n"
      "usage: troupe COMMAND [arguments] [options]\n\ncommands:\n";
  for (const CommandSpec& command : command_table()) {
    if (command.listed == CommandSpec::Listed::yes) text += "  " + padded(command.name, 11) + command.help + "\n";
  }
  return text + "\n`troupe help COMMAND` tells more. Data goes to stdout, all else to stderr.\n";
}

const CommandSpec& find_command(const std::vector<CommandSpec>& table, std::string_view name) {
  std::vector<std::string> names;
  for (const CommandSpec& command : table) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  throw CommandError(ExitCode::usage, "unknown command " + std::string(name) + runtime::did_you_mean(names, name));
}

}  // namespace

std::string render_usage(const CommandSpec& command) {
  std::string text = "troupe " + command.name;
  for (const ArgumentSpec& argument : command.arguments) text.append(" ").append(describe_argument(argument));
  for (const OptionSpec& option : command.options) {
    const std::string described = describe_option(option);
    const bool is_required = option.need == OptionSpec::Need::required;
    text.append(is_required ? " " : " [").append(described).append(is_required ? "" : "]");
    if (option.repeat == OptionSpec::Repeat::many) text += "...";
  }
  return text;
}

std::string render_help(std::string_view name) {
  if (name.empty()) return render_commands();
  const std::vector<CommandSpec> table = command_table();
  const CommandSpec& command = find_command(table, name);
  std::string text = "usage: " + render_usage(command) + "\n\n" + command.help + "\n";
  if (!command.details.empty()) text += "\n" + command.details + "\n";
  std::size_t width = 0;
  for (const ArgumentSpec& argument : command.arguments) width = std::max(width, argument.name.size());
  for (const OptionSpec& option : command.options) width = std::max(width, option_heading(option).size());
  if (width > 0) text += "\n";
  for (const ArgumentSpec& argument : command.arguments) {
    text += "  " + padded(argument.name, width + 2) + argument.help + "\n";
  }
  for (const OptionSpec& option : command.options) {
    text += "  " + padded(option_heading(option), width + 2) + option.help + "\n";
  }
  return text;
}

std::string render_command_reference() {
  std::string text;
  for (const CommandSpec& command : command_table()) {
    if (command.listed == CommandSpec::Listed::no) continue;
    text += "## troupe " + command.name + "\n\n```\n" + render_help(command.name) + "```\n\n";
  }
  return text;
}

}  // namespace troupe::console
