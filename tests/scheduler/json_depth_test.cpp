#include "scheduler/json_depth.hpp"

#include <gtest/gtest.h>

#include <string>

namespace troupe::scheduler {
namespace {

TEST(JsonDepth, JD1_NamesTheBracketThatIsTooMuch) {
  EXPECT_EQ(find_too_deep("[[[]]]", 3), std::string_view::npos);
  EXPECT_EQ(find_too_deep("[[],[[{}]]]", 3), 6U);
  EXPECT_EQ(find_too_deep(R"(["[[[[\"[[[[", "\\"])", 1), std::string_view::npos) << "brackets of texts";
  EXPECT_EQ(find_too_deep(R"(["\\", [])", 1), 7U) << "an escaped backslash does not escape the quote";
  EXPECT_EQ(find_too_deep(R"({"actor":)" + std::string(200'000, '[')), 16U);
}

}  // namespace
}  // namespace troupe::scheduler
