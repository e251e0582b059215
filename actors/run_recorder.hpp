#pragma once

#include "actors/run_record.hpp"
#include "actors/step_tally.hpp"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

/// One committed step as metrics.jsonl tells it. Steps count from 1 in files and on the screen.
struct StepLine {
  std::uint32_t step = 0;
  StepResult result;
  double learning_rate = 0.0;
  double seconds = 0.0;  ///< since training began in this process
  double tokens_per_second = 0.0;
};

/// Which samples a step used, as ledger.jsonl tells it.
struct LedgerLine {
  std::uint32_t step = 0;
  std::uint64_t epoch = 0;
  std::uint64_t first_position = 0;
  std::vector<std::uint64_t> samples;
};

/// One validation as validation.jsonl tells it.
struct ValidationLine {
  std::uint32_t step = 0;
  std::uint32_t epoch = 0;
  std::uint64_t epoch_begin = 0;  ///< steps before the epoch
  MicroBatchLoss loss;
  std::optional<double> epoch_seconds;  ///< when an epoch ended here
};

/// The run folder's growing files: metrics, ledger, validation.
///
/// Thread-safety: single owner thread (the trainer's turn).
/// Ownership:     owns the open files.
/// Errors:        throws std::runtime_error when a file cannot be read or written.
/// Restart:       goes on where the files end.
///
/// RC-1  Each validation and each step is recorded once, however often it is repeated.
/// RC-2  `best` survives a restart: it is read back from validation.jsonl.
class RunRecorder final {
public:
  enum class Repeats { equal, free };  ///< whether repeated steps must come out the same (not so with ps_async)

  RunRecorder(const std::filesystem::path& run_directory, Repeats repeats);

  /// Empty, or what differs from the first time this step was done.
  [[nodiscard]] std::string record_step(const StepLine& line, const LedgerLine& ledger);
  /// True when this is the lowest validation loss so far (or again that step).
  bool record_validation(const ValidationLine& line);
  /// Forgets all steps after `step`, with their validations: the best is then the best of those that are left.
  void cut_after(std::uint32_t step);
  /// Forgets the validations after `step` alone: a resumed run may judge at other steps, and the file stays in order.
  void cut_validations_after(std::uint32_t step);
  /// Makes what was recorded durable: before a checkpoint, which must never be ahead of its run's record.
  void sync();

  /// Steps that are in both files of a run folder, which stay as they are.
  [[nodiscard]] static std::uint32_t count_steps(const std::filesystem::path& run_directory);
  /// Steps that are in both files.
  [[nodiscard]] std::uint32_t steps() const;
  [[nodiscard]] double best_loss() const { return best_loss_; }
  [[nodiscard]] std::uint32_t best_step() const { return best_step_; }

private:
  struct Numbers {
    double loss_sum = 0.0;
    double correct = 0.0;
    double valid = 0.0;
  };
  void load_numbers(const std::filesystem::path& metrics);
  void load_validation(std::uint32_t last_step);
  /// Of the steps in [begin, end), counted from 0.
  [[nodiscard]] Numbers sum_numbers(std::uint64_t begin, std::uint64_t end) const;

  const std::filesystem::path validation_file_;
  StepLog metrics_;
  StepLog ledger_;
  std::vector<Numbers> numbers_;                // by step - 1
  std::vector<std::uint32_t> validated_steps_;  // ascending
  double best_loss_ = std::numeric_limits<double>::infinity();
  std::uint32_t best_step_ = 0;
};

}  // namespace troupe::actors
