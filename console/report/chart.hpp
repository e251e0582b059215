#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::console {

/// One curve of a chart; points in the order of x. Points that are not finite are left out.
struct Series {
  enum class Mark { line, line_and_dots };
  std::string name;
  std::string style;  ///< CSS class that gives the colour: "s1", "s2"
  Mark mark = Mark::line;
  std::vector<std::pair<double, double>> points;
};

struct Chart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series;
};

/// The chart as one <svg> element with axes, ticks, grid and legend; a note when there is no point to draw. Long curves
/// are thinned to the least and the greatest value of each stretch, so that spikes stay.
///
/// CH-1  Every coordinate is finite and inside the drawing, whatever the points are.
[[nodiscard]] std::string render_chart(const Chart& chart);

/// Bars over "0", "1", ... as one <svg> element: `counts[i]` is how often i came.
[[nodiscard]] std::string render_bars(std::string_view title, std::string_view x_label,
                                      const std::vector<std::size_t>& counts);

/// About `wanted` round numbers (1, 2 or 5 times a power of ten) that lie from `low` to `high`.
[[nodiscard]] std::vector<double> round_ticks(double low, double high, int wanted);

/// Text as HTML shows it: & < > " and ' written as entities, control characters left out.
[[nodiscard]] std::string escape_html(std::string_view text);

/// "0.0012", "1,234", "3.4e+09": short, for axes and tables.
[[nodiscard]] std::string format_number(double number);

}  // namespace troupe::console
