#pragma once

#include "runtime/store/record_log.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace troupe::actors {

/// A step is decided: everything that its commit says, and what is recorded of it.
struct Decision {
  std::uint32_t step = 0;
  std::uint32_t epoch = 0;
  std::uint64_t updates = 0;  ///< of the optimizer, with this one
  double gradient_scale = 1.0;
  double learning_rate = 0.0;
  double loss_sum = 0.0;
  std::int64_t correct = 0;
  std::int64_t valid = 0;
  double gradient_norm = 0.0;

  /// Of what is decided; the epoch in which it was may be another.
  bool operator==(const Decision& other) const {
    return step == other.step && updates == other.updates && gradient_scale == other.gradient_scale &&
           learning_rate == other.learning_rate && loss_sum == other.loss_sum && correct == other.correct &&
           valid == other.valid && gradient_norm == other.gradient_norm;
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(step, epoch, updates, gradient_scale, learning_rate, loss_sum, correct, valid, gradient_norm);
  }
};

/// commits.log of a run folder: what the trainer of this job has decided, on the disk before anybody hears of it.
///
/// Thread-safety: single owner thread (the trainer's turn).
/// Ownership:     owns the file.
/// Errors:        throws std::runtime_error when the file cannot be opened or written, with path and reason.
/// Restart:       a trainer of the same job goes on from what is there; one of another job begins anew.
///
/// DL-1  A decision is durable before decide() returns, and each step has one.
/// DL-2  An epoch is durable before it is used: none is used twice.
class DecisionLog final {
public:
  DecisionLog(const std::filesystem::path& file, std::uint64_t job);

  /// The decision made last, of the highest step.
  [[nodiscard]] const std::optional<Decision>& last() const { return last_; }
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
  /// Epoch in which all began from one step.
  [[nodiscard]] std::uint32_t since() const { return since_; }

  /// A step that was decided before, and is done again, is written again only when it came out different (a bit had
  /// changed the first time): the last word counts.
  void decide(const Decision& decision);
  void begin_epoch(std::uint32_t epoch, std::uint32_t since);

private:
  enum class Kind : std::uint8_t { job = 1, epoch = 2, step = 3 };
  struct Record;
  [[nodiscard]] static runtime::RecordLog open(const std::filesystem::path& file, std::uint64_t job, DecisionLog& into);
  [[nodiscard]] runtime::Result<runtime::Done> replay(std::span<const std::byte> payload, std::uint64_t job);
  void write(const Record& record);

  bool of_this_job_ = false;
  std::optional<Decision> last_;
  std::uint32_t epoch_ = 0;
  std::uint32_t since_ = 0;
  runtime::RecordLog log_;
};

}  // namespace troupe::actors
