#include "console/view/table.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace troupe::console {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastLastColumn = 8;

bool starts_letter(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

std::string first_letters(const std::string& text, std::size_t count) {
  std::size_t letters = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    if (starts_letter(text[end]) && letters++ == count) break;
    ++end;
  }
  return text.substr(0, end);
}

std::string cut(const std::string& text, std::size_t width) {
  if (display_width(text) <= width) return text;
  return first_letters(text, width - 3) + "...";
}

std::string aligned(const std::string& text, std::size_t width, Column::Align align) {
  const std::size_t letters = display_width(text);
  const std::string space(letters < width ? width - letters : 0, ' ');
  return align == Column::Align::right ? space + text : text + space;
}

std::string render_line(const std::vector<Column>& columns, const std::vector<std::string>& cells,
                        const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) line.append(kGap, ' ');
    line += aligned(cut(cells[i], widths[i]), widths[i], columns[i].align);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string print(const char* format, long long first, long long second) {
  std::array<char, 48> text{};
  const int length = std::snprintf(text.data(), text.size(), format, first, second);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_letter));
}

std::string render_table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows,
                         std::size_t width) {
  std::vector<std::size_t> widths;
  std::vector<std::string> headings;
  std::size_t before_last = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    std::size_t widest = display_width(columns[i].heading);
    for (const auto& row : rows) widest = std::max(widest, display_width(row[i]));
    widths.push_back(widest);
    headings.push_back(columns[i].heading);
    if (i + 1 < columns.size()) before_last += widest + kGap;
  }
  if (width > 0 && before_last + widths.back() > width) {
    const std::size_t left = width > before_last ? width - before_last : 0;
    widths.back() = std::max({left, kLeastLastColumn, display_width(columns.back().heading)});
  }
  std::string text = render_line(columns, headings, widths);
  for (const auto& row : rows) text += render_line(columns, row, widths);
  return text;
}

std::string format_duration(double seconds) {
  if (!(seconds >= 0 && seconds < 1e11)) return "-";  // a rate of zero gives an endless rest
  if (seconds < 9.95) return print("%lld.%llds", std::llround(seconds * 10) / 10, std::llround(seconds * 10) % 10);
  const long long whole = std::llround(seconds);
  if (whole < 60) return print("%llds", whole, 0);
  if (whole < 3600) return print("%lldm%02llds", whole / 60, whole % 60);
  if (whole < 24 * 3600) return print("%lldh%02lldm", whole / 3600, whole / 60 % 60);
  return print("%lldd%02lldh", whole / 86400, whole / 3600 % 24);
}

std::string print_number(const char* format, double number) {
  const int length = std::snprintf(nullptr, 0, format, number);
  std::string text(static_cast<std::size_t>(length) + 1, '\0');  // and the zero that snprintf writes
  std::snprintf(text.data(), text.size(), format, number);
  text.pop_back();
  return text;
}

std::size_t terminal_width(int descriptor) {
  winsize size{};
  if (isatty(descriptor) == 0 || ioctl(descriptor, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace troupe::console
