#include "console/report/chart.hpp"

#include "console/view/table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::console {
namespace {

constexpr double kWidth = 720, kHeight = 300;
constexpr double kLeft = 64, kRight = 16, kTop = 34, kBottom = 44;
constexpr std::size_t kMostPoints = 1200;

using Point = std::pair<double, double>;

std::string fixed(double number) {
  return print_number("%.1f", number);
}

std::vector<Point> finite_points(const std::vector<Point>& points) {
  std::vector<Point> kept;
  std::copy_if(points.begin(), points.end(), std::back_inserter(kept),
               [](const Point& point) { return std::isfinite(point.first) && std::isfinite(point.second); });
  return kept;
}

std::vector<Point> thinned(const std::vector<Point>& points) {
  if (points.size() <= kMostPoints) return points;
  const std::size_t stretches = kMostPoints / 2;
  const auto by_y = [](const Point& a, const Point& b) { return a.second < b.second; };
  std::vector<Point> kept;
  for (std::size_t i = 0; i < stretches; ++i) {
    const auto first = points.begin() + static_cast<std::ptrdiff_t>(points.size() * i / stretches);
    const auto last = points.begin() + static_cast<std::ptrdiff_t>(points.size() * (i + 1) / stretches);
    auto [least, greatest] = std::minmax_element(first, last, by_y);
    if (greatest < least) std::swap(least, greatest);
    kept.push_back(*least);
    if (greatest != least) kept.push_back(*greatest);
  }
  return kept;
}

/// Least and greatest value of one axis, widened so that it is a stretch.
struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  void widen() {
    if (high - low > 1e-12 * std::max(std::abs(low), std::abs(high))) return;
    const double more = std::max(std::abs(low) * 0.1, 1e-6);
    low -= more;
    high += more;
  }
  /// Where `value` lies between `from` and `to`; halves keep huge extents from overflowing.
  [[nodiscard]] double place(double value, double from, double to) const {
    const double share = (value / 2 - low / 2) / (high / 2 - low / 2);
    return from + std::clamp(share, 0.0, 1.0) * (to - from);
  }
};

struct Frame {
  Extent x;
  Extent y;

  [[nodiscard]] double left(double value) const { return x.place(value, kLeft, kWidth - kRight); }
  [[nodiscard]] double top(double value) const { return y.place(value, kHeight - kBottom, kTop); }
};

std::string text_at(double x, double y, std::string_view style, std::string_view text) {
  return "<text class=\"" + std::string(style) + "\" x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\">" +
         escape_html(text) + "</text>";
}

std::string line_between(double x1, double y1, double x2, double y2, std::string_view style) {
  return "<line class=\"" + std::string(style) + "\" x1=\"" + fixed(x1) + "\" y1=\"" + fixed(y1) + "\" x2=\"" +
         fixed(x2) + "\" y2=\"" + fixed(y2) + "\"/>";
}

std::string open_drawing(std::string_view title, std::string_view unit) {
  return "<svg viewBox=\"0 0 " + fixed(kWidth) + " " + fixed(kHeight) + "\" role=\"img\" aria-label=\"" +
         escape_html(title) + "\"><text class=\"title\" x=\"" + fixed(kLeft) + "\" y=\"18.0\">" + escape_html(title) +
         "<tspan class=\"unit\" dx=\"8\">" + escape_html(unit) + "</tspan></text>";
}

std::string render_axes(const Frame& frame, const Chart& chart) {
  std::string text;
  for (const double tick : round_ticks(frame.y.low, frame.y.high, 5)) {
    const double y = frame.top(tick);
    text +=
        line_between(kLeft, y, kWidth - kRight, y, "grid") + text_at(kLeft - 8, y + 4, "tick-y", format_number(tick));
  }
  for (const double tick : round_ticks(frame.x.low, frame.x.high, 7)) {
    const double x = frame.left(tick);
    text += line_between(x, kHeight - kBottom, x, kHeight - kBottom + 4, "axis") +
            text_at(x, kHeight - kBottom + 18, "tick-x", format_number(tick));
  }
  text += line_between(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
  return text + text_at((kLeft + kWidth - kRight) / 2, kHeight - 8, "tick-x", chart.x_label);
}

std::string render_series(const Series& series, const Frame& frame) {
  const std::vector<Point> points = thinned(finite_points(series.points));
  if (points.empty()) return {};
  std::string path;
  std::string dots;
  for (const auto& [x, y] : points) {
    const std::string place = fixed(frame.left(x)) + "," + fixed(frame.top(y));
    path += (path.empty() ? "" : " ") + place;
    if (series.mark == Series::Mark::line) continue;
    dots += "<circle class=\"" + series.style + "\" r=\"3\" cx=\"" + fixed(frame.left(x)) + "\" cy=\"" +
            fixed(frame.top(y)) + "\"><title>" + escape_html(series.name + " at " + format_number(x) + ": ") +
            format_number(y) + "</title></circle>";
  }
  return "<polyline class=\"" + series.style + "\" points=\"" + path + "\"/>" + dots;
}

std::string render_legend(const std::vector<Series>& series) {
  if (series.size() < 2) return {};
  std::string text;
  double x = kWidth - kRight;
  for (auto each = series.rbegin(); each != series.rend(); ++each) {
    x -= 7.5 * static_cast<double>(each->name.size()) + 34;
    text += line_between(x, 14, x + 18, 14, each->style) + text_at(x + 23, 18, "legend", each->name);
  }
  return text;
}

}  // namespace

std::string render_chart(const Chart& chart) {
  Frame frame;
  for (const Series& series : chart.series) {
    for (const auto& [x, y] : finite_points(series.points)) {
      frame.x.add(x);
      frame.y.add(y);
    }
  }
  std::string text = open_drawing(chart.title, chart.y_label);
  if (frame.x.low > frame.x.high) return text + text_at(kLeft, kHeight / 2, "legend", "no data yet") + "</svg>\n";
  frame.x.widen();
  frame.y.widen();
  text += render_axes(frame, chart);
  for (const Series& series : chart.series) text += render_series(series, frame);
  return text + render_legend(chart.series) + "</svg>\n";
}

std::string render_bars(std::string_view title, std::string_view x_label, const std::vector<std::size_t>& counts) {
  std::string text = open_drawing(title, "times seen");
  std::size_t highest = 1;
  for (const std::size_t count : counts) highest = std::max(highest, count);
  Frame frame;
  frame.y = {0.0, static_cast<double>(highest)};
  const double step = (kWidth - kLeft - kRight) / static_cast<double>(std::max<std::size_t>(counts.size(), 1));
  const std::size_t label_every = counts.size() / 20 + 1;
  const double floor = kHeight - kBottom;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double x = kLeft + step * static_cast<double>(i);
    const double y = frame.top(static_cast<double>(counts[i]));
    text += "<rect class=\"s1\" x=\"" + fixed(x + step * 0.1) + "\" y=\"" + fixed(y) + "\" width=\"" +
            fixed(step * 0.8) + "\" height=\"" + fixed(floor - y) + "\"><title>" + std::to_string(i) + ": " +
            std::to_string(counts[i]) + "</title></rect>";
    if (i % label_every == 0) text += text_at(x + step / 2, floor + 18, "tick-x", std::to_string(i));
  }
  for (const double tick : round_ticks(0, static_cast<double>(highest), 4)) {
    text += text_at(kLeft - 8, frame.top(tick) + 4, "tick-y", format_number(tick));
  }
  text += line_between(kLeft, floor, kWidth - kRight, floor, "axis");
  return text + text_at((kLeft + kWidth - kRight) / 2, kHeight - 8, "tick-x", x_label) + "</svg>\n";
}

std::vector<double> round_ticks(double low, double high, int wanted) {
  std::vector<double> ticks;
  if (!(high > low) || wanted < 1 || !std::isfinite(high / 2 - low / 2)) return ticks;
  const double rough = (high / 2 - low / 2) / wanted * 2;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * 0.999) step = factor * power;
  }
  const auto most = static_cast<std::size_t>(wanted) * 3;
  for (double index = std::ceil(low / step - 1e-9); std::isfinite(index * step) && index * step <= high; ++index) {
    ticks.push_back(index == 0 ? 0.0 : index * step);
    if (ticks.size() > most) break;
  }
  return ticks;
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(letter) >= 0x20 || letter == '\n' || letter == '\t') escaped += letter;
    }
  }
  return escaped;
}

std::string format_number(double number) {
  const double size = std::abs(number);
  const bool is_whole = size < 1e7 && number == std::floor(number);
  std::string plain = print_number(is_whole ? "%.0f" : "%.4g", number);
  const std::size_t digits_start = number < 0 ? 1 : 0;
  if (is_whole && plain.size() > digits_start + 4) {
    for (std::size_t i = plain.size() - 3; i > digits_start; i -= std::min<std::size_t>(3, i)) plain.insert(i, 1, ',');
  }
  return plain;
}

}  // namespace troupe::console
