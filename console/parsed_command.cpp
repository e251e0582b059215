#include "console/parsed_command.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

namespace troupe::console {
namespace {

[[noreturn]] void refuse(const std::string& option, const std::string& text, const std::string& allowed) {
  throw CommandError(ExitCode::usage,
                     "--" + option + " " + (text.empty() ? "''" : text) + " is not allowed: it takes " + allowed);
}

template <class Number>
Number read_number(const std::string& option, const std::string& text, Number least, Number most) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  // Written so that a NaN, which is neither below nor above, is refused too.
  if (problem == std::errc{} && stop == end && value >= least && value <= most) return value;
  std::ostringstream allowed;
  allowed << (std::is_floating_point_v<Number> ? "a number" : "an integer") << " from " << least << " to " << most;
  refuse(option, text, allowed.str());
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  return problem == std::errc{} && stop == text.data() + text.size() && port >= 1 && port <= 65535;
}

}  // namespace

std::string ParsedCommand::get(const std::string& option, const std::string& otherwise) const {
  const auto found = options.find(option);
  return found == options.end() || found->second.empty() ? otherwise : found->second.back();
}

std::vector<std::string> ParsedCommand::all(const std::string& option) const {
  const auto found = options.find(option);
  return found == options.end() ? std::vector<std::string>{} : found->second;
}

std::int64_t ParsedCommand::integer(const std::string& option, std::int64_t otherwise, std::int64_t least,
                                    std::int64_t most) const {
  return has(option) ? read_number<std::int64_t>(option, get(option), least, most) : otherwise;
}

double ParsedCommand::number(const std::string& option, double otherwise, double least, double most) const {
  return has(option) ? read_number<double>(option, get(option), least, most) : otherwise;
}

std::string ParsedCommand::address(const std::string& option, const std::string& otherwise, Address use) const {
  const std::string text = get(option, otherwise);
  constexpr std::string_view kScheme = "tcp://";
  const std::size_t colon = text.rfind(':');
  const bool has_host = text.starts_with(kScheme) && colon != std::string::npos && colon > kScheme.size();
  const std::string port = has_host ? text.substr(colon + 1) : "";
  if (is_port(port) || (use == Address::listen && port == "*")) return text;
  refuse(option, text,
         use == Address::listen ? "tcp://HOST:PORT, or tcp://HOST:* for any free port" : "tcp://HOST:PORT");
}

std::string ParsedCommand::node_name(const std::string& option, const std::string& otherwise) const {
  constexpr std::size_t kLongest = 64;
  const std::string text = get(option, otherwise);
  const bool is_plain = std::ranges::all_of(text, [](unsigned char letter) {
    return std::isalnum(letter) != 0 || letter == '.' || letter == '_' || letter == '-';
  });
  if (is_plain && !text.empty() && text.size() <= kLongest) return text;
  refuse(option, text, "1 to " + std::to_string(kLongest) + " letters, digits, '.', '_' or '-'");
}

std::string ParsedCommand::argument(std::size_t index, const std::string& otherwise) const {
  return index < positional.size() ? positional[index] : otherwise;
}

}  // namespace troupe::console
