#include "runtime/placing/resources.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace troupe::runtime {
namespace {

constexpr std::string_view kNothing = "nothing";
constexpr std::int64_t kMost = Resources::kMaxAmount * Resources::kThousandths;

bool is_digit(char letter) {
  return letter >= '0' && letter <= '9';
}
bool is_name_letter(char letter) {
  const bool is_small = letter >= 'a' && letter <= 'z';
  return is_small || is_digit(letter) || letter == '_' || letter == '.' || letter == '-';
}

/// Walks over "cpu=2,gpu=0.5".
class ResourcesReader {
public:
  explicit ResourcesReader(std::string_view text) : text_(text) {}

  Result<std::map<std::string, std::int64_t, std::less<>>> read() {
    std::map<std::string, std::int64_t, std::less<>> amounts;
    if (is_at_end() || text_.substr(at_) == kNothing) return amounts;
    do {
      skip_spaces();
      const std::size_t begin = at_;
      const std::string name = read_name();
      if (name.empty()) return expected("a name of small letters, like cpu");
      if (name.size() > Resources::kMaxNameLetters) return wrong(begin, "a name of more than 64 letters");
      if (!take('=')) return expected("\"=\" and an amount behind " + name);
      const std::size_t where = at_;
      const std::optional<std::int64_t> amount = read_amount();
      if (!amount) return expected("an amount, like 2 or 0.5, of at most three digits behind the point");
      if (*amount > kMost) return wrong(where, "more than " + describe_amount(kMost) + " of " + name);
      if (!amounts.emplace(name, *amount).second) return wrong(begin, name + " a second time");
      if (amounts.size() > Resources::kMaxNames) return wrong(begin, "more than 64 names");
    } while (take(','));
    if (!is_at_end()) return expected("\",\" or the end");
    std::erase_if(amounts, [](const auto& each) { return each.second == 0; });
    return amounts;
  }

private:
  std::string read_name() {
    const std::size_t begin = at_;
    if (at_ < text_.size() && (text_[at_] < 'a' || text_[at_] > 'z')) return "";
    while (at_ < text_.size() && is_name_letter(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }
  /// Beyond kMost it is that and one more.
  std::optional<std::int64_t> read_amount() {
    skip_spaces();
    if (at_ >= text_.size() || !is_digit(text_[at_])) return std::nullopt;
    std::int64_t value = 0;
    for (; at_ < text_.size() && is_digit(text_[at_]); ++at_) value = grown(value, text_[at_]);
    int digits = 0;
    if (at_ < text_.size() && text_[at_] == '.') {
      for (++at_; at_ < text_.size() && is_digit(text_[at_]); ++at_, ++digits) {
        if (digits == 3) return std::nullopt;
        value = grown(value, text_[at_]);
      }
      if (digits == 0) return std::nullopt;
    }
    for (; digits < 3; ++digits) value = grown(value, '0');
    return value;
  }
  static std::int64_t grown(std::int64_t value, char digit) { return std::min(value * 10 + (digit - '0'), kMost + 1); }
  bool take(char letter) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != letter) return false;
    ++at_;
    return true;
  }
  bool is_at_end() {
    skip_spaces();
    return at_ >= text_.size();
  }
  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  Failure expected(const std::string& what) {
    skip_spaces();
    return {FailureKind::unknown, "\"" + std::string(text_) + "\": expected " + what + " at letter " +
                                      std::to_string(at_ + 1) + "; it looks like cpu=2,gpu=0.5"};
  }
  [[nodiscard]] Failure wrong(std::size_t where, const std::string& what) const {
    return {FailureKind::unknown, "\"" + std::string(text_) + "\": " + what + " at letter " +
                                      std::to_string(where + 1) + "; it looks like cpu=2,gpu=0.5"};
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string describe_amount(std::int64_t thousandths) {
  std::string text = std::to_string(thousandths / Resources::kThousandths);
  const std::int64_t rest = thousandths % Resources::kThousandths;
  if (rest == 0) return text;
  std::string digits = std::to_string(Resources::kThousandths + rest).substr(1);
  while (digits.back() == '0') digits.pop_back();
  return text + "." + digits;
}

Result<Resources> Resources::parse(std::string_view text) {
  auto amounts = ResourcesReader(text).read();
  if (!amounts) return amounts.failure();
  Resources resources;
  resources.amounts_ = std::move(amounts).value();
  return resources;
}

Resources Resources::of(std::string_view text) {
  Result<Resources> read = parse(text);
  if (!read) throw std::invalid_argument(read.failure().text);
  return std::move(read).value();
}

std::int64_t Resources::thousandths(std::string_view name) const {
  const auto found = amounts_.find(name);
  return found == amounts_.end() ? 0 : found->second;
}

bool Resources::covers(const Resources& needs) const {
  return std::ranges::all_of(needs.amounts_,
                             [this](const auto& each) { return thousandths(each.first) >= each.second; });
}

bool Resources::has_any_name_of(const Resources& other) const {
  return std::ranges::any_of(other.amounts_, [this](const auto& each) { return amounts_.contains(each.first); });
}

void Resources::add(const std::string& name, std::int64_t thousandths) {
  std::int64_t& amount = amounts_[name];
  amount = std::min(amount + thousandths, kMost);
  if (amount <= 0) amounts_.erase(name);
}

Resources& Resources::operator+=(const Resources& other) {
  for (const auto& [name, amount] : other.amounts_) add(name, amount);
  return *this;
}

Resources& Resources::operator-=(const Resources& other) {
  for (const auto& [name, amount] : other.amounts_) add(name, -amount);
  return *this;
}

Resources Resources::times(std::size_t times) const {
  Resources all;
  if (times == 0) return all;
  const auto factor = static_cast<std::int64_t>(times);
  for (const auto& [name, amount] : amounts_) {
    all.amounts_[name] = amount > kMost / factor ? kMost : amount * factor;
  }
  return all;
}

std::string Resources::describe() const {
  if (amounts_.empty()) return std::string(kNothing);
  std::string text;
  for (const auto& [name, amount] : amounts_) {
    text += (text.empty() ? "" : ",") + name + "=" + describe_amount(amount);
  }
  return text;
}

}  // namespace troupe::runtime
