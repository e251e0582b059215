#include "actors/recovery/regrouping.hpp"

#include "actors/collective/collective.hpp"
#include "actors/job_plan.hpp"
#include "actors/stage_protocol.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe::actors {
namespace {

// A turn of a large stage takes seconds; a minute means that somebody is stuck.
constexpr runtime::Duration kReportDeadline = std::chrono::seconds(60);
// A 124M checkpoint on a slow disk loads in seconds.
constexpr runtime::Duration kLoadDeadline = std::chrono::seconds(120);

}  // namespace

StageGrid grid_of(const JobConfig& job) {
  StageGrid grid{job.layout.replicas, job.layout.stages, StageGrid::Ends::apart, StageGrid::Sums::by_messages};
  if (job.model.head == gpt2::HeadWeights::tied) grid.ends = StageGrid::Ends::tied;
  if (!sums_by_messages(job.layout)) grid.sums = StageGrid::Sums::by_library;
  return grid;
}

Regrouping::Regrouping(const JobConfig& job, Listener listener)
    : job_(job), listener_(std::move(listener)), grid_(grid_of(job)) {}

runtime::ActorId Regrouping::living(const std::string& name) const {
  const auto found = std::ranges::find(start_.up, name, &runtime::ActorId::name);
  return found == start_.up.end() ? runtime::ActorId{name, 0} : *found;
}

runtime::ActorId Regrouping::stage_at(std::size_t index) const {
  return living(
      stage_name(static_cast<std::uint32_t>(index / grid_.stages), static_cast<std::uint32_t>(index % grid_.stages)));
}

LoadState Regrouping::base_order() const {
  LoadState order;
  order.epoch = start_.epoch;
  order.since = start_.epoch;
  for (const runtime::ActorId& actor : start_.up) order.incarnations.push_back(actor.incarnation);
  return order;
}

// ---- asking --------------------------------------------------------------------------------------------------------

void Regrouping::begin(Start start, runtime::Context& context) {
  start_ = std::move(start);
  outcome_ = {};
  if (!job_.replays()) return order_states(context);
  outcome_.reports.resize(grid_.size());
  unanswered_ = grid_.size();
  const Regroup question{start_.epoch, base_order().incarnations};
  for (std::size_t index = 0; index < grid_.size(); ++index) {
    const runtime::ActorId stage = stage_at(index);
    const auto reported = [this, index, stage, epoch = start_.epoch](const runtime::Result<StageReport>& answer,
                                                                     runtime::Context& turn) {
      if (epoch != start_.epoch) return;
      if (!answer) return listener_.on_gone(stage, answer.failure().text, turn);
      outcome_.reports[index] = *answer;
      if (--unanswered_ == 0) decide(turn);
    };
    context.request_when_room<StageReport>(stage, question, kReportDeadline, reported);
  }
}

void Regrouping::decide(runtime::Context& context) {
  outcome_.plan = start_.back_to ? plan_rollback(grid_, outcome_.reports, *start_.back_to)
                                 : plan_recovery(grid_, outcome_.reports, start_.committed);
  for (std::size_t index = 0; index < grid_.size(); ++index) {
    if (!goes_on(outcome_.reports[index])) outcome_.restored.push_back(stage_at(index).name);
  }
  order_states(context);
}

// ---- loading -------------------------------------------------------------------------------------------------------

void Regrouping::order_states(runtime::Context& context) {
  using Kind = RecoveryPlan::Kind;
  const Kind kind = outcome_.plan.kind;
  // Whoever has not heard of it yet goes on in the epoch of the question: what it sends must not count.
  if (kind != Kind::replay && job_.replays()) start_.epoch = listener_.begin_epoch();
  std::vector<std::pair<runtime::ActorId, LoadState>> orders;
  if (kind == Kind::checkpoint) {
    outcome_.checkpoint = listener_.find_checkpoint(context);
    outcome_.plan.step = outcome_.checkpoint.step;
    LoadState order = base_order();
    order.step = outcome_.checkpoint.step;
    order.checkpoint = outcome_.checkpoint.directory;
    for (std::size_t index = 0; index < grid_.size(); ++index) orders.emplace_back(stage_at(index), order);
    if (job_.layout.exchange != Exchange::allreduce) orders.emplace_back(living(std::string(kServerName)), order);
  } else {
    for (std::size_t index = 0; index < grid_.size(); ++index) {
      const StageOrder& plan = outcome_.plan.orders[index];
      if (kind == Kind::replay && plan.begin == StageOrder::Begin::goes_on) continue;
      LoadState order = base_order();
      if (kind == Kind::replay) order.since = start_.since;
      order.step = plan.step;
      order.source = plan.source;
      if (plan.source == StateSource::sibling)
        order.lender = stage_name(plan.lender, static_cast<std::uint32_t>(index % grid_.stages));
      orders.emplace_back(stage_at(index), order);
    }
  }
  if (orders.empty()) return resume(context);
  unanswered_ = orders.size();
  for (const auto& [actor, order] : orders) {
    const auto answered = [this, actor = actor, source = order.source, epoch = start_.epoch](
                              const runtime::Result<StateLoaded>& answer, runtime::Context& turn) {
      if (epoch != start_.epoch) return;
      // Its lender is to blame, or has gone on meanwhile.
      if (!answer && source == StateSource::sibling) return listener_.on_again(answer.failure().text, turn);
      loaded(actor, answer, turn);
    };
    context.request_when_room<StateLoaded>(actor, order, kLoadDeadline, answered);
  }
}

void Regrouping::loaded(const runtime::ActorId& actor, const runtime::Result<StateLoaded>& answer,
                        runtime::Context& context) {
  if (answer) {
    if (--unanswered_ == 0) resume(context);
    return;
  }
  if (answer.failure().kind != runtime::FailureKind::unknown) {
    return listener_.on_gone(actor, answer.failure().text, context);
  }
  // It is of another program: no restart repairs that.
  listener_.on_unfit(answer.failure().within("loading step " + std::to_string(outcome_.plan.step)).text, context);
}

// ---- resuming ------------------------------------------------------------------------------------------------------

void Regrouping::resume(runtime::Context& context) {
  if (outcome_.plan.kind != RecoveryPlan::Kind::replay) return whole(context);
  Resume order{start_.epoch, {}};
  std::vector<runtime::ActorId> others;
  for (std::size_t index = 0; index < grid_.size(); ++index) {
    const StageOrder& plan = outcome_.plan.orders[index];
    if (plan.begin == StageOrder::Begin::goes_on) {
      others.push_back(stage_at(index));
    } else {
      order.restarted.push_back({stage_at(index).name, plan.step});
    }
  }
  if (others.empty()) return whole(context);
  unanswered_ = others.size();
  for (const runtime::ActorId& stage : others) {
    const auto resumed = [this, stage, epoch = start_.epoch](const runtime::Result<Resumed>& answer,
                                                             runtime::Context& turn) {
      if (epoch != start_.epoch) return;
      if (!answer) return listener_.on_gone(stage, answer.failure().text, turn);
      if (--unanswered_ == 0) whole(turn);
    };
    context.request_when_room<Resumed>(stage, order, kReportDeadline, resumed);
  }
}

void Regrouping::whole(runtime::Context& context) {
  const Outcome outcome = std::move(outcome_);
  outcome_ = {};
  listener_.on_whole(outcome, context);
}

Regrouping::Feed Regrouping::feed_of(const Outcome& outcome, const StageGrid& grid, std::uint32_t replica) {
  if (outcome.plan.kind != RecoveryPlan::Kind::replay) return {outcome.plan.step, outcome.plan.step};
  Feed feed{std::numeric_limits<std::uint32_t>::max(), 0};
  for (std::uint32_t stage = 0; stage < grid.stages; ++stage) {
    const std::size_t index = grid.index(replica, stage);
    const StageOrder& order = outcome.plan.orders[index];
    const bool done =
        order.begin == StageOrder::Begin::goes_on && outcome.reports[index].vote == StageReport::Vote::given;
    const std::uint32_t needed = order.step + (done ? 1 : 0);
    feed.step = std::min(feed.step, needed);
    if (stage == 0) feed.begun = needed;
  }
  return feed;
}

}  // namespace troupe::actors
