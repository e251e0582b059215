#pragma once

#include "runtime/message/envelope.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors {

class JobPlan;

/// What a fault does. Where it says "the caller", FaultPlan only says what is due (FaultDuty).
enum class FaultAction {
  kill9,    ///< SIGKILL to itself
  exit,     ///< ends with status 3
  raise,    ///< "throw": an exception in the handler
  abort,    ///< abort()
  segv,     ///< writes where it may not
  stop,     ///< SIGSTOP to itself, and SIGCONT after `duration` (0 = never)
  hang,     ///< the handler never returns; other threads of the process go on
  slow,     ///< the handler takes `duration` longer, each time
  oom,      ///< takes memory until the kernel kills it; only where a memory cgroup has a limit
  nan,      ///< the caller makes one number of its result a NaN
  flip,     ///< the caller flips one bit of its result
  fail,     ///< the caller's work fails with an error
  drop,     ///< of messages: some that come in are lost
  dup,      ///< some come twice
  reorder,  ///< some change places with the next
  corrupt,  ///< some have one bit flipped
  delay,    ///< some come `duration` later
};

/// Edges of the protocols that a phase is too coarse for.
enum class FaultPoint {
  none,            ///< the rule has a phase instead
  voted,           ///< stage: its vote is sent, no commit yet
  committed,       ///< stage: the commit is heard, the optimizer has not run
  applied,         ///< stage: the optimizer has run, nothing is copied yet
  snapshot,        ///< stage: half of the state is copied
  restore,         ///< stage: it is about to take a state from somewhere
  replay,          ///< stage: it is about to do the first action again
  lend,            ///< stage: it gives its state to a sibling
  votes_in,        ///< trainer: every vote is there, nothing is written
  commit_written,  ///< trainer: the commit is on disk, nobody is told
  told,            ///< trainer: everybody is told
  shard_written,   ///< stage or ps: its part of a checkpoint is written
  before_rename,   ///< trainer: all parts are there, the checkpoint has not its name yet
  renamed,         ///< trainer: the checkpoint has its name, LATEST says the one before
};

/// The names above; "none" for none.
[[nodiscard]] std::string_view to_string(FaultPoint point);
/// As in a rule: "kill9", "throw", and so on.
[[nodiscard]] std::string_view to_string(FaultAction action);

/// What a rule of random kills has for an actor.
inline constexpr std::string_view kAnyActor = "random";

/// One fault on purpose, in one of three forms:
///
///   "kill9 stage/r0.s1 @step=20,phase=backward[,mb=N][,incarnation=N]", or point=NAME in place of the phase
///   "drop stage/r0.s1 @rate=0.05[,seed=N][,incarnation=N]", of the messages that come to that actor's process
///   "kill9 random every=3s [seed=N]", a random actor again and again
struct FaultRule {
  FaultAction action = FaultAction::kill9;
  std::chrono::milliseconds duration{0};  ///< of stop, slow and delay
  std::string actor;                      ///< or kAnyActor
  std::uint32_t step = 0;                 ///< from 1; 0 = any, where a rule may leave it out
  runtime::Phase phase = runtime::Phase::none;
  FaultPoint point = FaultPoint::none;       ///< one of phase and point
  std::optional<std::uint32_t> micro_batch;  ///< only this one, numbered over all replicas
  std::uint32_t incarnation = 1;             ///< fires in this incarnation only; 0 = in every one (of messages)
  double rate = 0;                           ///< of messages: which share of them, above 0 and at most 1
  std::chrono::milliseconds every{0};        ///< of random kills: mean time between two
  std::uint64_t seed = 1;                    ///< of messages and random kills
  std::string text;                          ///< the rule as it was given

  [[nodiscard]] bool is_of_messages() const { return action >= FaultAction::drop; }
  [[nodiscard]] bool is_random() const { return actor == kAnyActor; }
};

/// Reads a rule, or says what is wrong with it and what a rule looks like.
[[nodiscard]] runtime::Result<FaultRule> parse_fault_rule(std::string_view text);

/// Empty, or why no job at all ever comes to the rule's point.
[[nodiscard]] std::string find_contradiction(const FaultRule& rule);

/// Empty, or why the rule can never fire in that job, with what there is instead: an actor the job has not, a step
/// after the last, a checkpoint that nobody of that name takes part in or that is not due at that step.
[[nodiscard]] std::string find_impossible(const FaultRule& rule, const JobPlan& plan);

/// Whether the actor itself comes through the phase. The first replica saves for all, and data actors and the server
/// have few phases of their own: elsewhere a witness sees to the kill.
[[nodiscard]] bool passes(std::string_view actor, runtime::Phase phase);

}  // namespace troupe::actors
