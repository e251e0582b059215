#include "console/progress.hpp"

#include "console/view/table.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace troupe::console {
namespace {

constexpr std::size_t kBarCells = 24;
constexpr std::size_t kLeastBarWidth = 60;  // below this the numbers matter more than a bar

std::string format_rate(double tokens_per_second) {
  if (tokens_per_second >= 1e6) return print_number("%.1f M tok/s", tokens_per_second / 1e6);
  if (tokens_per_second >= 1e3) return print_number("%.1f k tok/s", tokens_per_second / 1e3);
  return print_number("%.0f tok/s", tokens_per_second);
}

std::string format_health(const std::vector<StageHealth>& stages) {
  std::size_t up = 0;
  std::string others;
  for (const StageHealth& stage : stages) {
    if (stage.status == "running") {
      ++up;
    } else {
      others += (others.empty() ? " (" : ", ") + stage.name + " " + stage.status;
    }
  }
  if (!others.empty()) others += ")";
  return std::to_string(up) + "/" + std::to_string(stages.size()) + " stages up" + others;
}

bool is_whole(const ProgressState& state) {
  return std::all_of(state.stages.begin(), state.stages.end(),
                     [](const StageHealth& stage) { return stage.status == "running"; });
}

/// The parts of the line, most wanted first.
std::vector<std::string> parts_of(const ProgressState& state) {
  std::vector<std::string> parts;
  parts.push_back("step " + std::to_string(state.step) + "/" + std::to_string(state.steps));
  if (state.loss) parts.push_back(print_number("loss %.4f", *state.loss));
  if (state.accuracy) parts.push_back(print_number("acc %.1f %%", *state.accuracy * 100));
  if (state.tokens_per_second) parts.push_back(format_rate(*state.tokens_per_second));
  if (state.validation_loss) parts.push_back(print_number("val %.4f", *state.validation_loss));
  if (state.eta_seconds) parts.push_back("ETA " + format_duration(*state.eta_seconds));
  if (!state.stages.empty()) parts.push_back(format_health(state.stages));
  return parts;
}

std::string in_one_line(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : "  ") + part;
  return text;
}

std::string coloured(std::string_view text, std::string_view code, Colour colour) {
  if (colour == Colour::off || text.empty()) return std::string(text);
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::string render_cells(const ProgressState& state, Colour colour) {
  const double share = state.steps == 0 ? 0.0 : static_cast<double>(state.step) / static_cast<double>(state.steps);
  const auto full = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * kBarCells);
  std::string done;
  std::string open;
  for (std::size_t i = 0; i < kBarCells; ++i) (i < full ? done : open) += i < full ? "━" : "─";
  return coloured(done, is_whole(state) ? "32" : "33", colour) + coloured(open, "2", colour);
}

void write_text(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string render_progress_line(const ProgressState& state) {
  return in_one_line(parts_of(state));
}

std::string render_progress_bar(const ProgressState& state, std::size_t width, Colour colour) {
  std::vector<std::string> parts = parts_of(state);
  const bool has_bar = width >= kLeastBarWidth;
  const std::size_t left = has_bar ? width - kBarCells - 2 : width;
  // A stage that is down is the news: it stays, the numbers before it go.
  while (parts.size() > 1 && display_width(in_one_line(parts)) > left) {
    parts.erase(is_whole(state) ? parts.end() - 1 : parts.begin());
  }
  std::string text = in_one_line(parts);
  if (text.size() > left) text.resize(left);
  if (!is_whole(state)) text = coloured(text, "33", colour);
  return has_bar ? render_cells(state, colour) + "  " + text : text;
}

Colour wanted_colour(int descriptor) {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool refuses =
      (no_colour != nullptr && *no_colour != '\0') || (terminal != nullptr && std::string_view(terminal) == "dumb");
  return isatty(descriptor) != 0 && !refuses ? Colour::on : Colour::off;
}

ProgressPrinter::Mode progress_mode_for_stderr() {
  return terminal_width(STDERR_FILENO) > 0 ? ProgressPrinter::Mode::redraw : ProgressPrinter::Mode::lines;
}

ProgressPrinter::ProgressPrinter(Mode mode, std::uint64_t every)
    : mode_(mode), every_(std::max<std::uint64_t>(every, 1)) {}

ProgressPrinter::~ProgressPrinter() {
  finish();
}

void ProgressPrinter::show(const ProgressState& state) {
  if (mode_ == Mode::quiet) return;
  if (mode_ == Mode::redraw) {
    const std::size_t width = terminal_width(STDERR_FILENO);
    // One column stays free: a full line makes some terminals wrap.
    shown_ = render_progress_bar(state, std::max<std::size_t>(width, 21) - 1, wanted_colour(STDERR_FILENO));
    write_text("\r\x1b[K" + shown_);
    return;
  }
  const std::string health = format_health(state.stages);
  const bool is_end = state.step == state.steps && written_step_ != state.step;
  if (state.step < next_step_ && !is_end && health == health_) return;
  written_step_ = state.step;
  next_step_ = state.step / every_ * every_ + every_;
  health_ = health;
  write_text(render_progress_line(state) + "\n");
}

void ProgressPrinter::say(const std::string& message) {
  if (mode_ == Mode::redraw && !shown_.empty()) {
    write_text("\r\x1b[K" + message + "\n" + shown_);
  } else {
    write_text(message + "\n");
  }
}

void ProgressPrinter::finish() {
  if (mode_ == Mode::redraw && !shown_.empty()) write_text("\n");
  shown_.clear();
}

}  // namespace troupe::console
