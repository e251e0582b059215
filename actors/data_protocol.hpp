#pragma once

#include <cstdint>
#include <string_view>

/// What a data actor hears.
namespace troupe::actors {

/// From the trainer: serve the micro-batches of this replica for steps [step, until).
/// The stages set the pace: the data actor serves two steps, then one more for each StepBegun.
struct ServeSteps {
  static constexpr std::string_view kName = "data.serve_steps";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t until = 0;
  std::uint32_t begun = 0;  ///< the step that the first stage needs next, where others need earlier ones again

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, until, begun);
  }
};

/// From the first stage: `step` has begun, so the one after the next may be sent.
struct StepBegun {
  static constexpr std::string_view kName = "data.step_begun";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step);
  }
};

/// From the trainer: serve validation batches `first`, `first` + `stride`, ... below `count`.
struct ServeEvaluation {
  static constexpr std::string_view kName = "data.serve_evaluation";
  std::uint32_t epoch = 0;
  std::uint32_t step = 0;
  std::uint32_t first = 0;
  std::uint32_t stride = 1;
  std::uint32_t count = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(epoch, step, first, stride, count);
  }
};

}  // namespace troupe::actors
