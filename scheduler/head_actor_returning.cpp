#include "scheduler/head_actor.hpp"

#include "runtime/node.hpp"

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

/// How a head takes over what the one before it has left, and what a node holds that registers.
namespace troupe::scheduler {
namespace {

using runtime::Failure;
using runtime::FailureKind;

// As for a start: it may have begun just before the head before died.
constexpr runtime::Duration kAdoptedReadyDeadline = std::chrono::seconds(60);

bool has_process(const ActorRecord& record) {
  return record.state() == ActorState::starting || record.state() == ActorState::up;
}

}  // namespace

runtime::DirectoryEntry HeadActor::head_entry(runtime::Context& context) const {
  return {context.self(), context.node().endpoint()};
}

runtime::DirectoryEntry HeadActor::driver_entry(runtime::Context& context) const {
  return {{spec_.driver, context.self().incarnation}, context.node().endpoint()};
}

DirectoryUpdate HeadActor::everybody(runtime::Context& context) const {
  DirectoryUpdate update{{head_entry(context), driver_entry(context)}, {}};
  for (const ActorRecord& each : records_) {
    if (each.state() == ActorState::up) update.alive.push_back({each.id(), each.endpoint()});
  }
  return update;
}

// ---- a head returns -------------------------------------------------------------------------------------------------

void HeadActor::recall(const HeadRecord& before) {
  using Kind = HeadRecord::Kind;
  if (before.kind == Kind::node_joined) awaited_.insert(before.node);
  if (before.kind == Kind::node_lost) awaited_.erase(before.node);
  const auto found = std::find_if(records_.begin(), records_.end(), [&before](const ActorRecord& record) {
    return record.id().name == before.entry.actor.name;
  });
  if (found == records_.end()) return;
  if (before.kind == Kind::starting) {
    if (found->state() == ActorState::down) found->wait_again();
    (void)found->start_on(before.node);  // the same number as then: every start is in the log
  } else if (before.kind == Kind::up) {
    found->ready(before.process, before.entry.endpoint);
    members_[before.entry.actor.name] = before.member;
  } else if (before.kind == Kind::down) {
    found->went_down(runtime::TimePoint(runtime::Duration(before.at)), before.cause);
    members_.erase(before.entry.actor.name);
  }
}

void HeadActor::recall(runtime::Context& context) {
  if (log_.past().empty()) return;
  for (const HeadRecord& before : log_.past()) {
    recall(before);
    // What it is told before it has registered: to register.
    if (before.kind == HeadRecord::Kind::node_joined) context.node().announce(before.entry);
  }
  awaited_until_ = context.now() + kReturnPatience;
  change_ = Change::untold;
  const auto running = std::count_if(records_.begin(), records_.end(), has_process);
  events_.record("head_returned",
                 {{"incarnation", context.self().incarnation}, {"nodes", awaited_.size()}, {"actors", running}});
  spdlog::warn("event=head_returned incarnation={} nodes={} actors={}", context.self().incarnation, awaited_.size(),
               running);
  for (ActorRecord& record : records_) {
    if (record.state() == ActorState::starting) {
      pending_[record.id().name].ready_by = context.now() + kAdoptedReadyDeadline;
    }
    if (has_process(record) && !awaited_.contains(record.node())) {  // the head died while it wrote this
      lost(record, {FailureKind::disconnected, "node " + record.node() + " was lost"}, context);
    }
  }
}

void HeadActor::give_up_awaited(runtime::Context& context) {
  for (const std::string& node : std::exchange(awaited_, {})) {
    const Failure cause{FailureKind::disconnected, "node " + node + " did not come back to the head that returned"};
    events_.record("node_lost", {{"node", node}, {"cause", cause.text}});
    log_.write({HeadRecord::Kind::node_lost, {}, node, 0, {}, 0, 0, {}});
    for (ActorRecord& record : records_) {
      if (record.node() == node && has_process(record)) lost(record, cause, context);
    }
  }
  tell_members(everybody(context), context);
}

void HeadActor::who_leads(const WhoLeads& message, runtime::Context& context) {
  const ActorRecord* record = find(message.actor);
  const bool belongs = message.term == spec_.term && record != nullptr && has_process(*record);
  context.reply(Leader{head_entry(context), driver_entry(context),
                       belongs ? Leader::Asker::belongs : Leader::Asker::does_not_belong});
}

// ---- a node registers -----------------------------------------------------------------------------------------------

void HeadActor::register_node(const RegisterNode& message, runtime::Context& context) {
  const bool was_awaited = awaited_.erase(message.node) > 0;
  const auto known = nodes_.find(message.node);
  const Failure again{FailureKind::disconnected, "node " + message.node + " joined again"};
  if (known != nodes_.end() && known->second.agent.actor != message.agent.actor) {
    // Another agent: what the one before ran has ended with it.
    const runtime::ActorId before = known->second.agent.actor;
    lose_node(message.node, again, context);
    context.node().declare_down(before, again);
  }
  nodes_[message.node] = NodeRow{message.agent, message.slots};
  context.node().announce(message.agent);
  detector_.heard_from(message.node, context.now());
  log_.write({HeadRecord::Kind::node_joined, message.agent, message.node, message.slots, {}, 0, 0, {}});
  events_.record("node_joined", {{"node", message.node}, {"endpoint", message.agent.endpoint}});
  for (const ActorExited& each : message.ended) actor_exited(each, context);
  const std::string why_missing = was_awaited ? "its process ended while there was no head" : again.text;
  const std::vector<runtime::ActorId> adopted = adopt(message, why_missing, context);
  context.reply(Registered{
      spec_.term, spec_.job,
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(kNodeHeartbeat).count()),
      head_entry(context), adopted});
  if (was_awaited && awaited_.empty()) tell_members(everybody(context), context);
  place_waiting(context);
}

void HeadActor::heartbeat(const NodeHeartbeat& message, runtime::Context& context) {
  if (nodes_.contains(message.node)) return detector_.heard_from(message.node, context.now());
  (void)context.send(agent_name(message.node), JoinAgain{});  // it is said again at the next beat
}

std::vector<runtime::ActorId> HeadActor::adopt(const RegisterNode& message, const std::string& why_missing,
                                               runtime::Context& context) {
  std::vector<runtime::ActorId> adopted;
  for (ActorRecord& record : records_) {
    if (record.node() != message.node || !has_process(record)) continue;
    const bool is_held = std::ranges::any_of(message.held, [this, &record](const RegisterNode::Held& held) {
      return held.actor == record.id() && held.term == spec_.term &&
             (record.state() == ActorState::starting || held.process == record.process());
    });
    if (!is_held) {
      lost(record, {FailureKind::disconnected, why_missing}, context);
      continue;
    }
    adopted.push_back(record.id());
    if (record.state() != ActorState::up) continue;
    context.node().announce({record.id(), record.endpoint()});
    context.node().announce(members_.at(record.id().name));
  }
  return adopted;
}

}  // namespace troupe::scheduler
