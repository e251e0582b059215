#pragma once

#include "actors/trainer_protocol.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::actors {

/// What came out of one step, summed over all replicas and stages.
struct StepResult {
  double loss_sum = 0.0;  ///< of all valid tokens
  std::int64_t correct = 0;
  std::int64_t valid = 0;
  double gradient_norm = 0.0;            ///< global L2 norm, tied weights once
  std::vector<std::uint64_t> staleness;  ///< ps_async: one for each replica's update
  double busy_seconds = 0.0;             ///< longest stage
  /// Digests of the states before the step, by stage, by replica; of stages whose replicas all keep one.
  std::map<std::uint32_t, std::vector<std::string>> states = {};
  /// The first stage whose replicas do not hold the same.
  [[nodiscard]] std::optional<std::uint32_t> different_stage() const;

  [[nodiscard]] double loss() const { return valid > 0 ? loss_sum / static_cast<double>(valid) : 0.0; }
  [[nodiscard]] double accuracy() const {
    return valid > 0 ? static_cast<double>(correct) / static_cast<double>(valid) : 0.0;
  }
};

/// Sums in micro-batch order: the same bits whoever reported first.
[[nodiscard]] MicroBatchLoss sum_losses(std::vector<MicroBatchLoss> losses);

/// Collects the votes of steps until each is complete.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the votes of steps in progress.
/// Errors:        votes that were counted before are ignored.
/// Restart:       cleared when a new epoch begins.
///
/// ST-1  Loss and norm do not depend on the order in which votes arrive: losses are summed by micro-batch index,
///       squares by canonical parameter index.
/// ST-2  A step is complete when every stage of every replica voted, and every owner of parameters.
/// ST-3  A vote that comes twice counts once; after forget() that stage's votes are needed again.
class StepTally final {
public:
  /// `owner_votes`: extra votes a step needs beside those of the stages: 1 with ps_sync, the replicas with ps_async.
  StepTally(std::uint32_t stage_votes, std::uint32_t owner_votes)
      : stage_votes_(stage_votes), owner_votes_(owner_votes) {}

  void add(const StepVote& vote);
  void add(const ServerVote& vote);
  void add(const AsyncApplied& applied);
  /// The result of `step` if it is complete; its votes are forgotten.
  [[nodiscard]] std::optional<StepResult> take(std::uint32_t step);
  void clear() { steps_.clear(); }
  /// A stage was started again and will vote again.
  void forget(std::uint32_t replica, std::uint32_t stage);

private:
  struct Votes {
    std::map<std::pair<std::uint32_t, std::uint32_t>, StepVote> stages;  // by (replica, stage)
    std::set<std::uint32_t> owners;                                      // replica, or 0 for the whole server
    std::map<std::int64_t, double> squares;                              // of the server, by canonical index
    std::map<std::uint32_t, std::uint64_t> staleness;                    // by replica
    double async_norm = 0.0;
  };
  [[nodiscard]] static std::map<std::uint32_t, std::vector<std::string>> states_of(const Votes& votes);
  const std::uint32_t stage_votes_;
  const std::uint32_t owner_votes_;
  std::map<std::uint32_t, Votes> steps_;
};

}  // namespace troupe::actors
