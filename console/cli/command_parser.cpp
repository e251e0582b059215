#include "console/command_table.hpp"
#include "runtime/observe/nearest_word.hpp"

#include <algorithm>

namespace troupe::console {
namespace {

[[noreturn]] void refuse(const CommandSpec& command, const std::string& problem) {
  throw CommandError(ExitCode::usage, problem + "\nusage: " + render_usage(command));
}

std::string as_list(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

const OptionSpec* find_option(const CommandSpec& command, std::string_view dashed) {
  for (const OptionSpec& option : command.options) {
    if (dashed == "--" + option.name) return &option;
    if (!option.letter.empty() && dashed == "-" + option.letter) return &option;
  }
  return nullptr;
}

/// Walks over the words of one command; holds references for the time of one call of parse_command().
class WordReader final {
public:
  WordReader(const CommandSpec& command, std::span<const std::string> words) : command_(command), words_(words) {
    parsed_.command = command.name;
  }

  ParsedCommand read() {
    while (next_ < words_.size()) {
      const std::string& word = words_[next_++];
      if (options_end_ == Options::possible && word == "--") {
        options_end_ = Options::over;
      } else if (options_end_ == Options::possible && word.size() > 1 && word.front() == '-') {
        read_option(word);
      } else {
        parsed_.positional.push_back(word);
      }
    }
    check_arguments();
    check_required();
    return std::move(parsed_);
  }

private:
  /// "--lines=3", "--lines 3", "-n 3" and "-n3".
  void read_option(const std::string& word) {
    const bool is_long = word.starts_with("--");
    const std::size_t equals = is_long ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, is_long ? equals : 2);
    const OptionSpec* option = find_option(command_, name);
    const bool is_glued = !is_long && word.size() > 2;
    if (is_glued && option != nullptr && option->value.empty()) option = nullptr;
    if (option == nullptr) {
      const std::string& meant = is_glued ? word : name;
      refuse(command_, "unknown option " + meant + runtime::did_you_mean(option_names(), meant));
    }
    std::string value;
    if (option->value.empty()) {
      if (equals != std::string::npos) refuse(command_, name + " takes no value");
    } else {
      value = equals != std::string::npos ? word.substr(equals + 1)
              : is_glued                  ? word.substr(2)
                                          : take_value(name, *option);
      check_word(name, value, *option);
    }
    std::vector<std::string>& values = parsed_.options[option->name];
    if (option->repeat == OptionSpec::Repeat::once) values.clear();
    values.push_back(std::move(value));
  }

  std::string take_value(const std::string& name, const OptionSpec& option) {
    const bool is_there = next_ < words_.size() && find_option(command_, words_[next_]) == nullptr;
    if (!is_there) refuse(command_, name + " needs a value: " + name + " " + option.value);
    return words_[next_++];
  }

  void check_word(const std::string& name, const std::string& value, const OptionSpec& option) const {
    const auto& words = option.words;
    if (words.empty() || std::find(words.begin(), words.end(), value) != words.end()) return;
    refuse(command_, name + " " + value + " is not allowed: it takes " + as_list(words));
  }

  void check_arguments() const {
    std::size_t least = 0;
    std::size_t most = 0;
    for (const ArgumentSpec& argument : command_.arguments) {
      if (argument.count == ArgumentSpec::Count::one) ++least;
      most = argument.count == ArgumentSpec::Count::many ? words_.size() : most + 1;
    }
    const std::size_t given = parsed_.positional.size();
    if (given < least) refuse(command_, command_.name + " needs " + command_.arguments[given].name);
    if (given > most) refuse(command_, command_.name + " takes no argument \"" + parsed_.positional[most] + "\"");
  }

  void check_required() const {
    for (const OptionSpec& option : command_.options) {
      const bool is_missing = option.need == OptionSpec::Need::required && !parsed_.has(option.name);
      if (is_missing) refuse(command_, command_.name + " needs --" + option.name + " " + option.value);
    }
  }

  [[nodiscard]] std::vector<std::string> option_names() const {
    std::vector<std::string> names;
    for (const OptionSpec& option : command_.options) names.push_back("--" + option.name);
    return names;
  }

  const CommandSpec& command_;
  const std::span<const std::string> words_;
  std::size_t next_ = 0;
  enum class Options { possible, over } options_end_ = Options::possible;
  ParsedCommand parsed_;
};

bool asks_for_help(std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") return false;
    if (word == "-h" || word == "--help") return true;
  }
  return false;
}

}  // namespace

ParsedCommand parse_command(std::span<const std::string> words) {
  if (words.empty()) throw CommandError(ExitCode::usage, render_help(""));
  const std::string& name = words.front();
  if (name == "-h" || name == "--help") return {"help", {}, {}};
  if (name == "--version" || name == "-V") return {"version", {}, {}};
  const std::vector<CommandSpec> table = command_table();
  const auto command = std::find_if(table.begin(), table.end(), [&](const auto& each) { return each.name == name; });
  if (command == table.end()) {
    std::vector<std::string> names;
    for (const CommandSpec& each : table) {
      if (each.listed == CommandSpec::Listed::yes) names.push_back(each.name);
    }
    throw CommandError(ExitCode::usage, "unknown command " + name + runtime::did_you_mean(names, name) +
                                            "\ncommands: " + as_list(names));
  }
  if (asks_for_help(words.subspan(1))) return {"help", {name}, {}};
  return WordReader(*command, words.subspan(1)).read();
}

}  // namespace troupe::console
