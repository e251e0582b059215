#include "scheduler/head_actor.hpp"

#include "runtime/node.hpp"
#include "runtime/observe/nearest_word.hpp"
#include "scheduler/shallow_json.hpp"

#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace troupe::scheduler {
namespace {

using nlohmann::ordered_json;
using runtime::Failure;
using runtime::FailureKind;

constexpr runtime::Duration kHeadTick = std::chrono::milliseconds(20);
// A node beats every 300 ms; ten missed beats in a row are not a busy machine any more.
constexpr runtime::Duration kSuspectAfter = std::chrono::milliseconds(1200);
constexpr std::chrono::seconds kDeadAfter{3};
// Loading LibTorch takes 0.4 s on an idle core; a machine that needs a minute is broken.
constexpr runtime::Duration kReadyDeadline = std::chrono::seconds(60);
// A process that died is reported by its agent within milliseconds, with the true cause: only one that lives is killed.
constexpr runtime::Duration kBlameGrace = std::chrono::seconds(1);
constexpr runtime::Duration kAgentDeadline = std::chrono::seconds(10);
// A node that comes back after a restart is there sooner; a person who wonders is told.
constexpr runtime::Duration kPatience = std::chrono::seconds(3);

double seconds(runtime::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

HeadActor::HeadActor(JobSpec spec, EventLog& events, HeadLog& log)
    : spec_(std::move(spec)), events_(events), log_(log), detector_(kSuspectAfter, kDeadAfter) {
  for (const std::string& name : spec_.actors) records_.emplace_back(name);
}

runtime::Behavior HeadActor::behavior() {
  using runtime::on;
  return {on(this, &HeadActor::register_node), on(this, &HeadActor::heartbeat),  on(this, &HeadActor::worker_ready),
          on(this, &HeadActor::actor_exited),  on(this, &HeadActor::kill_actor), on(this, &HeadActor::end_job),
          on(this, &HeadActor::record_event),  on(this, &HeadActor::peer_lost),  on(this, &HeadActor::tick),
          on(this, &HeadActor::who_leads)};
}

void HeadActor::on_start(runtime::Context& context) {
  last_tick_ = context.now();
  recall(context);
  log_.write({HeadRecord::Kind::leads, head_entry(context), {}, 0, {}, 0, 0, {}});
  context.after(kHeadTick, HeadTick{});
}

ActorRecord* HeadActor::find(const runtime::ActorId& actor) {
  const auto found = std::find_if(records_.begin(), records_.end(),
                                  [&actor](const ActorRecord& record) { return record.id() == actor; });
  return found == records_.end() ? nullptr : &*found;
}

std::vector<NodeCapacity> HeadActor::capacities() const {
  std::vector<NodeCapacity> nodes;
  for (const auto& [name, row] : nodes_) {
    NodeCapacity capacity{name, row.slots, 0};
    for (const ActorRecord& record : records_) {
      const bool here = record.state() == ActorState::starting || record.state() == ActorState::up;
      if (here && record.node() == name) ++capacity.running;
    }
    nodes.push_back(capacity);
  }
  return nodes;
}

void HeadActor::place_waiting(runtime::Context& context) {
  // An actor keeps its node: who comes back has room for its own.
  if (job_ != Job::running || !awaited_.empty()) return;
  const bool first_placement =
      std::all_of(records_.begin(), records_.end(), [](const ActorRecord& r) { return r.id().incarnation == 0; });
  if (first_placement && nodes_.size() < spec_.nodes_wanted) {
    return tell_waiting(std::to_string(nodes_.size()) + " of " + std::to_string(spec_.nodes_wanted) +
                            " nodes have joined; start another with 'troupe node --join ADDR'",
                        context);
  }
  for (ActorRecord& record : records_) {
    if (record.state() != ActorState::waiting) continue;
    const runtime::Result<std::string> node = choose_node(capacities(), record.node());
    // Looked at again at the next tick; nodes may join.
    if (!node) return tell_waiting(record.id().name + " waits for a place: " + node.failure().text, context);
    start_actor(record, *node, context);
  }
  waiting_since_ = {};
  waiting_told_.clear();
}

/// Says once why actors are not started, if it lasts.
void HeadActor::tell_waiting(const std::string& why, runtime::Context& context) {
  if (waiting_since_ == runtime::TimePoint{}) waiting_since_ = context.now();
  if (why == waiting_told_ || context.now() - waiting_since_ < kPatience) return;
  waiting_told_ = why;
  events_.record("placement_waits", {{"cause", why}});
  (void)context.send(spec_.driver, runtime::PlacementWaits{why});  // the driver is in this process
}

void HeadActor::start_actor(ActorRecord& record, const std::string& node, runtime::Context& context) {
  const runtime::ActorId actor = record.start_on(node);
  pending_[actor.name].ready_by = context.now() + kReadyDeadline;
  log_.write({HeadRecord::Kind::starting, {actor, {}}, node, 0, {}, 0, 0, {}});
  const SpawnActor order{actor,
                         spec_.job,
                         spec_.term,
                         context.node().endpoint(),
                         spec_.run_directory.string(),
                         spec_.job_text,
                         context.self().incarnation};
  context.request<Ack>(nodes_.at(node).agent.actor, order, kAgentDeadline,
                       [this, actor](runtime::Result<Ack> answer, runtime::Context& turn) {
                         ActorRecord* started = find(actor);
                         if (answer || started == nullptr || started->state() != ActorState::starting) return;
                         lost(*started, answer.failure().within("cannot be started"), turn);
                         // Perhaps only the answer is late.
                         if (const auto row = nodes_.find(started->node()); row != nodes_.end())
                           (void)turn.send(row->second.agent.actor, KillProcess{actor});
                       });
}

void HeadActor::worker_ready(const WorkerReady& message, runtime::Context& context) {
  ActorRecord* record = find(message.actor.actor);
  const bool known = message.term == spec_.term && record != nullptr && record->state() == ActorState::up &&
                     record->process() == message.process;
  if (known) return context.reply(Ack{});  // it asks again: the head that was to answer has died
  const bool expected = message.term == spec_.term && record != nullptr && record->state() == ActorState::starting;
  if (!expected) {
    spdlog::warn("event=unexpected_worker actor={}", message.actor.actor.describe());
    context.reply_failure({FailureKind::faulted, "the head does not expect " + message.actor.actor.describe()});
    return;
  }
  log_.write({HeadRecord::Kind::up, message.actor, record->node(), 0, message.member, message.process, 0, {}});
  record->ready(message.process, message.actor.endpoint);
  pending_[message.actor.actor.name].ready_by = {};
  context.node().announce(message.actor);
  context.node().announce(message.member);
  members_[message.actor.actor.name] = message.member;
  events_.record("actor_up", {{"actor", message.actor.actor.name},
                              {"incarnation", message.actor.actor.incarnation},
                              {"node", record->node()},
                              {"pid", message.process}});
  context.reply(Ack{});
  change_ = Change::untold;
  tell_members(everybody(context), context);
}

void HeadActor::actor_exited(const ActorExited& message, runtime::Context& context) {
  ActorRecord* record = find(message.actor);
  if (record == nullptr || message.term != spec_.term) return;
  if (record->state() == ActorState::starting || record->state() == ActorState::up)
    lost(*record, message.cause, context, message.doing);
}

void HeadActor::lost(ActorRecord& record, const Failure& cause, runtime::Context& context,
                     const runtime::Doing& doing) {
  const runtime::ActorId actor = record.id();
  log_.write({HeadRecord::Kind::down,
              {actor, {}},
              record.node(),
              0,
              {},
              0,
              context.now().time_since_epoch().count(),
              cause.shortened()});
  record.went_down(context.now(), cause);
  pending_[actor.name] = {};
  // The driver first: what it has asked of the dead one fails by the declaration, and then it knows why.
  if (job_ != Job::ending) (void)context.send(spec_.driver, ActorLost{actor, cause, doing});
  context.node().declare_down(actor, cause);
  if (const auto member = members_.find(actor.name); member != members_.end()) {
    context.node().declare_down(member->second.actor, cause);
    members_.erase(member);
  }
  if (job_ == Job::ending) return;
  events_.record("actor_down", {{"actor", actor.name},
                                {"incarnation", actor.incarnation},
                                {"node", record.node()},
                                {"kind", to_string(cause.kind)},
                                {"cause", cause.text}});
  spdlog::warn("event=actor_down actor={} cause=\"{}\"", actor.describe(), cause.text);
  tell_members({{}, {{actor, cause}}}, context);
  if (job_ == Job::failed) return;
  const runtime::RestartDecision decision =
      runtime::decide_restart(record.failures(), context.now(), spec_.limits, record.failed_starts());
  if (!decision.restart_after) {
    record.give_up();
    fail_job(record, decision.reason, context);
    return;
  }
  pending_[actor.name].restart_at = context.now() + *decision.restart_after;
  events_.record("actor_restart", {{"actor", actor.name},
                                   {"incarnation", actor.incarnation + 1},
                                   {"after_seconds", seconds(*decision.restart_after)},
                                   {"reason", decision.reason}});
}

void HeadActor::fail_job(const ActorRecord& culprit, const std::string& reason, runtime::Context& context) {
  job_ = Job::failed;
  const Failure& first = culprit.first_failure_since(context.now() - spec_.limits.window);
  const Failure& last = culprit.last_failure();  // often only what the first one led to
  std::string report = "the job cannot go on\n  actor:  " + culprit.id().describe() + " on node " + culprit.node() +
                       "\n  cause:  " + first.text + (last.text == first.text ? "" : "\n  last:   " + last.text) +
                       "\n  policy: " + reason + "\n  log:    " + (spec_.run_directory / "logs").string() +
                       "\n  others:";
  for (const ActorRecord& record : records_) {
    if (&record != &culprit) report += " " + record.id().describe() + "=" + std::string(to_string(record.state()));
  }
  events_.record("actor_given_up", {{"actor", culprit.id().name}, {"cause", first.text}, {"policy", reason}});
  (void)context.send(spec_.driver, JobFailed{report});
}

void HeadActor::lose_node(const std::string& node, const Failure& cause, runtime::Context& context) {
  const auto row = nodes_.find(node);
  if (row == nodes_.end()) return;
  const runtime::ActorId agent = row->second.agent.actor;
  events_.record("node_lost", {{"node", node}, {"cause", cause.text}});
  log_.write({HeadRecord::Kind::node_lost, {}, node, 0, {}, 0, 0, {}});
  nodes_.erase(row);
  detector_.forget(node);
  for (ActorRecord& record : records_) {
    const bool there = record.node() == node;
    if (!there || (record.state() != ActorState::starting && record.state() != ActorState::up)) continue;
    lost(record, cause, context);
    (void)context.send(agent, KillProcess{record.id()});  // in case the node is only slow to hear
  }
}

std::string HeadActor::why_not_known(const std::string& name) const {
  if (name == spec_.driver || name == runtime::kHeadName) {
    return name + " lives in the head's process, which only a signal to that process ends";
  }
  return "no actor named " + name + " in this job" + runtime::did_you_mean(spec_.actors, name);
}

void HeadActor::kill_actor(const KillActor& message, runtime::Context& context) {
  const auto found = std::find_if(records_.begin(), records_.end(),
                                  [&message](const ActorRecord& record) { return record.id().name == message.name; });
  if (found == records_.end()) {
    context.reply_failure({FailureKind::unknown, why_not_known(message.name)});
    return;
  }
  if (message.incarnation != 0 && message.incarnation != found->id().incarnation) {
    context.reply_failure({FailureKind::disconnected, runtime::ActorId{message.name, message.incarnation}.describe() +
                                                          " is not the living one: nothing to kill"});
    return;
  }
  if (found->state() != ActorState::up && found->state() != ActorState::starting) {
    context.reply_failure({FailureKind::disconnected,
                           message.name + " is " + std::string(to_string(found->state())) + ": nothing to kill"});
    return;
  }
  const auto node = nodes_.find(found->node());
  if (node == nodes_.end()) {
    context.reply_failure({FailureKind::disconnected, "node " + found->node() +
                                                          " has not come back to this head yet: "
                                                          "nobody to kill " +
                                                          message.name + " by; try again"});
    return;
  }
  (void)context.send(node->second.agent.actor, KillProcess{found->id()});
  context.reply(Ack{});
}

void HeadActor::peer_lost(const PeerLost& message, runtime::Context& context) {
  const ActorRecord* reporter = find(message.reporter);
  const ActorRecord* peer = find(message.peer);
  const bool both_up =
      reporter != nullptr && peer != nullptr && reporter->state() == ActorState::up && peer->state() == ActorState::up;
  if (!both_up || job_ != Job::running) return;
  Pending& pending = pending_[peer->id().name];
  // Whoever is blamed has no say any more, and is blamed once.
  if (pending_[reporter->id().name].blame || pending.blame) return;
  pending.blame = message;
  pending.kill_at = context.now() + kBlameGrace;
}

void HeadActor::kill_blamed(const ActorRecord& record, Pending& pending, runtime::Context& context) {
  pending.kill_at = {};
  const ActorRecord* reporter = find(pending.blame->reporter);
  if (reporter == nullptr || reporter->state() != ActorState::up) {
    pending.blame.reset();  // died meanwhile: nobody waits for what was lost
    return;
  }
  const std::string cause = pending.blame->reporter.describe() + " has lost it: " + pending.blame->cause.text;
  events_.record("link_lost", {{"actor", record.id().name},
                               {"incarnation", record.id().incarnation},
                               {"node", record.node()},
                               {"reporter", pending.blame->reporter.name},
                               {"cause", pending.blame->cause.text}});
  spdlog::warn("event=link_lost actor={} cause=\"{}\"", record.id().describe(), cause);
  if (nodes_.contains(record.node())) {
    (void)context.send(nodes_.at(record.node()).agent.actor, KillProcess{record.id()});  // it reports the end
  }
}

void HeadActor::end_job(const EndJob& message, runtime::Context& context) {
  job_ = Job::ending;
  spdlog::debug("event=end_job reason=\"{}\"", message.reason);
  const runtime::ReplyTo asker = context.defer_reply();
  auto left = std::make_shared<std::size_t>(nodes_.size());  // shared by the answers of all agents
  if (nodes_.empty()) {
    context.reply_to(asker, Ack{});
    return;
  }
  for (const auto& [name, row] : nodes_) {
    context.request<Ack>(row.agent.actor, StopAll{}, kAgentDeadline,
                         [left, asker](runtime::Result<Ack>, runtime::Context& turn) {
                           if (--*left == 0) turn.reply_to(asker, Ack{});
                         });
  }
}

void HeadActor::record_event(const RecordEvent& message, runtime::Context&) {
  const auto fields = parse_shallow_json<ordered_json>(message.fields);
  if (fields.is_object()) events_.record(message.event, fields);
}

void HeadActor::tick(const HeadTick&, runtime::Context& context) {
  const runtime::TimePoint now = context.now();
  // A head that was itself starved must not blame the nodes for the beats it did not read.
  if (now - last_tick_ > kNodeHeartbeat) detector_.observe_pause(now - last_tick_);
  last_tick_ = now;
  if (job_ == Job::running) {
    if (!awaited_.empty() && now >= awaited_until_) give_up_awaited(context);
    tell_again(context);
    for (const std::string& node : detector_.dead(now)) {
      lose_node(node,
                {FailureKind::disconnected,
                 "node " + node + " sent no heartbeat for " + std::to_string(kDeadAfter.count()) + " s"},
                context);
    }
    for (ActorRecord& record : records_) {
      Pending& pending = pending_[record.id().name];
      if (record.state() == ActorState::down && now >= pending.restart_at) {
        record.wait_again();
      } else if (record.state() == ActorState::starting && pending.ready_by != runtime::TimePoint{} &&
                 now >= pending.ready_by) {
        pending.ready_by = {};
        if (nodes_.contains(record.node())) {
          (void)context.send(nodes_.at(record.node()).agent.actor, KillProcess{record.id()});
        }
      } else if (record.state() == ActorState::up && pending.kill_at != runtime::TimePoint{} &&
                 now >= pending.kill_at) {
        kill_blamed(record, pending, context);
      }
    }
    place_waiting(context);
  }
  context.after(kHeadTick, HeadTick{});
}

}  // namespace troupe::scheduler
