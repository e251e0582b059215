#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::console {

/// How one pipeline stage is, for the progress line.
struct StageHealth {
  std::string name;
  std::string status;  ///< "running" counts as up
  std::string phase;
};

/// What the progress line shows. Losses in nats per token, accuracies from 0 to 1, times in seconds.
struct ProgressState {
  std::uint64_t step = 0;
  std::uint64_t steps = 0;
  std::uint64_t epoch = 0;
  std::optional<double> loss;
  std::optional<double> accuracy;
  std::optional<double> tokens_per_second;
  std::optional<double> eta_seconds;
  std::optional<double> validation_loss;
  std::vector<StageHealth> stages;
  double elapsed = 0.0;
};

enum class Colour { off, on };

/// "step 100/700  loss 2.3456  acc 31.2 %  14.1 k tok/s  val 2.4012  ETA 2m10s  4/4 stages up". When stages are not up
/// they are named.
[[nodiscard]] std::string render_progress_line(const ProgressState& state);

/// The same for a terminal: a bar first, parts left out from the right until it fits into `width` letters.
///
/// PG-1  Never wider than `width`, colour codes not counted.
[[nodiscard]] std::string render_progress_bar(const ProgressState& state, std::size_t width, Colour colour);

/// Whether standard error is a terminal that wants colours (NO_COLOR and TERM=dumb say no).
[[nodiscard]] Colour wanted_colour(int descriptor);

/// Shows progress on standard error: redraws one line on a terminal, else writes a line every `every` steps and
/// whenever the health of the stages changes.
///
/// Thread-safety: single owner thread.
/// Ownership:     borrows standard error.
/// Errors:        a closed standard error is ignored.
/// Restart:       stateless but for the last line.
class ProgressPrinter final {
public:
  enum class Mode { redraw, lines, quiet };
  explicit ProgressPrinter(Mode mode, std::uint64_t every = 10);
  ~ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;

  void show(const ProgressState& state);
  /// A message of its own, without tearing the progress line.
  void say(const std::string& message);
  /// Leaves the last state on the screen and moves to the next line.
  void finish();

private:
  const Mode mode_;
  const std::uint64_t every_;
  std::string shown_;               // the line now on the terminal
  std::uint64_t next_step_ = 0;     // in lines mode: the step at which to write again
  std::uint64_t written_step_ = 0;  // in lines mode: as last written
  std::string health_;              // in lines mode: as last written
};

/// redraw on a terminal, else lines.
[[nodiscard]] ProgressPrinter::Mode progress_mode_for_stderr();

}  // namespace troupe::console
