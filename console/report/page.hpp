#pragma once

#include "console/report.hpp"

#include <string>
#include <string_view>
#include <vector>

/// Parts of the report page, each a piece of well-formed HTML.
namespace troupe::console {

/// The style sheet, for light and dark screens.
[[nodiscard]] std::string_view report_style();

/// Cells are escaped. Without rows: `empty` as a sentence.
[[nodiscard]] std::string render_html_table(const std::vector<std::string>& headings,
                                            const std::vector<std::vector<std::string>>& rows, std::string_view empty);

/// Boxes with the run's main figures.
[[nodiscard]] std::string render_figures(const ReportInput& input);
/// Loss, learning rate, gradient norm and speed over steps, and staleness where updates were asynchronous.
[[nodiscard]] std::string render_curves(const ReportInput& input);
[[nodiscard]] std::string render_epochs(const ReportInput& input);
[[nodiscard]] std::string render_restarts(const ReportInput& input);

}  // namespace troupe::console
