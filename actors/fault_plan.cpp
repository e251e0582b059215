#include "actors/fault_plan.hpp"

#include <signal.h>
#include <unistd.h>

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
  if (rule.phase == Phase::none) return bad_rule(text, "phase is missing");
  if (!passes(rule.actor, rule.phase) && rule.action != FaultAction::kill9) {
    return bad_rule(text, rule.actor + " has no phase " + std::string(runtime::to_string(rule.phase)) +
                              " of its own: there it can be killed, but not exit or throw");
  }
  return rule;
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
