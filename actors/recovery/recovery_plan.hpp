#pragma once

#include "actors/recovery/recovery_protocol.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

/// Which stages there are and who sends to whom.
struct StageGrid {
  std::uint32_t replicas = 1;
  std::uint32_t stages = 1;
  enum class Ends : std::uint8_t { apart, tied } ends = Ends::apart;  ///< tied: first and last stage exchange gradients
  /// Whether what was sent can be sent again; a collective of a library has to begin anew with everybody.
  enum class Sums : std::uint8_t { by_messages, by_library } sums = Sums::by_messages;

  [[nodiscard]] std::size_t size() const { return std::size_t{replicas} * stages; }
  [[nodiscard]] std::size_t index(std::uint32_t replica, std::uint32_t stage) const {
    return std::size_t{replica} * stages + stage;
  }
  /// Those that a stage sends to and hears from, as indices.
  [[nodiscard]] std::vector<std::size_t> peers_of(std::size_t index) const;
};

/// What one stage is to do.
struct StageOrder {
  StateSource source = StateSource::checkpoint;
  std::uint32_t step = 0;
  std::uint32_t lender = 0;  ///< replica, for a state from a sibling
  /// With replay: whether it goes on with what it does, or begins that step and needs its inputs sent again.
  enum class Begin : std::uint8_t { goes_on, again } begin = Begin::again;

  bool operator==(const StageOrder&) const = default;
};

/// How a job goes on.
struct RecoveryPlan {
  enum class Kind : std::uint8_t {
    replay,      ///< the restarted do again what they had done since their snapshot; the others go on
    rollback,    ///< all go back to one step
    checkpoint,  ///< memory holds no whole state any more
  } kind = Kind::checkpoint;
  std::uint32_t step = 0;          ///< the committed ones with replay, where all go back to with rollback
  std::vector<StageOrder> orders;  ///< by StageGrid::index(); empty with Kind::checkpoint
};

/// Decides how a job in which `committed` steps are decided goes on from what its stages report, by StageGrid::index().
/// A pure function. As little as possible is done again: own snapshot, the sibling's state, all one step back, and the
/// newest checkpoint when no step is whole in memory.
///
/// RP-1  Replay is chosen only when every stage that needs an input has a peer that still has it or will compute it
///       again.
/// RP-2  Nobody goes to a step that is not committed, and nobody back by more than one step with replay.
/// RP-3  With rollback every stage has a source of that very step.
[[nodiscard]] RecoveryPlan plan_recovery(const StageGrid& grid, const std::vector<StageReport>& reports,
                                         std::uint32_t committed);

/// All to `step`, or to a checkpoint; from what is sealed where that is possible: what is in use came out wrong.
[[nodiscard]] RecoveryPlan plan_rollback(const StageGrid& grid, const std::vector<StageReport>& reports,
                                         std::uint32_t step);

}  // namespace troupe::actors
