#pragma once

#include "actors/tensor_bytes.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What trainer and stages say to each other when somebody was lost: who holds what, who restores what, who is back.
namespace troupe::actors {

/// From the trainer (request; answered with StageReport): a new epoch of the membership begins. What is being computed
/// goes on; decisions of older epochs are refused from now on.
struct Regroup {
  static constexpr std::string_view kName = "stage.regroup";
  std::uint32_t epoch = 0;
  std::vector<std::uint32_t> incarnations;  ///< of the whole job, in the order of actor_names(): for the log

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, incarnations);
  }
};

/// What a stage can go on from. Step n is the state after n committed steps.
struct StageReport {
  static constexpr std::string_view kName = "stage.report";
  enum class Holds : std::uint8_t { nothing = 0, state = 1 };
  enum class Vote : std::uint8_t { due = 0, given = 1 };
  enum class Work : std::uint8_t { none = 0, begun = 1 };
  enum class Inputs : std::uint8_t { complete = 0, missing = 1 };
  std::uint32_t epoch = 0;
  Holds holds = Holds::nothing;
  std::uint32_t step = 0;                ///< of its weights, when it holds any
  Vote vote = Vote::due;                 ///< given: it needs no more inputs for that step
  Work work = Work::none;                ///< begun: the border before that step is done
  Inputs inputs = Inputs::complete;      ///< missing: it has restored its state, and was not told to compute since
  std::uint32_t log_from = 0;            ///< everything it sent in this step and later can be sent again
  std::vector<std::uint32_t> snapshots;  ///< steps that lie sealed in its node's memory

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, holds, step, vote, work, inputs, log_from, snapshots);
  }
};

/// Where a state comes from.
enum class StateSource : std::uint8_t {
  checkpoint = 0,  ///< a folder; no folder = the initial weights from the seed
  memory = 1,      ///< the stage has it
  snapshot = 2,    ///< its node's memory
  sibling = 3,     ///< the same stage of another replica
};

/// Whether a stage goes on with what it has and does.
[[nodiscard]] inline bool goes_on(const StageReport& report) {
  return report.holds == StageReport::Holds::state && report.inputs == StageReport::Inputs::complete;
}

/// An actor that holds nothing of what was sent to it before: it needs everything from `step` on again.
struct Restarted {
  std::string name;
  std::uint32_t step = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, step);
  }
};

/// From the trainer (request; answered with Resumed): all have what they need; send the restarted what they missed.
struct Resume {
  static constexpr std::string_view kName = "stage.resume";
  std::uint32_t epoch = 0;
  std::vector<Restarted> restarted;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, restarted);
  }
};

struct Resumed {
  static constexpr std::string_view kName = "stage.resumed";
  std::uint32_t epoch = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch);
  }
};

/// A state travels in so many parts: weights, first moments, second moments (a message carries 1 GiB at most).
inline constexpr std::uint32_t kStateParts = 3;

/// From a stage to the same stage of another replica (request; answered with StateLent): a part of its state of `step`.
struct LendState {
  static constexpr std::string_view kName = "stage.lend_state";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t part = 0;  ///< below kStateParts

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, part);
  }
};

struct StateLent {
  static constexpr std::string_view kName = "stage.state_lent";
  std::uint32_t step = 0;
  std::uint64_t updates = 0;  ///< of the optimizer
  std::string digest;         ///< of the whole state, when the lender has sealed it
  TensorBytes part;           ///< (N)

  template <class Archive>
  void serialize(Archive& archive) {
    archive(step, updates, digest, part);
  }
};

/// From a stage to the trainer: what a restarted neighbour sent again is not what it had sent the first time.
struct ReplayDiffers {
  static constexpr std::string_view kName = "trainer.replay_differs";
  std::uint32_t step = 0;
  std::string what;  ///< which message of whom

  template <class Archive>
  void serialize(Archive& archive) {
    archive(step, what);
  }
};

}  // namespace troupe::actors
