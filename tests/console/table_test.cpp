#include "console/view/table.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace troupe::console {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

const std::vector<Column> kColumns = {{"NAME"}, {"COUNT", Column::Align::right}, {"NOTE"}};

TEST(Table, TT1_ColumnsBeginAtTheSamePlace) {
  EXPECT_EQ(render_table(kColumns, {{"stage/r0.s1", "7", "fine"}, {"é", "12345678", ""}}, 0),
            "NAME            COUNT  NOTE\n"
            "stage/r0.s1         7  fine\n"
            "é            12345678\n");
}

TEST(Table, TT2_NoLineIsWiderThanTheTerminal) {
  const std::vector<std::vector<std::string>> rows = {{"a", "1", std::string(300, 'x')}, {"b", "2", "short"}};
  for (std::size_t width = 24; width < 330; width += 7) {
    for (const std::string& line : lines_of(render_table(kColumns, rows, width))) {
      EXPECT_LE(display_width(line), width) << line;
    }
  }
  EXPECT_TRUE(lines_of(render_table(kColumns, rows, 40))[1].ends_with("x..."));
}

TEST(Table, NoRowsGiveTheHeadings) {
  EXPECT_EQ(render_table(kColumns, {}, 0), "NAME  COUNT  NOTE\n");
}

TEST(Table, DurationsAreShort) {
  const std::vector<std::pair<double, const char*>> cases = {
      {-1, "-"},        {0, "0.0s"},       {0.44, "0.4s"},          {9.94, "9.9s"},          {9.96, "10s"},
      {59.4, "59s"},    {59.6, "1m00s"},   {185, "3m05s"},          {3599.7, "1h00m"},       {7620, "2h07m"},
      {86400, "1d00h"}, {273600, "3d04h"}, {std::stod("nan"), "-"}, {std::stod("inf"), "-"},
  };
  for (const auto& [seconds, text] : cases) EXPECT_EQ(format_duration(seconds), text) << seconds;
}

TEST(Table, NumbersMayBeLong) {
  EXPECT_EQ(print_number("%.4f!", 1e300).size(), 307U);
}

}  // namespace
}  // namespace troupe::console
