#include "console/report.hpp"

#include "console/report/chart.hpp"
#include "console/report/page.hpp"
#include "console/view/json_lines.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace troupe::console {
namespace {

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  return text.str();
}

}  // namespace

ReportInput read_report_input(const RunFolder& folder) {
  std::error_code ignored;
  // runs/latest is a link: the name of the run is where it leads.
  const std::filesystem::path real = std::filesystem::canonical(folder.root, ignored);
  return {real.filename().string(), read_text(folder.config()), read_json_lines(folder.metrics()),
          read_json_lines(folder.validation()), read_json_lines(folder.events())};
}

std::string render_report(const ReportInput& input) {
  const std::string name = escape_html(input.name);
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>";
  page += "<title>" + name + " - troupe</title><style>" + std::string(report_style()) + "</style></head>\n<body>\n";
  page += "<h1>Run " + name + "</h1>\n" + render_figures(input) + render_curves(input);
  page += "<h2>Validation</h2>\n" + render_epochs(input);
  page += "<h2>Restarts</h2>\n" + render_restarts(input);
  page += "<h2>Job</h2>\n<pre>" + escape_html(input.config) + "</pre>\n</body></html>\n";
  return page;
}

std::filesystem::path write_report(const RunFolder& folder) {
  const std::string page = render_report(read_report_input(folder));
  const std::filesystem::path file = folder.report();
  const std::filesystem::path fresh = file.string() + "." + std::to_string(getpid());
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  out << page;
  out.close();
  if (!out || std::rename(fresh.c_str(), file.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::error_code ignored;
    std::filesystem::remove(fresh, ignored);
    throw std::runtime_error("cannot write " + file.string() + ": " + reason);
  }
  return file;
}

}  // namespace troupe::console
