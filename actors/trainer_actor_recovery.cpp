#include "actors/trainer_actor.hpp"

#include "actors/data_protocol.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

/// What the trainer does about deaths: actors come and go, all are brought to one state, steps are done again.
namespace troupe::actors {
namespace {

using nlohmann::ordered_json;

constexpr auto kStillNotFinite =
    " is not finite, also when repeated; try a lower train.lr or a longer train.warmup_steps";

// A recovery is one line, when it is over; what takes longer is told of while it lasts.
constexpr runtime::Duration kPatience = std::chrono::seconds(1);

std::string milliseconds(runtime::Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + " ms";
}

/// In the order of how much is done again.
std::string_view name_of(RecoveryPlan::Kind kind) {
  if (kind == RecoveryPlan::Kind::replay) return "replay";
  return kind == RecoveryPlan::Kind::rollback ? "rollback" : "checkpoint";
}

}  // namespace

// ---- 1, 7: actors come and go --------------------------------------------------------------------------------------

void TrainerActor::all_up(const runtime::AllUp& message, runtime::Context& context) {
  if (state_ == State::ended) return;
  up_ = message.actors;
  for (const runtime::ActorId& actor : up_) progress_.actors[actor.name] = true;
  regroup(context);
}

void TrainerActor::actor_lost(const runtime::ActorLost& message, runtime::Context& context) {
  if (state_ == State::ended) return;
  state_ = State::waiting;
  regrouping_.cancel();
  if (lost_.empty()) lost_at_ = context.now();
  lost_.push_back({message.actor.name, message.actor.describe() + " " + message.cause.text});
  context.after(kPatience, TellLosses{});
  progress_.actors[message.actor.name] = false;
  tell("");
  context.note(runtime::Phase::idle, step_, 0);
  if (is_poison(message, context)) return;
  // Without snapshots the steps since the newest checkpoint are lost, and no border comes before it is loaded again.
  if (!stop_reason_.empty() && !parts_.job.replays()) end(TrainingEnd::Kind::stopped, stop_reason_, context);
}

/// An actor that breaks twice in a row at the same micro-batch will do so for ever: the run ends, and says which
/// samples they are. Who is killed from outside did not break.
bool TrainerActor::is_poison(const runtime::ActorLost& message, runtime::Context& context) {
  const runtime::Doing& now = message.doing;
  const bool computing = now.phase == runtime::Phase::forward || now.phase == runtime::Phase::backward;
  if (!computing || now.step == 0 || message.cause.text.starts_with("killed by signal 9")) return false;
  const auto [before, is_first] = crashes_.try_emplace(message.actor.name, now);
  if (is_first || !(std::exchange(before->second, now) == now)) return false;
  const TrainConfig& train = parts_.job.train;
  const std::uint64_t first = std::uint64_t{now.step - 1} * train.global_batch + now.micro_batch * train.micro_batch;
  const std::vector<std::uint64_t> samples = parts_.order.samples(first, train.micro_batch);
  const ordered_json numbers = samples;
  tell_event("poison",
             ordered_json{{"actor", message.actor.name},
                          {"step", now.step},
                          {"micro_batch", now.micro_batch},
                          {"samples", numbers},
                          {"cause", message.cause.text}}
                 .dump(),
             context);
  end(TrainingEnd::Kind::failed,
      message.actor.name + " broke twice at micro-batch " + std::to_string(now.micro_batch) + " of step " +
          std::to_string(now.step) + ": " + message.cause.text + "; its samples are " + numbers.dump() +
          ": look at them, or at the program",
      context);
  return true;
}

void TrainerActor::job_failed(const runtime::JobFailed& message, runtime::Context& context) {
  end(TrainingEnd::Kind::failed, message.report, context);
}

void TrainerActor::placement_waits(const runtime::PlacementWaits& message, runtime::Context& context) {
  if (state_ == State::ended) return;
  tell(message.why);
  // Nobody knows how long; whoever wants it to stop is not made to wait.
  if (!stop_reason_.empty()) end(TrainingEnd::Kind::stopped, stop_reason_, context);
}

/// An actor of this epoch is dead, or as good as dead. The head is asked to kill it, which does no harm to the dead:
/// ActorLost follows, or is on its way, then AllUp. Until then the state stays what it is.
void TrainerActor::give_up_on(const runtime::ActorId& actor, const std::string& why, runtime::Context& context) {
  tell(actor.describe() + " is given up: " + why);
  (void)context.send(runtime::kHeadName, runtime::KillActor{actor.name, actor.incarnation});  // as in tell_event()
}

/// A trainer that returns to a job: what was decided counts, whoever has heard of it.
void TrainerActor::go_on_from_decisions() {
  epoch_ = decisions_.epoch();
  since_ = decisions_.since();
  const std::optional<Decision>& last = decisions_.last();
  if (!last) return;
  step_ = last->step + 1;
  loaded_step_ = step_;
  loaded_updates_ = last->updates;
  last_commit_told_ = Commit{epoch_, last->step, step_, last->gradient_scale, last->learning_rate};
  border_ = parts_.plan.next_border(last->step);
  until_ = border_.step;
  if (border_.step == step_) border_work_ = BorderWork::due;  // perhaps done: who has begun the next step says so
  returned_ = Returned::yes;
  progress_.step = step_;
  if (recorder_.steps() >= step_) return;
  // The process ended between the decision and its line.
  StepLine line{step_, {}, last->learning_rate, 0.0, 0.0};
  line.result.loss_sum = last->loss_sum;
  line.result.correct = last->correct;
  line.result.valid = last->valid;
  line.result.gradient_norm = last->gradient_norm;
  --step_;
  (void)recorder_.record_step(line, ledger_line());  // new, so nothing to differ from
  ++step_;
}

/// Of the step being decided.
void TrainerActor::at(FaultPoint point, runtime::Context& context) const {
  (void)parts_.faults.at(point, std::string(kTrainerName), context.self().incarnation, step_ + 1);  // nothing to spoil
}

std::uint64_t TrainerActor::updates_at(std::uint32_t step) const {
  return loaded_updates_ + (std::uint64_t{step} - loaded_step_) * parts_.job.updates_per_step();
}

// ---- 2: the same state everywhere ----------------------------------------------------------------------------------

Regrouping::Listener TrainerActor::regrouping_listener() {
  return {[this](const Regrouping::Outcome& outcome, runtime::Context& turn) { whole(outcome, turn); },
          [this](const runtime::ActorId& actor, const std::string& why, runtime::Context& turn) {
            give_up_on(actor, why, turn);
          },
          [this](const std::string& why, runtime::Context& turn) { end(TrainingEnd::Kind::failed, why, turn); },
          [this](const std::string&, runtime::Context& turn) { regroup(turn); },
          [this] {
            ++epoch_;
            decisions_.begin_epoch(epoch_, since_);
            return epoch_;
          },
          [this](runtime::Context& turn) { return find_checkpoint(turn); }};
}

void TrainerActor::regroup(runtime::Context& context) {
  ++epoch_;
  decisions_.begin_epoch(epoch_, since_);
  state_ = State::regrouping;
  context.note(runtime::Phase::load, step_, 0);
  regrouping_.begin({epoch_, since_, step_, back_to_, up_}, context);
}

FoundCheckpoint TrainerActor::find_checkpoint(runtime::Context& context) {
  FoundCheckpoint found = checkpoints_.find_newest(std::min(recorder_.steps(), back_to_.value_or(recorder_.steps())));
  for (const std::string& rejection : found.rejections) {
    tell("refused checkpoint " + rejection);
    tell_event("checkpoint_refused", ordered_json{{"cause", rejection}}.dump(), context);
  }
  return found;
}

void TrainerActor::whole(const Regrouping::Outcome& outcome, runtime::Context& context) {
  if (state_ != State::regrouping) return;
  const bool same_step = outcome.plan.kind != RecoveryPlan::Kind::checkpoint && outcome.plan.step == step_;
  back_to_.reset();
  if (outcome.plan.kind == RecoveryPlan::Kind::replay) {
    take_up(outcome, context);
  } else {
    go_back(outcome, context);
  }
  tell_recovery(outcome, context);
  if (!started_) started_ = context.now();
  if (!epoch_began_ && step_ == parts_.plan.begin_of(parts_.plan.epoch_of(step_))) epoch_began_ = context.now();
  last_commit_ = context.now();
  const auto has_begun_next = [this](const StageReport& report) {
    return report.step == step_ && report.work == StageReport::Work::begun;
  };
  if (std::ranges::any_of(outcome.reports, has_begun_next)) border_work_ = BorderWork::none;
  if (border_work_ == BorderWork::due && same_step) {
    if (behind_.empty()) return at_border(context);
    return run(&outcome, context);
  }
  if (step_ >= parts_.plan.total_steps()) return go_on(context);
  border_work_ = BorderWork::none;
  border_ = parts_.plan.next_border(step_);
  until_ = border_.step;
  if (parts_.job.layout.exchange == Exchange::ps_async) return run_to_next_border(context);
  if (!stop_reason_.empty()) until_ = step_ + 1;  // somebody is in the middle of it
  run(&outcome, context);
  commit_complete_steps(context);
}

/// The others go on with what they do; the restarted vote again.
void TrainerActor::take_up(const Regrouping::Outcome& outcome, runtime::Context& context) {
  const StageGrid& grid = regrouping_.grid();
  behind_.clear();
  const std::set<Place> voted = std::exchange(voted_meanwhile_, {});
  for (std::uint32_t replica = 0; replica < grid.replicas; ++replica) {
    for (std::uint32_t stage = 0; stage < grid.stages; ++stage) {
      const StageOrder& order = outcome.plan.orders[grid.index(replica, stage)];
      if (order.begin == StageOrder::Begin::again) tally_.forget(replica, stage);
      if (order.step == step_) continue;
      if (order.begin == StageOrder::Begin::goes_on && voted.contains({replica, stage})) {
        tell_commit_again({replica, stage}, context);
      } else {
        behind_.emplace(replica, stage);
      }
    }
  }
}

/// All begin from one step: what was under way is gone.
void TrainerActor::go_back(const Regrouping::Outcome& outcome, runtime::Context& context) {
  const std::uint32_t step = outcome.plan.step;
  const bool from_disk = outcome.plan.kind == RecoveryPlan::Kind::checkpoint;
  progress_.step = step;
  progress_.tokens_per_second = 0.0;  // no step is done since: the last one's figures are not this step's
  if (step < step_) {
    tell("going back from step " + std::to_string(step_) + " to step " + std::to_string(step));
    tell_event("rollback", ordered_json{{"from_step", step_}, {"step", step}}.dump(), context);
  } else if (step > 0 && step_ == 0) {
    tell("resuming from step " + std::to_string(step));
  }
  if (parts_.plan.epoch_of(step) != parts_.plan.epoch_of(step_)) epoch_began_.reset();
  if (from_disk) {
    loaded_step_ = step;
    loaded_updates_ = outcome.checkpoint.updates;
  }
  step_ = step;
  since_ = epoch_;
  decisions_.begin_epoch(epoch_, since_);
  behind_.clear();
  voted_meanwhile_.clear();
  if (parts_.job.layout.exchange == Exchange::ps_async) recorder_.cut_after(step_);
  tally_.clear();
}

void TrainerActor::tell_recovery(const Regrouping::Outcome& outcome, runtime::Context& context) {
  if (lost_.empty()) return;
  const runtime::Duration took = context.now() - *lost_at_;
  std::uint32_t first = step_;  // that somebody does again
  for (const StageOrder& order : outcome.plan.orders) first = std::min(first, order.step);
  std::string who;
  std::vector<std::string> names;
  for (const Loss& loss : lost_) {
    who += (who.empty() ? "" : "; ") + (loss.told == Loss::Told::yes ? loss.actor : loss.what);
    names.push_back(loss.actor);
  }
  tell(who + ": back after " + milliseconds(took) + ", " + std::string(name_of(outcome.plan.kind)) + " from step " +
       std::to_string(first));
  tell_event("recovered",
             ordered_json{{"actors", names},
                          {"kind", name_of(outcome.plan.kind)},
                          {"step", step_},
                          {"from_step", first},
                          {"restored", outcome.restored},
                          {"milliseconds", std::chrono::duration<double, std::milli>(took).count()}}
                 .dump(),
             context);
  lost_.clear();
  lost_at_.reset();
}

void TrainerActor::tell_losses(const TellLosses&, runtime::Context&) {
  for (Loss& loss : lost_) {
    if (std::exchange(loss.told, Loss::Told::yes) == Loss::Told::no) tell(loss.what + ": waiting for it to be back");
  }
}

// ---- steps that are done again -------------------------------------------------------------------------------------

/// A stage that has not applied a commit, or applies it again.
void TrainerActor::voted_again(const StepVote& message, runtime::Context& context) {
  if (!parts_.job.replays() || !last_commit_told_ || message.step + 1 != step_) return;
  const Place place{message.replica, message.stage};
  // Nobody moves while it is found out where everybody is.
  if (state_ == State::waiting || state_ == State::regrouping) return (void)voted_meanwhile_.insert(place);
  tell_commit_again(place, context);
  const bool was_last = behind_.erase(place) > 0 && behind_.empty();
  if (was_last && state_ == State::running && step_ >= until_) at_border(context);
}

void TrainerActor::tell_commit_again(const Place& place, runtime::Context& context) {
  Commit decision = *last_commit_told_;
  decision.epoch = epoch_;
  decision.until = until_;
  (void)context.send_when_room(stage_name(place.first, place.second), decision);  // a death is ActorLost
}

/// False when the step is done again instead of committed, or the run has ended.
bool TrainerActor::is_sound(const StepResult& result, runtime::Context& context) {
  // Before anything else: what a damaged state makes is worth nothing.
  if (const auto stage = result.different_stage()) {
    states_differ(*stage, result, context);
    return false;
  }
  name_culprits(result, context);
  if (std::isfinite(result.loss()) && std::isfinite(result.gradient_norm)) return true;
  const std::string what = "step " + std::to_string(step_ + 1) + ": loss " + std::to_string(result.loss()) +
                           " or gradient norm " + std::to_string(result.gradient_norm);
  if (repeated_step_ == step_ || !parts_.job.replays()) {
    end(TrainingEnd::Kind::failed, what + kStillNotFinite, context);
    return false;
  }
  tell(what + " is not finite: the step is done again with the same data");
  tell_event("step_aborted", ordered_json{{"step", step_ + 1}, {"cause", what + " is not finite"}}.dump(), context);
  repeated_step_ = step_;
  back_to_ = step_;
  regroup(context);
  return false;
}

/// Replicas of a stage hold the same state by construction; a bit has changed in one of them.
void TrainerActor::states_differ(std::uint32_t stage, const StepResult& result, runtime::Context& context) {
  const std::string what = "replicas of stage " + std::to_string(stage) + " hold different states after step " +
                           std::to_string(step_) + ": memory or arithmetic of a machine is faulty";
  tell_event("states_differ",
             ordered_json{{"step", step_}, {"stage", stage}, {"digests", result.states.at(stage)}}.dump(), context);
  if (step_ == 0 || repeated_step_ == step_ - 1) return end(TrainingEnd::Kind::failed, what, context);
  tell(what + "; the step is done again");
  recorder_.cut_after(step_ - 1);  // the numbers of that step may be wrong too
  suspects_ = result.states;
  repeated_step_ = step_ - 1;
  back_to_ = step_ - 1;
  regroup(context);
}

/// All agree now: who held something else before is the one whose machine is to be looked at.
void TrainerActor::name_culprits(const StepResult& result, runtime::Context& context) {
  if (suspects_.empty() || repeated_step_ != step_ - 1) return;  // the step in question is still to be done again
  for (const auto& [stage, digests] : std::exchange(suspects_, {})) {
    const auto right = result.states.find(stage);
    if (right == result.states.end()) continue;
    for (std::uint32_t replica = 0; replica < digests.size(); ++replica) {
      if (digests[replica] == right->second.front()) continue;
      const std::string actor = stage_name(replica, stage);
      tell(actor + " held a wrong state after step " + std::to_string(step_) +
           ": look at memory and processor of its node");
      tell_event("wrong_state", ordered_json{{"step", step_}, {"actor", actor}, {"digest", digests[replica]}}.dump(),
                 context);
    }
  }
}

void TrainerActor::replay_differs(const ReplayDiffers& message, runtime::Context& context) {
  tell("a restarted actor sent something else than before: " + message.what);
  tell_event("replay_differs", ordered_json{{"step", message.step + 1}, {"cause", message.what}}.dump(), context);
}

}  // namespace troupe::actors
