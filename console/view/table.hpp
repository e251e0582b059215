#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::console {

/// A column of a text table.
struct Column {
  enum class Align { left, right };
  std::string heading;
  Align align = Align::left;
};

/// Aligned text: a heading line, then one line a row, two spaces between columns. With `width` > 0 the last column is
/// cut so that no line is longer; a cut cell ends in "...".
///
/// TT-1  Every column begins at the same place in every line.
/// TT-2  No line is wider than `width`, as far as the last column can give way.
[[nodiscard]] std::string render_table(const std::vector<Column>& columns,
                                       const std::vector<std::vector<std::string>>& rows, std::size_t width);

/// Letters of a UTF-8 text, which is what a terminal gives columns to.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// "0.4s", "12s", "3m05s", "2h07m", "3d04h": at most six letters up to a hundred days. `seconds` below 0 or without end
/// give "-".
[[nodiscard]] std::string format_duration(double seconds);

/// `number` by a printf format with one place for a double, however long it gets.
[[nodiscard]] std::string print_number(const char* format, double number);

/// Width of the terminal behind a descriptor; 0 when it is none.
[[nodiscard]] std::size_t terminal_width(int descriptor);

}  // namespace troupe::console
