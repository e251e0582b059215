#include "gpt2/store/json_depth.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <random>
#include <string>

namespace troupe::gpt2 {
namespace {

std::size_t levels_of(const nlohmann::json& json) {
  std::size_t most = 0;
  for (const nlohmann::json& item : json) most = std::max(most, item.is_structured() ? levels_of(item) : 0);
  return json.is_structured() ? most + 1 : 0;
}

TEST(JsonDepth, JD1_NamesTheBracketThatIsTooMuch) {
  EXPECT_EQ(find_too_deep("[[[]]]", 3), std::string_view::npos);
  EXPECT_EQ(find_too_deep("[[],[[{}]]]", 3), 6U);
  EXPECT_EQ(find_too_deep(R"({"a":[1,{"b":2}]})", 2), 8U);
  EXPECT_EQ(find_too_deep(R"(["[[[[\"[[[[", "\\"])", 1), std::string_view::npos) << "brackets of texts";
  EXPECT_EQ(find_too_deep(R"(["\\", [])", 1), 7U) << "an escaped backslash does not escape the quote";
  EXPECT_EQ(find_too_deep("]]]][[", 1), 5U);
  EXPECT_EQ(find_too_deep("", 0), std::string_view::npos);
}

TEST(JsonDepth, JD1_HoldsForWhateverParses) {
  constexpr std::string_view kLetters = R"([]{}",:\1a )";
  std::mt19937 random(1);
  int parsed = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string text = "[";
    for (std::size_t length = random() % 12; length > 0; --length) text += kLetters[random() % kLetters.size()];
    text += "]";
    const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) continue;
    ++parsed;
    const std::size_t levels = levels_of(json);
    ASSERT_EQ(find_too_deep(text, levels), std::string_view::npos) << text;
    ASSERT_NE(find_too_deep(text, levels - 1), std::string_view::npos) << text;
  }
  EXPECT_GT(parsed, 500);
}

}  // namespace
}  // namespace troupe::gpt2
