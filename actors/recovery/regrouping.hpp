#pragma once

#include "actors/checkpoint_keeper.hpp"
#include "actors/config/job_config.hpp"
#include "actors/recovery/recovery_plan.hpp"
#include "runtime/context.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe::actors {

/// Brings the stages of a job (and its parameter server) to a state from which it goes on: asks who holds what, decides
/// (plan_recovery), has states restored, has the logs sent again.
///
///   asking --1--> loading --2--> resuming --3--> whole
///
/// 1 every stage has reported (at once where the job does not replay)    2 whoever restores has restored
/// 3 the others have sent again what the restarted missed (at once without any)
///
/// Thread-safety: single owner thread (the trainer's turn).
/// Ownership:     borrows job and listener; both outlive every answer.
/// Errors:        who fails or does not answer is `gone`: its end is waited for, and a new epoch. What no restart can
///                repair is `unfit`.
/// Restart:       begin() starts over; answers of earlier epochs are ignored.
///
/// RE-1  Nobody is told to compute before everybody has what it needs.
/// RE-2  Answers of an epoch that is over change nothing.
/// RE-3  Where all go back, they do so in an epoch in which nobody has sent anything.
class Regrouping final {
public:
  struct Outcome {
    RecoveryPlan plan;
    FoundCheckpoint checkpoint;         ///< with Kind::checkpoint
    std::vector<StageReport> reports;   ///< by StageGrid::index(); empty where nobody was asked
    std::vector<std::string> restored;  ///< stages that came back empty
  };
  struct Listener {
    std::function<void(const Outcome&, runtime::Context&)> on_whole;
    std::function<void(const runtime::ActorId&, const std::string&, runtime::Context&)> on_gone;
    std::function<void(const std::string&, runtime::Context&)> on_unfit;
    std::function<void(const std::string&, runtime::Context&)> on_again;  ///< a source failed: plan anew
    std::function<std::uint32_t()> begin_epoch;  ///< the next one, durable: nothing of before belongs to it
    std::function<FoundCheckpoint(runtime::Context&)> find_checkpoint;  ///< asked only when memory does not do
  };

  Regrouping(const JobConfig& job, Listener listener);

  struct Start {
    std::uint32_t epoch = 0;
    std::uint32_t since = 0;               ///< epoch in which all began from one step
    std::uint32_t committed = 0;           ///< steps
    std::optional<std::uint32_t> back_to;  ///< all go to that step: what was computed since is of no use
    std::vector<runtime::ActorId> up;      ///< in the order of the job's actors
  };
  void begin(Start start, runtime::Context& context);
  /// Somebody was lost again: what is under way is of no use.
  void cancel() { start_.epoch = 0; }

  /// First step for which stages of the replica need inputs, and the one that its first stage needs next.
  struct Feed {
    std::uint32_t step = 0;
    std::uint32_t begun = 0;
  };
  [[nodiscard]] static Feed feed_of(const Outcome& outcome, const StageGrid& grid, std::uint32_t replica);
  [[nodiscard]] const StageGrid& grid() const { return grid_; }

private:
  void decide(runtime::Context& context);
  void order_states(runtime::Context& context);
  void loaded(const runtime::ActorId& actor, const runtime::Result<StateLoaded>& answer, runtime::Context& context);
  void resume(runtime::Context& context);
  void whole(runtime::Context& context);
  [[nodiscard]] LoadState base_order() const;
  [[nodiscard]] runtime::ActorId stage_at(std::size_t index) const;
  [[nodiscard]] runtime::ActorId living(const std::string& name) const;

  const JobConfig& job_;
  const Listener listener_;
  const StageGrid grid_;
  Start start_;
  Outcome outcome_;
  std::size_t unanswered_ = 0;
};

/// Who sends to whom in that job.
[[nodiscard]] StageGrid grid_of(const JobConfig& job);

}  // namespace troupe::actors
