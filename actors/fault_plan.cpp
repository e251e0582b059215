#include "actors/fault_plan.hpp"

#include "actors/job_plan.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <stdexcept>

namespace troupe::actors {
namespace {

using runtime::Failure;
using runtime::FailureKind;
using runtime::Phase;

constexpr int kInjectedExitStatus = 3;

Failure bad_rule(std::string_view text, const std::string& why) {
  return {FailureKind::unknown,
          "fault rule \"" + std::string(text) + "\": " + why +
              "; a rule reads: kill9|exit|throw ACTOR @step=N,phase=idle|forward|backward|reduce|" +
              "optimizer|checkpoint[,incarnation=N]"};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find(separator);
    if (end != 0) parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// One "key=value" of a rule; empty when it was understood.
std::string apply_condition(FaultRule& rule, std::string_view condition) {
  const std::size_t equals = condition.find('=');
  if (equals == std::string_view::npos) return "\"" + std::string(condition) + "\" is not key=value";
  const std::string_view key = condition.substr(0, equals);
  const std::string_view value = condition.substr(equals + 1);
  if (key == "step" || key == "incarnation") {
    const std::optional<std::uint32_t> number = parse_number(value);
    if (!number) return std::string(key) + " is not a number";
    (key == "step" ? rule.step : rule.incarnation) = *number;
    return "";
  }
  if (key != "phase") return "unknown key \"" + std::string(key) + "\"";
  const runtime::Result<Phase> phase = runtime::parse_phase(value);
  if (!phase) return phase.failure().text;
  rule.phase = *phase;
  return "";
}

/// Whether the actor itself comes through the phase. The first replica saves for all, and data actors and the server
/// have few phases of their own: elsewhere a witness sees to the kill.
bool passes(const std::string& actor, Phase phase) {
  if (actor == "trainer") return true;
  if (actor == "ps") return phase == Phase::forward || phase == Phase::checkpoint;
  if (actor.starts_with("data/")) return phase == Phase::forward;
  return phase != Phase::checkpoint || actor.starts_with("stage/r0.");
}

/// Empty, or why no job at all ever comes to the rule's point.
std::string find_contradiction(const FaultRule& rule) {
  const std::string phase(runtime::to_string(rule.phase));
  if (rule.phase == Phase::none) return "phase is missing";
  if (rule.step == 0) return "step is missing or 0: steps count from 1";
  if (rule.incarnation == 0) return "incarnations count from 1";
  if (rule.phase == Phase::vote || rule.phase == Phase::evaluate || rule.phase == Phase::load) {
    return "nothing is made to fail in phase " + phase;
  }
  if (rule.actor == kTrainerName && (rule.phase == Phase::forward || rule.phase == Phase::backward)) {
    return rule.actor + " has no phase " + phase;
  }
  if (!passes(rule.actor, rule.phase) && rule.action != FaultAction::kill9) {
    return rule.actor + " has no phase " + phase + " of its own: there it can be killed, but not exit or throw";
  }
  return "";
}

/// "stage/r0.s0 to stage/r1.s1", of the names that begin with `kind`.
std::string range_of(const std::vector<std::string>& names, std::string_view kind) {
  const auto is_kind = [kind](const std::string& name) { return name.starts_with(kind); };
  const auto first = std::find_if(names.begin(), names.end(), is_kind);
  if (first == names.end()) return "";
  const auto last = std::find_if(names.rbegin(), names.rend(), is_kind);
  return ", " + *first + (*first == *last ? "" : " to " + *last);
}

/// The first step at or after `step` at which a checkpoint may be due: planned, or of a best validation.
std::uint32_t next_checkpoint(std::uint32_t step, const JobPlan& plan) {
  Border border = plan.next_border(step - 1);
  while (border.save == Border::Save::no &&
         (border.evaluate == Border::Evaluate::no || plan.evaluation_batches() == 0)) {
    border = plan.next_border(border.step);
  }
  return border.step;  // the last border saves
}

bool is_known(const std::string& actor) {
  return actor == "trainer" || actor == "ps" || actor.starts_with("data/") || actor.starts_with("stage/");
}

}  // namespace

runtime::Result<FaultRule> parse_fault_rule(std::string_view text) {
  const std::vector<std::string_view> words = split(text, ' ');
  if (words.size() != 3 || !words[2].starts_with('@')) return bad_rule(text, "three words expected, the last with @");
  FaultRule rule;
  if (words[0] == "kill9") {
    rule.action = FaultAction::kill9;
  } else if (words[0] == "exit") {
    rule.action = FaultAction::exit;
  } else if (words[0] == "throw") {
    rule.action = FaultAction::raise;
  } else {
    return bad_rule(text, "unknown action \"" + std::string(words[0]) + "\"");
  }
  rule.actor = words[1];
  if (!is_known(rule.actor)) return bad_rule(text, "no actor is called \"" + rule.actor + "\"");
  for (const std::string_view condition : split(words[2].substr(1), ',')) {
    const std::string problem = apply_condition(rule, condition);
    if (!problem.empty()) return bad_rule(text, problem);
  }
  const std::string contradiction = find_contradiction(rule);
  if (!contradiction.empty()) return bad_rule(text, contradiction);
  return rule;
}

std::string find_impossible(const FaultRule& rule, const JobPlan& plan) {
  const std::vector<std::string> names = plan.actor_names();
  const auto has = [&names](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (rule.actor != kTrainerName && !has(rule.actor)) {
    return "this job has no actor \"" + rule.actor + "\": it has " + std::string(kTrainerName) +
           range_of(names, "stage/") + range_of(names, "data/") + range_of(names, kServerName);
  }
  if (rule.step > plan.total_steps()) return "the job ends with step " + std::to_string(plan.total_steps());
  if (rule.phase != Phase::checkpoint) return "";
  if (has(kServerName) && rule.actor != kTrainerName && rule.actor != kServerName) {
    return "the checkpoint is the parameter server's: only " + std::string(kTrainerName) + " and " +
           std::string(kServerName) + " have that phase in this job";
  }
  const std::uint32_t next = next_checkpoint(rule.step, plan);
  if (next == rule.step) return "";
  return "no checkpoint is due at step " + std::to_string(rule.step) + ", the next one is at step " +
         std::to_string(next);
}

FaultPlan FaultPlan::from_environment() {
  std::vector<FaultRule> rules;
  const char* text = std::getenv("TROUPE_INJECT");
  for (const std::string_view rule : split(text == nullptr ? "" : text, ';')) {
    runtime::Result<FaultRule> parsed = parse_fault_rule(rule);
    if (!parsed) throw std::runtime_error(parsed.failure().text);
    rules.push_back(*parsed);
  }
  return FaultPlan(std::move(rules));
}

void FaultPlan::reached(const std::string& actor, std::uint32_t incarnation, std::uint32_t step, Phase phase) const {
  for (const FaultRule& rule : rules_) {
    const bool here =
        rule.actor == actor && rule.incarnation == incarnation && rule.step == step && rule.phase == phase;
    if (!here) continue;
    if (rule.action == FaultAction::kill9) raise(SIGKILL);
    if (rule.action == FaultAction::exit) _exit(kInjectedExitStatus);
    throw std::runtime_error("fault on purpose at step " + std::to_string(step) + ", phase " +
                             std::string(runtime::to_string(phase)));
  }
}

std::vector<std::string> FaultPlan::victims(std::uint32_t step, Phase phase, const Incarnations& now) const {
  std::vector<std::string> names;
  for (const FaultRule& rule : rules_) {
    const bool by_witness = !passes(rule.actor, rule.phase) && rule.action == FaultAction::kill9;
    const auto living = now.find(rule.actor);
    const bool right_one = living != now.end() && living->second == rule.incarnation;
    if (by_witness && right_one && rule.step == step && rule.phase == phase) names.push_back(rule.actor);
  }
  return names;
}

}  // namespace troupe::actors
