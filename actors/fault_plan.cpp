#include "actors/fault_plan.hpp"

#include "actors/fault/fault_effect.hpp"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace troupe::actors {
namespace {

using runtime::Phase;

constexpr const char* kRulesVariable = "TROUPE_INJECT";
constexpr const char* kFileVariable = "TROUPE_INJECT_FILE";
constexpr const char* kBeginVariable = "TROUPE_INJECT_BEGIN";

std::string_view environment(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

/// The parts of the rule that do not say where in a step.
bool is_for(const FaultRule& rule, const FaultMoment& moment) {
  return rule.actor == moment.actor && rule.incarnation == moment.incarnation &&
         (rule.step == 0 || rule.step == moment.step);
}

FaultDuty duty_of(FaultAction action) {
  switch (action) {
    case FaultAction::nan:
      return FaultDuty::poison;
    case FaultAction::flip:
      return FaultDuty::flip_bit;
    case FaultAction::fail:
      return FaultDuty::fail;
    default:
      return FaultDuty::none;
  }
}

std::string describe(const FaultMoment& moment, const FaultRule& rule) {
  const bool has_phase = rule.phase != Phase::none;
  return "at step " + std::to_string(moment.step) + (has_phase ? ", phase " : ", point ") + moment.place;
}

}  // namespace

FaultPlan::FaultPlan(std::vector<FaultRule> rules, FaultJournal journal)
    : rules_(std::move(rules)),
      journal_(std::move(journal)),
      fired_(std::make_shared<std::vector<std::atomic<bool>>>(rules_.size())) {
  for (std::size_t i = 0; i < rules_.size(); ++i) (*fired_)[i] = journal_.has_fired(rules_[i]);
}

FaultPlan FaultPlan::from_environment() {
  std::vector<FaultRule> rules;
  std::string_view text = environment(kRulesVariable);
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    if (one.empty()) continue;
    runtime::Result<FaultRule> parsed = parse_fault_rule(one);
    if (!parsed) throw std::runtime_error(parsed.failure().text);
    rules.push_back(std::move(parsed).value());
  }
  FaultJournal journal{environment(kFileVariable), 0};
  const std::string_view begin = environment(kBeginVariable);
  (void)std::from_chars(begin.data(), begin.data() + begin.size(), journal.begin_ns);  // else 0: every line counts
  return FaultPlan(std::move(rules), std::move(journal));
}

bool FaultPlan::fires(std::size_t rule, const FaultMoment& moment) const {
  const bool before = (*fired_)[rule].exchange(true);
  if (!before) journal_.note(rules_[rule], moment);
  return !before || rules_[rule].action == FaultAction::slow;
}

FaultDuty FaultPlan::meet(std::size_t rule, const FaultMoment& moment) const {
  if (!fires(rule, moment)) return FaultDuty::none;
  carry_out(rules_[rule], describe(moment, rules_[rule]));
  return duty_of(rules_[rule].action);
}

FaultDuty FaultPlan::reached(const std::string& actor, std::uint32_t incarnation, std::uint32_t step, Phase phase,
                             std::uint32_t micro_batch) const {
  if (rules_.empty()) return FaultDuty::none;
  FaultMoment moment{actor, incarnation, step, std::string(runtime::to_string(phase)), std::nullopt};
  if (phase == Phase::forward || phase == Phase::backward) moment.micro_batch = micro_batch;
  FaultDuty duty = FaultDuty::none;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const FaultRule& rule = rules_[i];
    const bool here = is_for(rule, moment) && rule.phase == phase && rule.phase != Phase::none &&
                      (!rule.micro_batch || *rule.micro_batch == micro_batch);
    if (!here) continue;
    const FaultDuty due = meet(i, moment);
    if (duty == FaultDuty::none) duty = due;
  }
  return duty;
}

FaultDuty FaultPlan::at(FaultPoint point, const std::string& actor, std::uint32_t incarnation,
                        std::uint32_t step) const {
  if (rules_.empty()) return FaultDuty::none;
  const FaultMoment moment{actor, incarnation, step, std::string(to_string(point)), std::nullopt};
  FaultDuty duty = FaultDuty::none;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (!is_for(rules_[i], moment) || rules_[i].point != point || point == FaultPoint::none) continue;
    const FaultDuty due = meet(i, moment);
    if (duty == FaultDuty::none) duty = due;
  }
  return duty;
}

std::vector<std::string> FaultPlan::victims(std::uint32_t step, Phase phase, const Incarnations& now) const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const FaultRule& rule = rules_[i];
    const bool by_witness = rule.phase != Phase::none && !passes(rule.actor, rule.phase) &&
                            rule.action == FaultAction::kill9 && rule.step == step && rule.phase == phase;
    const auto living = now.find(rule.actor);
    if (!by_witness || living == now.end() || living->second != rule.incarnation) continue;
    const FaultMoment moment{rule.actor, rule.incarnation, step, std::string(runtime::to_string(phase)), std::nullopt};
    if (fires(i, moment)) names.push_back(rule.actor);
  }
  return names;
}

void set_fault_environment(const std::vector<std::string>& rules, const std::filesystem::path& run_directory) {
  std::string text;
  for (const std::string& rule : rules) text += (text.empty() ? "" : ";") + rule;
  setenv(kRulesVariable, text.c_str(), /*overwrite=*/1);
  unsetenv(kFileVariable);
  note_faults_in(run_directory);
  const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  setenv(kBeginVariable, std::to_string(now).c_str(), /*overwrite=*/0);
}

void note_faults_in(const std::filesystem::path& run_directory) {
  setenv(kFileVariable, (run_directory / "faults.jsonl").c_str(), /*overwrite=*/0);
}

}  // namespace troupe::actors
