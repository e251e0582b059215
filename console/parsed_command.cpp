#include "console/parsed_command.hpp"

#include <charconv>
#include <sstream>

namespace troupe::console {
namespace {

template <class Number>
Number read_number(const std::string& option, const std::string& text, Number least, Number most) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  // Written so that a NaN, which is neither below nor above, is refused too.
  if (problem == std::errc{} && stop == end && value >= least && value <= most) return value;
  std::ostringstream message;
  message << "--" << option << " " << (text.empty() ? "''" : text) << " is not allowed: it takes "
          << (std::is_floating_point_v<Number> ? "a number" : "an integer") << " from " << least << " to " << most;
  throw CommandError(ExitCode::usage, message.str());
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

std::string ParsedCommand::argument(std::size_t index, const std::string& otherwise) const {
  return index < positional.size() ? positional[index] : otherwise;
}

}  // namespace troupe::console
