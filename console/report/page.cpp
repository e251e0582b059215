#include "console/report/page.hpp"

#include "console/report/chart.hpp"
#include "console/view/json_lines.hpp"
#include "console/view/table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace troupe::console {
namespace {

constexpr double kNoFigure = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kMostStaleness = 64;  // the last bar holds what is beyond

std::string print(const char* format, double number) {
  return std::isfinite(number) ? print_number(format, number) : "-";
}

std::string format_loss(double loss) {
  return print("%.4f", loss);
}
std::string format_share(double share) {
  return print("%.1f %%", share * 100);
}

std::vector<std::pair<double, double>> curve(const std::vector<nlohmann::json>& lines, const char* field) {
  std::vector<std::pair<double, double>> points;
  for (const nlohmann::json& line : lines) {
    points.emplace_back(number_of(line, "step", kNoFigure), number_of(line, field, kNoFigure));
  }
  return points;
}

std::string figure(std::string_view name, const std::string& value, const std::string& note) {
  return "<div class=\"figure\"><span>" + escape_html(name) + "</span><b>" + escape_html(value) + "</b><small>" +
         escape_html(note) + "</small></div>";
}

const nlohmann::json* best_validation(const std::vector<nlohmann::json>& lines) {
  const nlohmann::json* best = nullptr;
  for (const nlohmann::json& line : lines) {
    const double loss = number_of(line, "loss", kNoFigure);
    if (std::isfinite(loss) && (best == nullptr || loss < number_of(*best, "loss"))) best = &line;
  }
  return best;
}

std::size_t count_events(const std::vector<nlohmann::json>& events, std::string_view kind) {
  return static_cast<std::size_t>(std::count_if(
      events.begin(), events.end(), [&](const nlohmann::json& event) { return text_of(event, "event") == kind; }));
}

std::string run_state(const std::vector<nlohmann::json>& events) {
  std::string state = "not started";
  for (const nlohmann::json& event : events) {
    const std::string kind = text_of(event, "event");
    if (kind == "job_started") state = "running";
    if (kind == "job_finished") state = "finished";
    if (kind == "job_stopped") state = "stopped";
    if (kind == "job_failed") state = "failed: " + text_of(event, "cause", "no cause given");
  }
  return state;
}

double median_speed(const std::vector<nlohmann::json>& metrics) {
  std::vector<double> speeds;
  for (const nlohmann::json& line : metrics) {
    const double speed = number_of(line, "tokens_per_second", kNoFigure);
    if (std::isfinite(speed)) speeds.push_back(speed);
  }
  if (speeds.empty()) return kNoFigure;
  const auto middle = speeds.begin() + static_cast<std::ptrdiff_t>(speeds.size() / 2);
  std::nth_element(speeds.begin(), middle, speeds.end());
  return *middle;
}

std::string render_staleness(const std::vector<nlohmann::json>& metrics) {
  std::vector<std::size_t> counts;
  for (const nlohmann::json& line : metrics) {
    const auto found = line.find("staleness");
    if (found == line.end() || !found->is_array()) continue;
    for (const nlohmann::json& value : *found) {
      if (!value.is_number_unsigned()) continue;
      const std::size_t staleness = std::min<std::size_t>(value.get<std::size_t>(), kMostStaleness);
      if (counts.size() <= staleness) counts.resize(staleness + 1);
      ++counts[staleness];
    }
  }
  if (counts.empty()) return {};
  return render_bars("Staleness of gradients", "updates applied between fetch and use", counts);
}

}  // namespace

std::string render_html_table(const std::vector<std::string>& headings,
                              const std::vector<std::vector<std::string>>& rows, std::string_view empty) {
  if (rows.empty()) return "<p>" + escape_html(empty) + "</p>\n";
  std::string text = "<table><thead><tr>";
  for (const std::string& heading : headings) text += "<th>" + escape_html(heading) + "</th>";
  text += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    text += "<tr>";
    for (const std::string& cell : row) text += "<td>" + escape_html(cell) + "</td>";
    text += "</tr>\n";
  }
  return text + "</tbody></table>\n";
}

std::string render_figures(const ReportInput& input) {
  const nlohmann::json none = nlohmann::json::object();
  const nlohmann::json& last = input.metrics.empty() ? none : input.metrics.back();
  const nlohmann::json* best = best_validation(input.validation);
  std::string text = "<div class=\"figures\">";
  text += figure("steps", format_number(number_of(last, "step")), run_state(input.events));
  text += figure("training loss", format_loss(number_of(last, "loss", kNoFigure)), "nats per token, last step");
  text += figure("best validation loss", best == nullptr ? "-" : format_loss(number_of(*best, "loss")),
                 best == nullptr ? "none yet" : "at step " + format_number(number_of(*best, "step")));
  text += figure("validation accuracy", best == nullptr ? "-" : format_share(number_of(*best, "accuracy", kNoFigure)),
                 "of next tokens, at the best step");
  text += figure("speed", print("%.0f", median_speed(input.metrics)), "tokens per second, median");
  text += figure("restarts", std::to_string(count_events(input.events, "actor_restart")), "of actors that died");
  return text + "</div>\n";
}

std::string render_curves(const ReportInput& input) {
  using Mark = Series::Mark;
  const auto single = [&](const char* title, const char* unit, const char* field) {
    return render_chart({title, "step", unit, {{title, "s1", Mark::line, curve(input.metrics, field)}}});
  };
  std::string text = "<div class=\"charts\">";
  text += render_chart({"Loss",
                        "step",
                        "nats per token",
                        {{"training", "s1", Mark::line, curve(input.metrics, "loss")},
                         {"validation", "s2", Mark::line_and_dots, curve(input.validation, "loss")}}});
  text += single("Gradient norm", "before clipping", "grad_norm");
  text += single("Learning rate", "", "lr");
  text += single("Speed", "tokens per second", "tokens_per_second");
  return text + render_staleness(input.metrics) + "</div>\n";
}

std::string render_epochs(const ReportInput& input) {
  std::vector<std::vector<std::string>> rows;
  for (const nlohmann::json& line : input.validation) {
    const auto best = line.find("best");
    const bool is_best = best != line.end() && best->is_boolean() && best->get<bool>();
    rows.push_back({format_number(number_of(line, "step")), format_number(number_of(line, "epoch")),
                    format_loss(number_of(line, "train_loss", kNoFigure)),
                    format_loss(number_of(line, "loss", kNoFigure)),
                    format_share(number_of(line, "train_accuracy", kNoFigure)),
                    format_share(number_of(line, "accuracy", kNoFigure)),
                    format_duration(number_of(line, "epoch_seconds", -1)), is_best ? "best so far" : ""});
  }
  return render_html_table({"step", "epoch", "training loss", "validation loss", "training accuracy",
                            "validation accuracy", "epoch time", ""},
                           rows, "No validation yet.");
}

std::string render_restarts(const ReportInput& input) {
  std::vector<std::vector<std::string>> rows;
  std::map<std::string, std::size_t> waiting;  // actor -> its row that waits for the actor to be up again
  for (const nlohmann::json& event : input.events) {
    const std::string kind = text_of(event, "event");
    const std::string actor = text_of(event, "actor");
    if (kind == "actor_down") {
      waiting[actor] = rows.size();
      rows.push_back({print("%.1f s", number_of(event, "seconds", kNoFigure)),
                      actor + "#" + std::to_string(integer_of(event, "incarnation")), text_of(event, "node", "-"),
                      text_of(event, "cause", "-"), "not up again"});
    } else if (kind == "actor_up" && waiting.contains(actor)) {
      rows[waiting[actor]].back() = print("%.1f s", number_of(event, "seconds", kNoFigure)) + " as #" +
                                    std::to_string(integer_of(event, "incarnation"));
      waiting.erase(actor);
    }
  }
  return render_html_table({"died at", "actor", "node", "cause", "up again"}, rows, "No actor died.");
}

std::string_view report_style() {
  return R"(:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5c6670;--paper:#fff;--card:#f4f6f8;--rule:#d9dee3;--s1:#2563c9;--s2:#c4501b}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#9aa5b1;--paper:#14171b;--card:#1e2329;--rule:#333b44;--s1:#6ea8ff;--s2:#ff9a5c}}
body{margin:0 auto;max-width:1500px;padding:24px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:24px;margin:0 0 16px}h2{font-size:18px;margin:32px 0 12px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:12px}
.figure{background:var(--card);border-radius:8px;padding:12px 16px;overflow-wrap:anywhere}
.figure span,.figure small{display:block;color:var(--soft);font-size:13px}.figure b{font-size:22px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,520px),1fr));gap:12px;margin-top:12px}
svg{background:var(--card);border-radius:8px;width:100%;height:auto}
svg text{font:12px system-ui,sans-serif;fill:var(--soft)}svg text.title{font-size:15px;font-weight:600;fill:var(--ink)}
.tick-y{text-anchor:end}.tick-x{text-anchor:middle}svg .unit{font-size:12px;font-weight:400;fill:var(--soft)}
.grid{stroke:var(--rule);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}
polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}
polyline.s1,line.s1{stroke:var(--s1)}polyline.s2,line.s2{stroke:var(--s2)}line.s1,line.s2{stroke-width:2.5}
circle.s1,rect.s1{fill:var(--s1)}circle.s2{fill:var(--s2)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--rule)}th{color:var(--soft);font-weight:500}
pre{background:var(--card);border-radius:8px;padding:12px 16px;overflow:auto})";
}

}  // namespace troupe::console
