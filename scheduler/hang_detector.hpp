#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/clock.hpp"
#include "runtime/message/envelope.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// When an actor counts as hung.
struct HangLimits {
  runtime::Duration floor = std::chrono::seconds(2);    ///< no turn is judged before; 0 = nothing is ever judged
  double factor = 8;                                    ///< so many times the longest of late in the same phase
  runtime::Duration first = std::chrono::seconds(120);  ///< of a phase that nobody has seen end yet
  double computing = 4;                                 ///< a turn that uses the processor has so many times as long
  runtime::Duration stopped = std::chrono::seconds(1);  ///< of a process that a signal has stopped
  runtime::Duration every = std::chrono::milliseconds(100);  ///< how often is looked
};

/// Of the environment variable TROUPE_HANG_SECONDS: the floor, 0 for never; the defaults for nothing. Throws
/// std::runtime_error for what is no such number.
[[nodiscard]] HangLimits parse_hang_limits(const char* text);

/// What one look at an actor shows: its status page, and what the kernel says of its process.
struct ActorSight {
  runtime::ActorId actor;
  runtime::Phase phase = runtime::Phase::none;
  std::uint32_t step = 0;
  std::uint32_t micro_batch = 0;
  std::int64_t busy_since_ns = 0;  ///< Snapshot::busy_since_ns: 0 = between turns, and then it waits for others
  std::int64_t updated_ns = 0;     ///< Snapshot::updated_ns: grows with each turn and each note()
  enum class Process { runs, stopped, traced } process = Process::runs;
  runtime::Duration processor_time{0};  ///< of the process, all its threads
};

/// An actor that is to be ended, and why, in words.
struct Hang {
  runtime::ActorId actor;
  std::string why;
};

/// Tells hung actors from slow and from waiting ones, by looks at them. An actor works only in its turns; between them
/// it waits for others, however long. So one is hung whose turn lasts, without a note of progress, longer than its
/// phase allows: max(floor, factor x the longest of late), or, before the phase has been seen, `first`. A turn that
/// uses the processor has `computing` times as long: it may be a slow one. A process that a signal has stopped does not
/// compute.
///
/// Time in which the looker itself did not run counts for nobody, and while its looks are late all deadlines are longer
/// in the same measure: a machine that is too busy to look is too busy to judge.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns what it remembers of each actor, by name.
/// Errors:        none; a pure function of the looks and their times.
/// Restart:       learns anew; `first` is for everybody then.
///
/// HG-1  Between turns nobody is hung.
/// HG-2  A turn in a known phase is hung after max(floor, factor x longest), and not before.
/// HG-3  A process stopped for longer than `stopped` is reported, one that goes on before is not.
/// HG-4  Late looks lengthen every deadline; time without looks is counted for nobody.
/// HG-5  An incarnation is reported once.
class HangDetector final {
public:
  explicit HangDetector(HangLimits limits) : limits_(limits) {}

  /// All that is looked at, at `now`; who is not among them any more is forgotten, but not what its phases took.
  [[nodiscard]] std::vector<Hang> look(runtime::TimePoint now, std::span<const ActorSight> sights);

private:
  struct Watched {
    std::uint32_t incarnation = 0;
    std::int64_t updated_ns = 0;  // of the turn, or the part of it, that runs; with its age and its processor time
    runtime::Duration age{0};
    runtime::Duration processor_before{0};
    runtime::Phase phase = runtime::Phase::none;
    runtime::Duration stopped_for{0};
    std::uint32_t first_step = 0;
    enum class Told { no, yes } told = Told::no;
  };
  using Longest = std::map<runtime::Phase, runtime::Duration>;

  [[nodiscard]] std::string judge(Watched& watched, const ActorSight& sight, runtime::Duration credit);
  [[nodiscard]] std::string judge_stop(Watched& watched, runtime::Duration credit) const;
  void end_part(const Watched& watched, const std::string& name);
  [[nodiscard]] runtime::Duration deadline(const Watched& watched, const ActorSight& sight) const;

  const HangLimits limits_;
  std::map<std::string, Watched> watched_;  // by name
  std::map<std::string, Longest> longest_;  // by name; over all incarnations
  runtime::TimePoint last_look_{};
  double lateness_ = 1;  // mean of how late looks come, as a multiple of `every`
};

}  // namespace troupe::scheduler
