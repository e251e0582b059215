#pragma once

#include "actors/config/job_config.hpp"
#include "gpt2/learning_rate.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::actors {

[[nodiscard]] std::string stage_name(std::uint32_t replica, std::uint32_t stage);
[[nodiscard]] std::string data_name(std::uint32_t replica);
inline constexpr std::string_view kTrainerName = "trainer";
inline constexpr std::string_view kServerName = "ps";

/// What a step border is good for.
struct Border {
  std::uint32_t step = 0;  ///< steps committed when it is reached
  enum class Evaluate { no, yes } evaluate = Evaluate::no;
  enum class Save { no, yes } save = Save::no;
  enum class EpochEnd { no, yes } epoch_end = EpochEnd::no;
};

/// The arithmetic of a job: who takes part, which micro-batches are whose, where the borders are. A pure function of
/// the config and of the number of samples.
///
/// Thread-safety: immutable after construction.
/// Ownership:     owns its numbers.
/// Errors:        the constructor throws ConfigError when the job does not fit the data.
/// Restart:       recomputed; the same in every process.
///
/// JP-1  Every micro-batch of a step belongs to exactly one replica, and a replica's are contiguous.
/// JP-2  Borders do not depend on the layout: the same steps for any number of replicas and stages.
/// JP-3  An epoch ends with the step that uses its last sample, and a step belongs to the epoch of its first sample, as
///       in the ledger: k epochs use every sample k times, and less than one step more.
class JobPlan final {
public:
  /// `training_samples`, `validation_samples`: of the data set.
  JobPlan(const JobConfig& job, std::uint64_t training_samples, std::uint64_t validation_samples);

  [[nodiscard]] std::uint32_t total_steps() const { return total_steps_; }
  /// The epoch (from 0) that a step (from 0) belongs to; a step may span two epochs.
  [[nodiscard]] std::uint32_t epoch_of(std::uint32_t step) const;
  /// Steps until the epochs before `epoch` were used: its first step.
  [[nodiscard]] std::uint64_t begin_of(std::uint64_t epoch) const;
  /// The first border after `step` committed steps.
  [[nodiscard]] Border next_border(std::uint32_t step) const;
  /// Micro-batches of validation, at most kEvaluationBatches; where fewer samples than one are held out, these are one.
  [[nodiscard]] std::uint32_t evaluation_batches() const { return evaluation_batches_; }
  /// First global micro-batch of a replica; it has JobConfig::micro_batches_per_replica() of them.
  [[nodiscard]] std::uint32_t first_micro_batch(std::uint32_t replica) const;
  /// Every actor of the job, in the order in which they are started.
  [[nodiscard]] std::vector<std::string> actor_names() const { return names_of(layout_); }
  [[nodiscard]] static std::vector<std::string> names_of(const LayoutConfig& layout);
  [[nodiscard]] std::uint64_t training_samples() const { return training_samples_; }
  [[nodiscard]] std::uint64_t validation_samples() const { return validation_samples_; }

private:
  const LayoutConfig layout_;
  const TrainConfig train_;
  const std::uint32_t per_replica_;
  const std::uint64_t training_samples_;
  const std::uint64_t validation_samples_;
  std::uint32_t total_steps_ = 0;
  std::uint32_t evaluation_batches_ = 0;
};

/// The job's learning-rate schedule over `total_steps`.
[[nodiscard]] gpt2::LearningRate learning_rate_rule(const JobConfig& job, std::uint32_t total_steps);

/// Validation looks at no more than so many micro-batches, evenly spread over the held-out samples: at a 64-sample step
/// it then costs less than ten steps of training.
inline constexpr std::uint32_t kEvaluationBatches = 64;

}  // namespace troupe::actors
