#pragma once

#include "actors/stage_protocol.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

/// What has arrived for a stage and is not used yet, picked by (purpose, step, micro-batch) and never by arrival.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the messages until they are taken.
/// Errors:        a message that comes again after a neighbour's restart is dropped; when its bytes are not those of
/// the
///                first time, differences() says so.
/// Restart:       empty; its neighbours send everything again.
///
/// SI-1  A message is taken at most once, however often it comes.
/// SI-2  Messages from before the epoch in which all began from one step are refused and counted; so is evaluation of
///       any other epoch than the present one.
/// SI-3  Of steps that are done nothing is kept, and nothing taken in.
class StageInbox final {
public:
  /// Drops everything. From now on what was sent in epoch `since` or later is accepted.
  void begin_epoch(std::uint32_t epoch, std::uint32_t since);
  void begin_epoch(std::uint32_t epoch) { begin_epoch(epoch, epoch); }
  /// The membership changed, and what is being computed goes on; evaluation begins anew.
  void continue_in(std::uint32_t epoch);
  /// Steps before `step` are done.
  void begin_step(std::uint32_t step);
  [[nodiscard]] bool is_of_this_life(std::uint32_t epoch) const { return epoch >= since_; }
  [[nodiscard]] std::uint32_t epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  /// Messages that came again: they change nothing.
  [[nodiscard]] std::uint64_t repeated() const { return repeated_; }
  /// The messages that came again with other bytes, in words; forgotten by this call.
  [[nodiscard]] std::vector<std::string> take_differences() { return std::exchange(differences_, {}); }

  /// False when the message changes nothing: it is of another epoch, of a step that is done, or was there before.
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
  enum class Kind : std::uint8_t { inputs, targets, gradients };
  struct Arrival {
    Kind kind = Kind::inputs;
    Purpose purpose = Purpose::train;
    std::uint32_t epoch = 0;
    Key key;
  };
  [[nodiscard]] bool is_new(const Arrival& arrival, const TensorBytes& bytes);
  [[nodiscard]] Pile& pile(Purpose purpose) { return purpose == Purpose::train ? training_ : evaluation_; }

  std::uint32_t epoch_ = 0;
  std::uint32_t since_ = 0;
  std::uint32_t step_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t repeated_ = 0;
  std::vector<std::string> differences_;
  std::map<std::pair<Kind, Key>, std::uint32_t> seen_;  // training messages of this step and later: checksum
  Pile training_;
  Pile evaluation_;
  std::map<Key, TensorBytes> gradients_;
};

}  // namespace troupe::actors
