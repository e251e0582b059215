#pragma once

#include "actors/fault/fault_journal.hpp"
#include "actors/fault/fault_rule.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

/// What whoever reached a point has to do itself, since only it can.
enum class FaultDuty {
  none,
  poison,    ///< make one number of the result at hand a NaN
  flip_bit,  ///< flip one bit of it
  fail,      ///< fail with an error, as if the disk or the memory had
};

/// Faults on purpose, and whether one is due now. Read from the environment variable TROUPE_INJECT (rules separated by
/// ';'), which the command line sets from --inject and every worker inherits.
///
/// Thread-safety: all methods from any thread.
/// Ownership:     owns its rules; copies share what has fired.
/// Errors:        malformed rules were refused by the command line before anything started.
/// Restart:       read again; rules name the incarnation they are for, and those in the journal do not fire again.
///
/// FP-1  A rule fires exactly at its actor, incarnation, step, phase or point, and micro-batch when it names one.
/// FP-2  A rule fires once, over all processes of the run; "slow" each time.
class FaultPlan final {
public:
  [[nodiscard]] static FaultPlan from_environment();
  explicit FaultPlan(std::vector<FaultRule> rules, FaultJournal journal = {});

  /// The actor itself reached this phase of the step (from 1), and this micro-batch: ends the process, stops or slows
  /// it, or throws when a rule says so; else what the caller has to do.
  FaultDuty reached(const std::string& actor, std::uint32_t incarnation, std::uint32_t step, runtime::Phase phase,
                    std::uint32_t micro_batch = 0) const;
  /// The same at an edge of a protocol.
  FaultDuty at(FaultPoint point, const std::string& actor, std::uint32_t incarnation, std::uint32_t step) const;
  /// Actors that have no such phase of their own (data actors, the parameter server) and are to be killed when a
  /// witness reaches it.
  using Incarnations = std::map<std::string, std::uint32_t>;
  [[nodiscard]] std::vector<std::string> victims(std::uint32_t step, runtime::Phase phase,
                                                 const Incarnations& now) const;
  [[nodiscard]] const std::vector<FaultRule>& rules() const { return rules_; }
  [[nodiscard]] const FaultJournal& journal() const { return journal_; }

private:
  /// Whether the rule that matches fires now: at most once, unless it is one that fires each time.
  [[nodiscard]] bool fires(std::size_t rule, const FaultMoment& moment) const;
  FaultDuty meet(std::size_t rule, const FaultMoment& moment) const;

  std::vector<FaultRule> rules_;
  FaultJournal journal_;
  std::shared_ptr<std::vector<std::atomic<bool>>> fired_;  // by rule; shared by copies, which are one plan
};

/// For from_environment() of this process and of those it starts: the rules, the run folder in which fired ones are
/// noted, and since when. A process that takes the place of a dead one keeps the beginning that it inherits, so that a
/// rule does not strike both.
void set_fault_environment(const std::vector<std::string>& rules, const std::filesystem::path& run_directory);
/// The run folder alone, unless the environment names one: for workers whose node another head than ours started.
void note_faults_in(const std::filesystem::path& run_directory);

}  // namespace troupe::actors
