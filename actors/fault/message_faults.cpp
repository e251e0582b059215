#include "actors/fault/message_faults.hpp"

#include <utility>
#include <vector>

namespace troupe::actors {
namespace {

using runtime::FrameFault;

FrameFault frame_fault_of(FaultAction action) {
  switch (action) {
    case FaultAction::dup:
      return FrameFault::duplicate;
    case FaultAction::reorder:
      return FrameFault::reorder;
    case FaultAction::corrupt:
      return FrameFault::corrupt;
    case FaultAction::delay:
      return FrameFault::delay;
    default:
      return FrameFault::drop;
  }
}

}  // namespace

runtime::FrameFaults faults_of_messages(const FaultPlan& plan, const runtime::ActorId& actor) {
  runtime::FrameFaults faults;
  std::vector<FaultRule> chosen;
  for (const FaultRule& rule : plan.rules()) {
    const bool is_for_it = rule.is_of_messages() && rule.actor == actor.name &&
                           (rule.incarnation == 0 || rule.incarnation == actor.incarnation);
    if (!is_for_it) continue;
    faults.rules.push_back({frame_fault_of(rule.action), rule.rate, rule.duration, rule.seed});
    chosen.push_back(rule);
  }
  faults.told = [chosen = std::move(chosen), journal = plan.journal(), actor](std::size_t rule, std::uint64_t strikes) {
    journal.note(chosen[rule], {actor.name, actor.incarnation, 0, "message", std::nullopt, strikes});
  };
  return faults;
}

}  // namespace troupe::actors
