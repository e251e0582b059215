#pragma once

#include "runtime/message/envelope.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors {

class JobPlan;

enum class FaultAction { kill9, exit, raise };

/// One fault on purpose: "kill9 stage/r0.s1 @step=20,phase=backward[,incarnation=1]".
struct FaultRule {
  FaultAction action = FaultAction::kill9;
  std::string actor;
  std::uint32_t step = 0;
  runtime::Phase phase = runtime::Phase::none;
  std::uint32_t incarnation = 1;  ///< fires in this incarnation of the actor only, so that it fires once
};

/// Reads a rule, or says what is wrong with it and what a rule looks like.
[[nodiscard]] runtime::Result<FaultRule> parse_fault_rule(std::string_view text);

/// Empty, or why the rule can never fire in that job, with what there is instead: an actor the job has not, a step
/// after the last, a checkpoint that nobody of that name takes part in or that is not due at that step.
[[nodiscard]] std::string find_impossible(const FaultRule& rule, const JobPlan& plan);

/// Faults on purpose, and whether one is due now. Read from the environment variable TROUPE_INJECT (rules separated by
/// ';'), which the command line sets from --inject and every worker inherits.
///
/// Thread-safety: immutable after construction.
/// Ownership:     owns its rules.
/// Errors:        malformed rules were refused by the command line before anything started.
/// Restart:       read again; rules name the incarnation they are for.
///
/// FP-1  A rule fires exactly at its actor, incarnation, step and phase.
class FaultPlan final {
public:
  [[nodiscard]] static FaultPlan from_environment();
  explicit FaultPlan(std::vector<FaultRule> rules) : rules_(std::move(rules)) {}

  /// The actor itself reached this point: ends the process or throws when a rule says so.
  void reached(const std::string& actor, std::uint32_t incarnation, std::uint32_t step, runtime::Phase phase) const;
  /// Actors that have no such phase of their own (data actors, the parameter server) and are to be killed when a
  /// witness reaches it.
  using Incarnations = std::map<std::string, std::uint32_t>;
  [[nodiscard]] std::vector<std::string> victims(std::uint32_t step, runtime::Phase phase,
                                                 const Incarnations& now) const;
  [[nodiscard]] const std::vector<FaultRule>& rules() const { return rules_; }

private:
  std::vector<FaultRule> rules_;
};

}  // namespace troupe::actors
