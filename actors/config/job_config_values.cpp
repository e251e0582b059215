#include "actors/config/job_config_keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace troupe::actors {
namespace {

std::string render_real(double number) {
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  std::string rendered(text.data(), end);
  // TOML tells a real from an integer by the point or the exponent.
  if (rendered.find_first_of(".en") == std::string::npos) rendered += ".0";
  return rendered;
}

std::string render_text(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string quoted = "\"";
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      quoted += '\\';
      quoted += letter;
    } else if (code < 0x20 || code == 0x7f) {
      quoted += "\\u00";
      quoted += kHex[code >> 4U];
      quoted += kHex[code & 15U];
    } else {
      quoted += letter;
    }
  }
  return quoted + "\"";
}

std::string join(const std::vector<std::string>& words, std::string_view last_separator) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? std::string(last_separator) : ", ";
    text += '"' + words[i] + '"';
  }
  return text;
}

/// A bound without the ".0" that TOML would want.
std::string render_bound(double number) {
  std::string text = render_real(number);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

bool is_device(std::string_view device) {
  if (device == "cpu") return true;
  if (!device.starts_with("cuda:")) return false;
  const std::string_view digits = device.substr(5);
  return !digits.empty() && digits.size() <= 3 && digits.find_first_not_of("0123456789") == std::string_view::npos;
}

bool are_devices(const std::vector<std::string>& devices) {
  if (devices.empty()) return false;
  if (devices.size() == 1 && devices.front() == "auto") return true;
  for (const std::string& device : devices) {
    if (!is_device(device)) return false;
  }
  return true;
}

bool is_allowed(const JobKey& key, JobValue& value) {
  if (key.kind == JobValueKind::real && std::holds_alternative<std::int64_t>(value)) {
    value = static_cast<double>(std::get<std::int64_t>(value));
  }
  if (key.kind == JobValueKind::devices && std::holds_alternative<std::string>(value)) {
    value = std::vector<std::string>{std::get<std::string>(value)};
  }
  switch (key.kind) {
    case JobValueKind::integer: {
      const auto* integer = std::get_if<std::int64_t>(&value);
      return integer != nullptr && key.range.holds(static_cast<double>(*integer));
    }
    case JobValueKind::real: {
      const auto* real = std::get_if<double>(&value);
      return real != nullptr && std::isfinite(*real) && key.range.holds(*real);
    }
    case JobValueKind::boolean:
      return std::holds_alternative<bool>(value);
    case JobValueKind::word: {
      const auto* word = std::get_if<std::string>(&value);
      return word != nullptr && std::find(key.words.begin(), key.words.end(), *word) != key.words.end();
    }
    case JobValueKind::text:
      return std::holds_alternative<std::string>(value);
    case JobValueKind::devices: {
      const auto* devices = std::get_if<std::vector<std::string>>(&value);
      return devices != nullptr && are_devices(*devices);
    }
  }
  return false;
}

}  // namespace

bool JobRange::holds(double number) const {
  if (ends == Ends::above_least && number <= least) return false;
  if (ends == Ends::below_most && number >= most) return false;
  return number >= least && number <= most;
}

std::string JobRange::describe() const {
  const std::string low = render_bound(least);
  if (ends == Ends::above_least) return "above " + low;
  if (ends == Ends::below_most) return "from " + low + " up to, but not including, " + render_bound(most);
  // Limits of the storage are no news to anybody.
  if (most > 1e9) return "at least " + low;
  return "from " + low + " to " + render_bound(most);
}

std::string render_job_value(const JobValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return render_real(*real);
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return render_text(*text);
  std::string list;
  for (const std::string& item : std::get<std::vector<std::string>>(value)) {
    list += (list.empty() ? "" : ", ") + render_text(item);
  }
  return std::string("[").append(list).append("]");
}

std::string describe_allowed(const JobKey& key) {
  switch (key.kind) {
    case JobValueKind::integer:
      return "an integer, " + key.range.describe();
    case JobValueKind::real:
      return "a number, " + key.range.describe();
    case JobValueKind::boolean:
      return "true or false";
    case JobValueKind::word:
      return join(key.words, " or ");
    case JobValueKind::text:
      return "a text in quotes";
    case JobValueKind::devices:
      return R"("auto", "cpu", "cuda:N", or a list of "cpu" and "cuda:N")";
  }
  return {};
}

std::string check_job_value(const JobKey& key, JobValue& value) {
  const std::string written = render_job_value(value);
  if (is_allowed(key, value)) return {};
  return key.full_name() + " = " + written + " is not allowed: it takes " + describe_allowed(key);
}

std::string render_key_reference() {
  const JobConfig defaults;
  std::string text;
  std::string section;
  for (const JobKey& key : job_keys()) {
    if (key.section != section) {
      text.append(section.empty() ? "" : "\n").append("## [").append(key.section).append("]\n\n");
      text += "| key | default | takes | meaning |\n|---|---|---|---|\n";
      section = key.section;
    }
    text += "| `" + key.name + "` | `" + render_job_value(key.get(defaults)) + "` | " + describe_allowed(key) + " | " +
            key.meaning + " |\n";
  }
  return text;
}

}  // namespace troupe::actors
