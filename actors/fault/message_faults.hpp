#pragma once

#include "actors/fault_plan.hpp"
#include "runtime/actor_id.hpp"
#include "runtime/transport/frame_faults.hpp"

namespace troupe::actors {

/// What the plan's rules of messages do to those that come to the process of that actor, for its transport's options.
/// In the journal of the plan each rule leaves a line when it has struck 1, 2, 4, 8 times and so on.
[[nodiscard]] runtime::FrameFaults faults_of_messages(const FaultPlan& plan, const runtime::ActorId& actor);

}  // namespace troupe::actors
