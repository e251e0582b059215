#pragma once

#include "actors/stage_protocol.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace troupe::actors {

/// What has arrived for a stage and is not used yet, picked by (purpose, step, micro-batch) and never by arrival.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the messages until they are taken.
/// Errors:        a message that came twice replaces itself: both are the same by construction.
/// Restart:       empty; the epoch's start brings everything again.
///
/// SI-1  A message is taken at most once.
/// SI-2  Messages of older epochs are refused and counted.
class StageInbox final {
public:
  /// Drops everything and accepts this epoch only (and later ones, which reset it again).
  void begin_epoch(std::uint32_t epoch);
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

  /// False when the message is of another epoch.
  bool put(const BatchInputs& message);
  bool put(const BatchTargets& message);
  bool put(const ForwardActivations& message);
  bool put(const BackwardGradients& message);

  struct Forward {
    TensorBytes input;  ///< tokens (B, T) or activations (B, T, C)
    BatchTargets targets;
  };
  /// The input of a micro-batch's forward pass, when both parts are there.
  [[nodiscard]] std::optional<Forward> take_forward(Purpose purpose, std::uint32_t step, std::uint32_t micro_batch);
  [[nodiscard]] std::optional<TensorBytes> take_backward(std::uint32_t step, std::uint32_t micro_batch);
  /// Any validation micro-batch of `step` whose parts are there.
  [[nodiscard]] std::optional<std::uint32_t> ready_evaluation(std::uint32_t step) const;

private:
  using Key = std::pair<std::uint32_t, std::uint32_t>;  // (step, micro-batch)
  struct Pile {
    std::map<Key, TensorBytes> inputs;
    std::map<Key, BatchTargets> targets;
  };
  [[nodiscard]] bool is_current(std::uint32_t epoch);
  [[nodiscard]] Pile& pile(Purpose purpose) { return purpose == Purpose::train ? training_ : evaluation_; }

  std::uint32_t epoch_ = 0;
  std::uint64_t refused_ = 0;
  Pile training_;
  Pile evaluation_;
  std::map<Key, TensorBytes> gradients_;
};

}  // namespace troupe::actors
