#pragma once

#include "actors/config/job_config.hpp"
#include "actors/stage_protocol.hpp"
#include "gpt2/data/data_order.hpp"
#include "gpt2/data/dataset.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace troupe::actors {

/// One micro-batch, ready to travel.
struct SampleBatch {
  Purpose purpose = Purpose::train;
  std::vector<std::uint64_t> samples;
  std::vector<std::int64_t> inputs;   ///< (B, T)
  std::vector<std::int64_t> targets;  ///< (B, T), -100 where padding
  std::int64_t valid_tokens = 0;      ///< validation only: of this batch
};

/// Global micro-batches [first, first + count) of a step.
struct MicroBatches {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

/// The job's data, addressed by (step, micro-batch): a pure function of the config and the text.
///
/// Thread-safety: immutable after construction.
/// Ownership:     owns the data set.
/// Errors:        the constructor throws gpt2::DataError with path and reason (missing, empty, too short, ...).
/// Restart:       rebuilt; gives the same batches.
///
/// SS-1  The samples of a step do not depend on stages, replicas or micro-batch size.
class SampleSource final {
public:
  explicit SampleSource(const JobConfig& job);

  [[nodiscard]] std::uint64_t training_samples() const;
  [[nodiscard]] std::uint64_t validation_samples() const;
  /// Position of the first sample of `step` in the data order.
  [[nodiscard]] std::uint64_t first_position(std::uint32_t step) const;
  [[nodiscard]] std::uint64_t epoch_at(std::uint32_t step) const { return order_.epoch_at(first_position(step)); }
  /// Sample ids of some micro-batches of `step`, in order.
  [[nodiscard]] std::vector<std::uint64_t> samples(std::uint32_t step, MicroBatches range) const;
  /// Targets of those micro-batches that are not padding.
  [[nodiscard]] std::int64_t valid_tokens(std::uint32_t step, MicroBatches range) const;
  [[nodiscard]] SampleBatch training_batch(std::uint32_t step, std::uint32_t micro_batch) const;
  /// Validation batch `batch` of `batches`, spread evenly over the held-out samples. A batch has micro_batch samples,
  /// or all that are held out when these are fewer.
  [[nodiscard]] SampleBatch validation_batch(std::uint32_t batch, std::uint32_t batches) const;

private:
  const JobConfig job_;
  const std::unique_ptr<const gpt2::Dataset> data_;
  const gpt2::DataOrder order_;
};

}  // namespace troupe::actors
