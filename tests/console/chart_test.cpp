#include "console/report/chart.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string_view>

namespace troupe::console {
namespace {

Chart chart_of(std::vector<std::pair<double, double>> points) {
  return {"Loss", "step", "nats", {{"training", "s1", Series::Mark::line_and_dots, std::move(points)}}};
}

/// All coordinates of all curves.
std::vector<double> coordinates(const std::string& svg) {
  constexpr std::string_view kMark = " points=\"";
  std::vector<double> numbers;
  for (std::size_t at = svg.find(kMark); at != std::string::npos; at = svg.find(kMark, at + 1)) {
    const std::size_t start = at + kMark.size();
    std::string list = svg.substr(start, svg.find('"', start) - start);
    std::replace(list.begin(), list.end(), ',', ' ');
    std::istringstream in(list);
    for (double number = 0; in >> number;) numbers.push_back(number);
    EXPECT_TRUE(in.eof()) << "not a number in " << list;
  }
  return numbers;
}

TEST(Chart, CH1_CoordinatesAreFiniteAndInside) {
  const double huge = std::numeric_limits<double>::max();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const std::vector<std::vector<std::pair<double, double>>> cases = {
      {{1, 2}},
      {{1, 5}, {2, 5}, {3, 5}},
      {{1, 0}, {2, 0}},
      {{0, -huge}, {1, huge}},
      {{1, nan}, {2, 3}, {nan, 4}, {3, inf}, {4, -inf}, {5, 1}},
      {{1, 1e-300}, {2, 2e-300}},
  };
  for (const auto& points : cases) {
    const std::string svg = render_chart(chart_of(points));
    const std::vector<double> numbers = coordinates(svg);
    EXPECT_FALSE(numbers.empty()) << svg;
    for (const double number : numbers) EXPECT_TRUE(number >= 0 && number <= 720) << number;
    EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
    EXPECT_EQ(svg.find("inf"), std::string::npos) << svg;
  }
}

TEST(Chart, WithoutPointsItSaysSo) {
  EXPECT_NE(render_chart(chart_of({})).find("no data yet"), std::string::npos);
  EXPECT_NE(render_chart({"Loss", "step", "", {}}).find("no data yet"), std::string::npos);
}

TEST(Chart, LongCurvesAreThinnedButSpikesStay) {
  std::vector<std::pair<double, double>> points;
  for (int i = 0; i < 100'000; ++i) points.emplace_back(i, i == 54'321 ? 100.0 : 1.0);
  const std::vector<double> numbers = coordinates(render_chart(chart_of(points)));
  EXPECT_LE(numbers.size(), 2U * 1200);
  EXPECT_NE(std::find(numbers.begin(), numbers.end(), 34.0), numbers.end()) << "the spike reaches the top";
}

TEST(Chart, TicksAreRoundAndInside) {
  EXPECT_EQ(round_ticks(0, 700, 7), (std::vector<double>{0, 100, 200, 300, 400, 500, 600, 700}));
  EXPECT_EQ(round_ticks(1.4, 5.6, 4), (std::vector<double>{2, 4}));
  EXPECT_EQ(round_ticks(-1, 1, 4), (std::vector<double>{-1, -0.5, 0, 0.5, 1}));
  EXPECT_TRUE(round_ticks(1, 1, 4).empty());
  EXPECT_TRUE(round_ticks(2, 1, 4).empty());
  for (double size = 1e-9; size < 1e9; size *= 3.7) {
    const std::vector<double> ticks = round_ticks(size, 2.3 * size, 5);
    EXPECT_GE(ticks.size(), 2U) << size;
    EXPECT_LE(ticks.size(), 8U) << size;
  }
}

TEST(Chart, NumbersAreShort) {
  const std::vector<std::pair<double, const char*>> cases = {
      {0, "0"},         {7, "7"},           {1234, "1234"},  {12345, "12,345"}, {-1234567, "-1,234,567"},
      {0.003, "0.003"}, {2.34567, "2.346"}, {1e12, "1e+12"}, {-0.5, "-0.5"},
  };
  for (const auto& [number, text] : cases) EXPECT_EQ(format_number(number), text);
}

TEST(Chart, BarsShowEachCount) {
  const std::string svg = render_bars("Staleness", "updates", {3, 0, 9});
  EXPECT_NE(svg.find("<title>2: 9</title>"), std::string::npos);
  EXPECT_NE(render_bars("Staleness", "updates", {}).find("</svg>"), std::string::npos);
}

TEST(Chart, TextsAreEscaped) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&\x01"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
}

}  // namespace
}  // namespace troupe::console
