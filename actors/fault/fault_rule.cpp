#include "actors/fault/fault_rule.hpp"

#include "runtime/observe/nearest_word.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace troupe::actors {
namespace {

using runtime::Failure;
using runtime::FailureKind;
using runtime::Phase;
using std::chrono::milliseconds;

struct ActionName {
  FaultAction action;
  std::string_view name;
  enum class Time { none, optional, needed } time = Time::none;  // in brackets behind the name
};
constexpr std::array kActions = {
    ActionName{FaultAction::kill9, "kill9"},
    ActionName{FaultAction::exit, "exit"},
    ActionName{FaultAction::raise, "throw"},
    ActionName{FaultAction::abort, "abort"},
    ActionName{FaultAction::segv, "segv"},
    ActionName{FaultAction::stop, "stop", ActionName::Time::optional},
    ActionName{FaultAction::hang, "hang"},
    ActionName{FaultAction::slow, "slow", ActionName::Time::needed},
    ActionName{FaultAction::oom, "oom"},
    ActionName{FaultAction::nan, "nan"},
    ActionName{FaultAction::flip, "flip"},
    ActionName{FaultAction::fail, "fail"},
    ActionName{FaultAction::drop, "drop"},
    ActionName{FaultAction::dup, "dup"},
    ActionName{FaultAction::reorder, "reorder"},
    ActionName{FaultAction::corrupt, "corrupt"},
    ActionName{FaultAction::delay, "delay", ActionName::Time::needed},
};

struct PointName {
  FaultPoint point;
  std::string_view name;
};
constexpr std::array kPoints = {
    PointName{FaultPoint::voted, "voted"},
    PointName{FaultPoint::committed, "committed"},
    PointName{FaultPoint::applied, "applied"},
    PointName{FaultPoint::snapshot, "snapshot"},
    PointName{FaultPoint::restore, "restore"},
    PointName{FaultPoint::replay, "replay"},
    PointName{FaultPoint::lend, "lend"},
    PointName{FaultPoint::votes_in, "votes_in"},
    PointName{FaultPoint::commit_written, "commit_written"},
    PointName{FaultPoint::told, "told"},
    PointName{FaultPoint::shard_written, "shard_written"},
    PointName{FaultPoint::before_rename, "before_rename"},
    PointName{FaultPoint::renamed, "renamed"},
};

template <class Names>
std::vector<std::string> words_of(const Names& names) {
  std::vector<std::string> words;
  for (const auto& each : names) words.emplace_back(each.name);
  return words;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "|") + word;
  return text;
}

Failure bad_rule(std::string_view text, const std::string& why) {
  return {FailureKind::unknown,
          "fault rule \"" + std::string(text) + "\": " + why +
              "; a rule reads: kill9|exit|throw|abort|segv|stop(MS)|hang|slow(MS)|oom|nan|flip|fail ACTOR "
              "@step=N,phase=idle|forward|backward|reduce|optimizer|checkpoint[,mb=N][,incarnation=N], or point=" +
              listed(words_of(kPoints)) +
              " in place of the phase; or: drop|dup|reorder|corrupt|delay(MS) ACTOR "
              "@rate=0.05[,seed=N][,incarnation=N]; or: kill9 random every=3s [seed=N]"};
}

std::vector<std::string_view> split_fault_text(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(separators);
    if (end != 0) parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// "300", "300ms" or "3s".
std::optional<milliseconds> parse_time(std::string_view text) {
  std::uint32_t factor = 1;
  if (text.ends_with("ms")) {
    text.remove_suffix(2);
  } else if (text.ends_with("s")) {
    text.remove_suffix(1);
    factor = 1000;
  }
  const std::optional<std::uint32_t> number = parse_number<std::uint32_t>(text);
  if (!number) return std::nullopt;
  return milliseconds(std::int64_t{*number} * factor);
}

/// "kill9", "stop" or "stop(300)"; empty when it was understood.
std::string apply_action(FaultRule& rule, std::string_view word) {
  const std::size_t open = word.find('(');
  const std::string_view name = word.substr(0, open);
  const auto found = std::ranges::find(kActions, name, &ActionName::name);
  if (found == kActions.end()) {
    return "unknown action \"" + std::string(name) + "\"" + runtime::did_you_mean(words_of(kActions), name);
  }
  rule.action = found->action;
  if (open == std::string_view::npos) {
    if (found->time != ActionName::Time::needed) return "";
    return std::string(name) + " needs a time in milliseconds: " + std::string(name) + "(100)";
  }
  if (found->time == ActionName::Time::none) return std::string(name) + " takes no time";
  const std::optional<milliseconds> time =
      word.ends_with(')') ? parse_time(word.substr(open + 1, word.size() - open - 2)) : std::nullopt;
  if (!time || *time <= milliseconds(0)) {
    return "\"" + std::string(word) + "\" has no time in milliseconds in its brackets: " + std::string(name) + "(100)";
  }
  rule.duration = *time;
  return "";
}

std::string apply_point(FaultRule& rule, std::string_view name) {
  const auto found = std::ranges::find(kPoints, name, &PointName::name);
  if (found == kPoints.end()) {
    return "no point is called \"" + std::string(name) + "\"" + runtime::did_you_mean(words_of(kPoints), name);
  }
  rule.point = found->point;
  return "";
}

std::string apply_phase(FaultRule& rule, std::string_view name) {
  const runtime::Result<Phase> phase = runtime::parse_phase(name);
  if (phase) {
    rule.phase = *phase;
    return "";
  }
  const std::vector<std::string> known = {"idle", "forward", "backward", "reduce", "optimizer", "checkpoint"};
  return phase.failure().text + runtime::did_you_mean(known, name);
}

std::string apply_number(FaultRule& rule, std::string_view key, std::string_view value) {
  const std::optional<std::uint32_t> number = parse_number<std::uint32_t>(value);
  if (!number) return std::string(key) + " is not a number";
  if (key == "mb") {
    rule.micro_batch = *number;
  } else if (key == "seed") {
    rule.seed = *number;
  } else {
    (key == "step" ? rule.step : rule.incarnation) = *number;
  }
  return "";
}

/// One "key=value" of a rule; empty when it was understood.
std::string apply_condition(FaultRule& rule, std::string_view condition, const std::vector<std::string>& keys) {
  const std::size_t equals = condition.find('=');
  if (equals == std::string_view::npos) return "\"" + std::string(condition) + "\" is not key=value";
  const std::string_view key = condition.substr(0, equals);
  const std::string_view value = condition.substr(equals + 1);
  if (std::ranges::find(keys, key) == keys.end()) {
    return "unknown key \"" + std::string(key) + "\"" + runtime::did_you_mean(keys, key);
  }
  if (key == "phase") return apply_phase(rule, value);
  if (key == "point") return apply_point(rule, value);
  if (key == "rate") {
    const std::optional<double> rate = parse_number<double>(value);
    if (!rate || !(*rate > 0 && *rate <= 1)) return "rate is not a number above 0 and at most 1";
    rule.rate = *rate;
    return "";
  }
  if (key == "every") {
    const std::optional<milliseconds> time = parse_time(value);
    if (!time || *time <= milliseconds(0)) return "every is no time such as 3s or 500ms";
    rule.every = *time;
    return "";
  }
  return apply_number(rule, key, value);
}

std::string apply_conditions(FaultRule& rule, const std::vector<std::string_view>& conditions,
                             const std::vector<std::string>& keys) {
  for (const std::string_view condition : conditions) {
    std::string problem = apply_condition(rule, condition, keys);
    if (!problem.empty()) return problem;
  }
  return find_contradiction(rule);
}

bool is_known(std::string_view actor) {
  return actor == "trainer" || actor == "ps" || actor.starts_with("data/") || actor.starts_with("stage/");
}

/// Behind the action and the actor; empty when it was understood.
std::string apply_rest(FaultRule& rule, std::vector<std::string_view> words) {
  if (rule.is_random()) {
    std::vector<std::string_view> conditions;
    for (const std::string_view word : words) {
      const std::vector<std::string_view> each = split_fault_text(word, ",@");
      conditions.insert(conditions.end(), each.begin(), each.end());
    }
    return apply_conditions(rule, conditions, {"every", "seed"});
  }
  if (!is_known(rule.actor)) return "no actor is called \"" + rule.actor + "\"";
  if (words.size() != 1 || !words[0].starts_with('@')) return "three words expected, the last with @";
  const std::vector<std::string_view> conditions = split_fault_text(words[0].substr(1), ",");
  if (!rule.is_of_messages()) {
    return apply_conditions(rule, conditions, {"step", "phase", "point", "mb", "incarnation"});
  }
  rule.incarnation = 0;
  return apply_conditions(rule, conditions, {"rate", "seed", "incarnation"});
}

}  // namespace

std::string_view to_string(FaultPoint point) {
  const auto found = std::ranges::find(kPoints, point, &PointName::point);
  return found == kPoints.end() ? "none" : found->name;
}

std::string_view to_string(FaultAction action) {
  return std::ranges::find(kActions, action, &ActionName::action)->name;
}

runtime::Result<FaultRule> parse_fault_rule(std::string_view text) {
  std::vector<std::string_view> words = split_fault_text(text, " ");
  if (words.size() < 3) return bad_rule(text, "three words expected, the last with @");
  FaultRule rule;
  rule.text = std::string(text);
  std::string problem = apply_action(rule, words[0]);
  if (!problem.empty()) return bad_rule(text, problem);
  rule.actor = words[1];
  words.erase(words.begin(), words.begin() + 2);
  problem = apply_rest(rule, std::move(words));
  if (!problem.empty()) return bad_rule(text, problem);
  return rule;
}

}  // namespace troupe::actors
