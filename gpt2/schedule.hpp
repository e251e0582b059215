#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::gpt2 {

enum class Schedule { gpipe, one_f_one_b };
enum class ActionKind { forward, backward };

/// One unit of a stage's work; micro_batch is the global index within the step.
struct Action {
  ActionKind kind;
  std::uint32_t micro_batch;

  bool operator==(const Action&) const = default;
};

/// Which stage of how many.
struct StageOf {
  int stage;
  int stages;
};

/// A contiguous run of global micro-batch indices.
struct MicroBatchRange {
  std::uint32_t first;
  std::uint32_t count;
};

/// The order in which one stage works through its micro-batches in one step.
/// SC-1  gpipe (Huang et al. 2019): all forwards, then all backwards, both in ascending order.
/// SC-2  one_f_one_b (PipeDream-flush, Narayanan et al. 2021): min(count, stages - stage - 1) forwards to warm up, then
///       one forward, one backward, then the backwards left; so at most stages - stage micro-batches are kept.
/// Throws std::runtime_error when stage is not in [0, stages).
std::vector<Action> compile_schedule(Schedule schedule, StageOf position, MicroBatchRange range);

/// Empty when `orders` (one list per stage) finishes the step, else one sentence on the first thing wrong.
/// SC-3  Complete: each stage does each forward and each backward of the range exactly once.
/// SC-4  Free of deadlock: a dry run in which a forward waits for the stage before it, and a backward for its own
///       forward and for the stage after it, runs every action.
std::string check_schedule(const std::vector<std::vector<Action>>& orders, MicroBatchRange range);

/// The most micro-batches the order holds between their forward and their backward.
int most_in_flight(const std::vector<Action>& order);

}  // namespace troupe::gpt2
