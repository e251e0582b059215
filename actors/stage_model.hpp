#pragma once

#include "actors/collective/collective.hpp"
#include "actors/config/job_config.hpp"
#include "actors/fault_plan.hpp"
#include "actors/stage_inbox.hpp"
#include "actors/trainer_protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::actors {

/// Micro-batches of a step that one replica computes: [first, first + count) of `total`.
struct StepShare {
  std::uint32_t step = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t total = 0;
};

/// A slice of the model with its optimizer state, spoken to in TensorBytes: what stage actors and the parameter server
/// have in common. B samples, T context, C width, N flat size of the slice's parameters.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns weights, gradient and moments.
/// Errors:        throws std::runtime_error for a device that is not there, an unfit checkpoint, a wrong shape.
/// Restart:       rebuilt, then load().
///
/// SM-1  After load() of one checkpoint every layout holds the same parameters and moments, bit for bit.
/// SM-2  Tied copies at the two ends stay equal: both add lookup part and head part in this order and update alike.
class StageModel final {
public:
  /// On the device that place_stages() gives to that stage of that replica. The parameter server takes replica 0's: on
  /// another kind of device its updates would round differently from those of the stages.
  StageModel(const JobConfig& job, std::uint32_t stage, std::uint32_t replica = 0);
  ~StageModel();

  /// Weights and moments from a checkpoint folder; initial ones from the seed when it is empty.
  void load(const std::string& checkpoint);
  void begin_step(const StepShare& share);
  /// (B, T) or (B, T, C) -> (B, T, C).
  [[nodiscard]] TensorBytes forward(std::uint32_t micro_batch, const StageInbox::Forward& batch);
  /// The last stage's forward: keeps what backward needs, returns sums.
  [[nodiscard]] MicroBatchLoss forward_loss(std::uint32_t micro_batch, const StageInbox::Forward& batch);
  /// Gradient of the output (B, T, C), nothing at the last stage -> gradient of the input (B, T, C), empty at the
  /// first.
  [[nodiscard]] TensorBytes backward(std::uint32_t micro_batch, const std::optional<TensorBytes>& output_gradient);
  /// Without dropout, keeping nothing.
  [[nodiscard]] TensorBytes infer(const StageInbox::Forward& batch);
  [[nodiscard]] MicroBatchLoss infer_loss(std::uint32_t micro_batch, const StageInbox::Forward& batch);

  /// The block sums of the step's gradients; the model forgets them.
  [[nodiscard]] Contribution take_contribution(std::uint32_t epoch);
  /// The gradient summed over the whole step (N).
  void set_gradient(const at::Tensor& total);
  /// A fault on purpose: makes one number of it a NaN, or flips one bit.
  void damage_gradient(FaultDuty how);
  /// Whether the other end of the tied weight is another stage.
  [[nodiscard]] bool is_tied_elsewhere() const;
  /// This end's part of the tied gradient (V, C).
  [[nodiscard]] TensorBytes tied_part() const;
  /// Adds the parts: `other` of the far end, or nothing when both ends are here.
  void fold_tied(const std::optional<TensorBytes>& other);
  /// Squares of the gradient by parameter; a tied copy is counted by the first stage only.
  [[nodiscard]] std::vector<ParameterSquare> squares() const;
  /// AdamW with the gradient times `scale`; its time grows by one.
  void apply(double learning_rate, double scale);

  [[nodiscard]] TensorBytes weights() const;
  /// weights() as `updates` more of this rate are expected to leave them (gpt2::AdamW::ahead).
  [[nodiscard]] TensorBytes weights_ahead(double learning_rate, std::uint32_t updates) const;
  void set_weights(const TensorBytes& weights);
  /// Bytes of the whole state: weights, first and second moments, one after the other.
  [[nodiscard]] std::size_t state_bytes() const;
  /// Copies the state into `to`, of state_bytes(), aligned for floats.
  void copy_state(std::span<std::byte> to) const;
  /// A copy of one of its kStateParts parts (N each).
  [[nodiscard]] TensorBytes state_part(std::uint32_t part) const;
  /// The state that copy_state() gave, after so many updates of the optimizer; drops what was being computed.
  void restore_state(std::span<const std::byte> from, std::uint64_t updates);
  /// Updates of the optimizer so far.
  [[nodiscard]] std::uint64_t updates() const;
  /// Drops what was being computed; weights and moments stay.
  void abort_step();
  /// Writes this slice's shard files into `directory`.
  struct Saved {
    std::string report;  ///< JSON of what was written
    std::string error;   ///< empty, or why it could not be written (a full disk)
  };
  [[nodiscard]] Saved save(const std::string& directory) const;

private:
  struct Parts;
  const JobConfig job_;
  const std::unique_ptr<Parts> parts_;
};

}  // namespace troupe::actors
