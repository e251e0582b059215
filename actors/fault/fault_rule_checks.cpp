#include "actors/fault/fault_rule.hpp"
#include "actors/job_plan.hpp"

#include <algorithm>
#include <charconv>

/// Which rules make sense: at all, and in a job.
namespace troupe::actors {
namespace {

using runtime::Phase;

/// Who comes through the point: the beginning of names.
std::string_view owner_of(FaultPoint point) {
  switch (point) {
    case FaultPoint::votes_in:
    case FaultPoint::commit_written:
    case FaultPoint::told:
    case FaultPoint::before_rename:
    case FaultPoint::renamed:
      return kTrainerName;
    default:
      return "stage/";
  }
}

bool reaches(const FaultRule& rule) {
  if (rule.point == FaultPoint::shard_written) {
    return rule.actor.starts_with("stage/r0.") || rule.actor == kServerName;
  }
  return rule.actor.starts_with(owner_of(rule.point));
}

bool is_of_checkpoints(const FaultRule& rule) {
  return rule.phase == Phase::checkpoint || rule.point == FaultPoint::shard_written ||
         rule.point == FaultPoint::before_rename || rule.point == FaultPoint::renamed;
}

/// When it comes to these depends on deaths: a rule need not know the step.
bool may_lack_step(const FaultRule& rule) {
  return rule.action == FaultAction::slow || rule.point == FaultPoint::restore || rule.point == FaultPoint::replay ||
         rule.point == FaultPoint::lend;
}

/// What only the actor's own code can do, and where it does.
std::string misplaced_duty(const FaultRule& rule) {
  const std::string action(to_string(rule.action));
  if (rule.action == FaultAction::nan || rule.action == FaultAction::flip) {
    const bool has_numbers =
        rule.phase == Phase::forward || rule.phase == Phase::backward || rule.phase == Phase::reduce;
    if (has_numbers && rule.actor.starts_with("stage/")) return "";
    return action + " is for the numbers of a stage: phase forward, backward or reduce";
  }
  if (rule.action == FaultAction::fail) {
    const bool can_fail = rule.point == FaultPoint::snapshot || rule.point == FaultPoint::restore ||
                          rule.point == FaultPoint::lend || is_of_checkpoints(rule);
    return can_fail ? "" : "fail is for what may fail: phase checkpoint and its points, snapshot, restore, lend";
  }
  return "";
}

std::string contradiction_of_random(const FaultRule& rule) {
  if (rule.action != FaultAction::kill9) return "random actors are killed only: kill9 random every=3s";
  return rule.every.count() == 0 ? "every is missing: kill9 random every=3s" : "";
}

std::string contradiction_of_place(const FaultRule& rule) {
  const std::string phase(runtime::to_string(rule.phase));
  if (rule.point != FaultPoint::none) {
    if (reaches(rule)) return "";
    return rule.actor + " does not come to point " + std::string(to_string(rule.point));
  }
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

/// Empty, or which micro-batches the rule's stage has.
std::string misses_micro_batch(const FaultRule& rule, const JobPlan& plan) {
  if (!rule.micro_batch) return "";
  std::uint32_t replica = 0;
  const std::string_view number = std::string_view(rule.actor).substr(std::string_view("stage/r").size());
  (void)std::from_chars(number.data(), number.data() + number.size(), replica);  // the job has that actor
  const std::uint32_t first = plan.first_micro_batch(replica);
  const std::uint32_t end = plan.first_micro_batch(replica + 1);
  if (first <= *rule.micro_batch && *rule.micro_batch < end) return "";
  return rule.actor + " has the micro-batches " + std::to_string(first) + " to " + std::to_string(end - 1);
}

}  // namespace

bool passes(std::string_view actor, Phase phase) {
  if (actor == kTrainerName) return true;
  if (actor == kServerName) return phase == Phase::forward || phase == Phase::checkpoint;
  if (actor.starts_with("data/")) return phase == Phase::forward;
  return phase != Phase::checkpoint || actor.starts_with("stage/r0.");
}

std::string find_contradiction(const FaultRule& rule) {
  if (rule.is_random()) return contradiction_of_random(rule);
  if (rule.is_of_messages()) return rule.rate > 0 ? "" : "rate is missing: which share of the messages, as rate=0.05";
  const bool has_phase = rule.phase != Phase::none;
  const bool has_point = rule.point != FaultPoint::none;
  if (!has_phase && !has_point) return "phase is missing";
  if (has_phase && has_point) return "a rule has a phase or a point, not both";
  if (rule.step == 0 && !may_lack_step(rule)) return "step is missing or 0: steps count from 1";
  if (rule.incarnation == 0) return "incarnations count from 1";
  if (rule.micro_batch && rule.phase != Phase::forward && rule.phase != Phase::backward) {
    return "mb is for phase forward and backward: elsewhere there are no micro-batches";
  }
  if (rule.micro_batch && !rule.actor.starts_with("stage/")) return "mb is for stages";
  const std::string place = contradiction_of_place(rule);
  return place.empty() ? misplaced_duty(rule) : place;
}

std::string find_impossible(const FaultRule& rule, const JobPlan& plan) {
  if (rule.is_random()) return "";
  const std::vector<std::string> names = plan.actor_names();
  const auto has = [&names](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (rule.actor != kTrainerName && !has(rule.actor)) {
    return "this job has no actor \"" + rule.actor + "\": it has " + std::string(kTrainerName) +
           range_of(names, "stage/") + range_of(names, "data/") + range_of(names, kServerName);
  }
  if (rule.step > plan.total_steps()) return "the job ends with step " + std::to_string(plan.total_steps());
  if (!is_of_checkpoints(rule)) return misses_micro_batch(rule, plan);
  if (has(kServerName) && rule.actor != kTrainerName && rule.actor != kServerName) {
    return "the checkpoint is the parameter server's: only " + std::string(kTrainerName) + " and " +
           std::string(kServerName) + " have that phase in this job";
  }
  if (rule.step == 0) return "";
  const std::uint32_t next = next_checkpoint(rule.step, plan);
  if (next == rule.step) return "";
  return "no checkpoint is due at step " + std::to_string(rule.step) + ", the next one is at step " +
         std::to_string(next);
}

}  // namespace troupe::actors
