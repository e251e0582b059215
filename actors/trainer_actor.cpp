#include "actors/trainer_actor.hpp"

#include "actors/data_protocol.hpp"
#include "actors/server_protocol.hpp"
#include "gpt2/learning_rate.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace troupe::actors {
namespace {

using nlohmann::ordered_json;

// Asynchronous replicas run free between borders; so many steps bound how long a stop may take.
constexpr std::uint32_t kAsyncRange = 10;
constexpr auto kNotFinite = " is not finite; try a lower train.lr or a longer train.warmup_steps";

std::uint32_t owner_votes(const JobConfig& job) {
  return job.layout.exchange == Exchange::allreduce ? 0 : job.updates_per_step();
}

RunRecorder::Repeats repeats(const JobConfig& job) {
  return job.layout.exchange == Exchange::ps_async ? RunRecorder::Repeats::free : RunRecorder::Repeats::equal;
}

}  // namespace

TrainerActor::TrainerActor(TrainerParts parts, TrainingListener listener)
    : parts_(std::move(parts)),
      listener_(std::move(listener)),
      recorder_(parts_.run_directory, repeats(parts_.job)),
      tally_(parts_.job.layout.replicas * parts_.job.layout.stages, owner_votes(parts_.job)),
      checkpoints_(parts_.run_directory / "checkpoints", parts_.job, parts_.plan.training_samples()),
      decisions_(parts_.run_directory / "commits.log", parts_.job_number),
      regrouping_(parts_.job, regrouping_listener()) {
  progress_.total_steps = parts_.plan.total_steps();
  for (const std::string& name : parts_.plan.actor_names()) progress_.actors[name] = false;
  go_on_from_decisions();
}

runtime::Behavior TrainerActor::behavior() {
  using runtime::on;
  return {on(this, &TrainerActor::placement_waits), on(this, &TrainerActor::all_up),
          on(this, &TrainerActor::actor_lost),      on(this, &TrainerActor::job_failed),
          on(this, &TrainerActor::stage_voted),     on(this, &TrainerActor::server_voted),
          on(this, &TrainerActor::async_applied),   on(this, &TrainerActor::evaluation_part),
          on(this, &TrainerActor::stop_asked),      on(this, &TrainerActor::replay_differs),
          on(this, &TrainerActor::tell_losses)};
}

void TrainerActor::on_start(runtime::Context& context) {
  context.note(runtime::Phase::idle, 0, 0);
}

std::vector<std::string> TrainerActor::stages() const {
  std::vector<std::string> names;
  for (std::uint32_t replica = 0; replica < parts_.job.layout.replicas; ++replica) {
    for (std::uint32_t stage = 0; stage < parts_.job.layout.stages; ++stage)
      names.push_back(stage_name(replica, stage));
  }
  return names;
}

std::vector<runtime::ActorId> TrainerActor::parameter_owners() const {
  if (parts_.job.layout.exchange != Exchange::allreduce) return {living(kServerName)};
  std::vector<runtime::ActorId> owners;  // every replica holds the same: the first one saves
  for (std::uint32_t stage = 0; stage < parts_.job.layout.stages; ++stage)
    owners.push_back(living(stage_name(0, stage)));
  return owners;
}

runtime::ActorId TrainerActor::living(std::string_view name) const {
  const auto found = std::ranges::find(up_, name, &runtime::ActorId::name);
  return found == up_.end() ? runtime::ActorId{std::string(name), 0} : *found;
}

// ---- 2: to the next border -----------------------------------------------------------------------------------------

void TrainerActor::run_to_next_border(runtime::Context& context) {
  border_ = parts_.plan.next_border(step_);
  until_ = border_.step;
  if (parts_.job.layout.exchange == Exchange::ps_async) until_ = std::min(until_, step_ + kAsyncRange);
  run(nullptr, context);
}

/// With an outcome: those who have less than the others begin where they are.
void TrainerActor::run(const Regrouping::Outcome* outcome, runtime::Context& context) {
  const bool again = outcome != nullptr && outcome->plan.kind == RecoveryPlan::Kind::replay;
  state_ = State::running;
  parts_.faults.reached("trainer", context.self().incarnation, step_ + 1, runtime::Phase::idle);
  const StageGrid& grid = regrouping_.grid();
  for (std::uint32_t replica = 0; replica < grid.replicas; ++replica) {
    Regrouping::Feed feed{step_, step_};
    if (again) feed = Regrouping::feed_of(*outcome, grid, replica);
    const ServeSteps order{epoch_, feed.step, until_, feed.begun};
    (void)context.send_when_room(data_name(replica), order);  // a death is ActorLost, here and below
    for (std::uint32_t stage = 0; stage < grid.stages; ++stage) {
      const std::uint32_t from = again ? outcome->plan.orders[grid.index(replica, stage)].step : step_;
      (void)context.send_when_room(stage_name(replica, stage), RunSteps{epoch_, from, until_});
    }
  }
  context.note(runtime::Phase::forward, step_ + 1, 0);
}

// ---- 3: votes become steps -----------------------------------------------------------------------------------------

void TrainerActor::stage_voted(const StepVote& message, runtime::Context& context) {
  if (state_ == State::ended || message.epoch < since_ || message.epoch > epoch_) return;
  parts_.faults.reached("trainer", context.self().incarnation, message.step + 1, runtime::Phase::reduce);
  if (message.step < step_) return voted_again(message, context);
  tally_.add(message);
  commit_complete_steps(context);
}

void TrainerActor::server_voted(const ServerVote& message, runtime::Context& context) {
  if (!is_current(message.epoch, State::running)) return;
  tally_.add(message);
  commit_complete_steps(context);
}

void TrainerActor::async_applied(const AsyncApplied& message, runtime::Context& context) {
  if (!is_current(message.epoch, State::running)) return;
  tally_.add(message);
  commit_complete_steps(context);
}

void TrainerActor::commit_complete_steps(runtime::Context& context) {
  while (state_ == State::running) {
    const std::optional<StepResult> result = tally_.take(step_);
    if (!result) return;
    commit(*result, context);
  }
}

void TrainerActor::commit(const StepResult& result, runtime::Context& context) {
  if (!is_sound(result, context)) return;
  at(FaultPoint::votes_in, context);
  const TrainConfig& train = parts_.job.train;
  const double rate = gpt2::learning_rate(learning_rate_rule(parts_.job, parts_.plan.total_steps()), step_);
  parts_.faults.reached("trainer", context.self().incarnation, step_ + 1, runtime::Phase::optimizer);
  // Asynchronous replicas hear of no commit and go on to the end of their range: the weights are still only there.
  if (!stop_reason_.empty() && parts_.job.layout.exchange != Exchange::ps_async) until_ = step_ + 1;
  Commit decision{epoch_, step_, until_, 1.0, rate};
  // torch.nn.utils.clip_grad_norm_'s rule, with its 1e-6.
  if (train.clip > 0.0) decision.gradient_scale = std::min(1.0, train.clip / (result.gradient_norm + 1e-6));
  decisions_.decide({step_, epoch_, updates_at(step_ + 1), decision.gradient_scale, rate, result.loss_sum,
                     result.correct, result.valid, result.gradient_norm});
  at(FaultPoint::commit_written, context);
  record(result, rate, context);
  last_commit_told_ = decision;
  if (parts_.job.layout.exchange == Exchange::allreduce) {
    for (const std::string& name : stages()) (void)context.send_when_room(name, decision);
  } else if (parts_.job.layout.exchange == Exchange::ps_sync) {
    (void)context.send_when_room(kServerName, decision);
  }
  at(FaultPoint::told, context);
  ++step_;
  context.note(runtime::Phase::forward, step_ + 1, 0);
  if (step_ >= until_ && behind_.empty()) at_border(context);
}

void TrainerActor::record(const StepResult& result, double learning_rate, runtime::Context& context) {
  const runtime::TimePoint now = context.now();
  const double step_seconds = std::chrono::duration<double>(now - last_commit_).count();
  last_commit_ = now;
  StepLine line{step_ + 1, result, learning_rate, std::chrono::duration<double>(now - *started_).count(), 0.0};
  line.tokens_per_second = step_seconds > 0 ? static_cast<double>(result.valid) / step_seconds : 0.0;
  const std::string difference = recorder_.record_step(line, ledger_line());
  if (!difference.empty()) {
    tell("step " + std::to_string(step_ + 1) + " came out different when repeated: " + difference);
    tell_event("step_divergence", ordered_json{{"step", step_ + 1}, {"cause", difference}}.dump(), context);
  }
  progress_.step = step_ + 1;
  progress_.epoch = parts_.plan.epoch_of(step_);
  progress_.loss = result.loss();
  progress_.accuracy = result.accuracy();
  // A moving average, so that the estimate of the time left does not jump.
  progress_.tokens_per_second = progress_.tokens_per_second > 0
                                    ? 0.9 * progress_.tokens_per_second + 0.1 * line.tokens_per_second
                                    : line.tokens_per_second;
  const double tokens_left = static_cast<double>(result.valid) * (progress_.total_steps - progress_.step);
  progress_.seconds_left = progress_.tokens_per_second > 0 ? tokens_left / progress_.tokens_per_second : 0.0;
  tell("");
}

LedgerLine TrainerActor::ledger_line() const {
  const std::uint64_t count = parts_.job.train.global_batch;
  const std::uint64_t first = step_ * count;
  return {step_ + 1, parts_.order.epoch_at(first), first, parts_.order.samples(first, count)};
}

// ---- 4, 5, 6: borders ----------------------------------------------------------------------------------------------

void TrainerActor::at_border(runtime::Context& context) {
  improved_ = Improved::no;
  border_work_ = BorderWork::due;
  if (step_ == border_.step && border_.evaluate == Border::Evaluate::yes && parts_.plan.evaluation_batches() > 0) {
    return evaluate(context);
  }
  save_or_go_on(context);
}

void TrainerActor::evaluate(runtime::Context& context) {
  state_ = State::evaluating;
  validation_.clear();
  context.note(runtime::Phase::evaluate, step_, 0);
  if (parts_.job.layout.exchange == Exchange::ps_async) {
    (void)context.send_when_room(kServerName, ShareWeights{epoch_, step_});  // the server's death ends the epoch
  }
  const std::uint32_t replicas = parts_.job.layout.replicas;
  for (std::uint32_t replica = 0; replica < replicas; ++replica) {
    const ServeEvaluation order{epoch_, step_, replica, replicas, parts_.plan.evaluation_batches()};
    (void)context.send_when_room(data_name(replica), order);
  }
}

void TrainerActor::evaluation_part(const EvaluationPart& message, runtime::Context& context) {
  if (!is_current(message.epoch, State::evaluating) || message.step != step_) return;
  validation_.insert_or_assign(message.loss.micro_batch, message.loss);
  if (validation_.size() == parts_.plan.evaluation_batches()) evaluated(context);
}

void TrainerActor::evaluated(runtime::Context& context) {
  std::vector<MicroBatchLoss> parts;
  for (const auto& [batch, loss] : validation_) parts.push_back(loss);
  const std::uint32_t epoch = parts_.plan.epoch_of(step_ - 1);
  const MicroBatchLoss total = sum_losses(std::move(parts));
  if (!std::isfinite(total.loss_sum)) {
    return end(TrainingEnd::Kind::failed, "validation at step " + std::to_string(step_) + ": the loss" + kNotFinite,
               context);
  }
  ValidationLine line{step_, epoch, parts_.plan.begin_of(epoch), total, std::nullopt};
  if (border_.epoch_end == Border::EpochEnd::yes) {
    if (epoch_began_) line.epoch_seconds = std::chrono::duration<double>(context.now() - *epoch_began_).count();
    epoch_began_ = context.now();
  }
  if (recorder_.record_validation(line)) improved_ = Improved::yes;
  progress_.validation_loss = line.loss.loss_sum / static_cast<double>(std::max<std::int64_t>(line.loss.valid, 1));
  const double accuracy =
      static_cast<double>(line.loss.correct) / static_cast<double>(std::max<std::int64_t>(line.loss.valid, 1));
  std::string news = "validation at step " + std::to_string(step_) + ": loss " +
                     std::to_string(*progress_.validation_loss) + ", accuracy " + std::to_string(accuracy * 100.0) +
                     " %";
  if (improved_ == Improved::yes) news += " (best so far)";
  if (line.epoch_seconds) news += ", epoch took " + std::to_string(*line.epoch_seconds) + " s";
  tell(news);
  tell_event("validation",
             ordered_json{{"step", step_}, {"loss", *progress_.validation_loss}, {"accuracy", accuracy}}.dump(),
             context);
  save_or_go_on(context);
}

void TrainerActor::save_or_go_on(runtime::Context& context) {
  const bool planned = step_ == border_.step && border_.save == Border::Save::yes;
  if (!planned && improved_ == Improved::no && stop_reason_.empty()) return go_on(context);
  if (returned_ == Returned::yes && checkpoints_.find_newest(recorder_.steps()).step == step_) return go_on(context);
  state_ = State::saving;
  context.note(runtime::Phase::checkpoint, step_, 0);
  parts_.faults.reached("trainer", context.self().incarnation, step_, runtime::Phase::checkpoint);
  recorder_.sync();
  const auto moment = [this, incarnation = context.self().incarnation](FaultPoint point) {
    return [this, incarnation, point] {
      (void)parts_.faults.at(point, std::string(kTrainerName), incarnation, step_);  // as in at()
    };
  };
  const SaveRequest request{epoch_,
                            step_,
                            recorder_.best_step(),
                            static_cast<std::uint64_t>(step_) * parts_.job.train.global_batch,
                            updates_at(step_),
                            parameter_owners(),
                            [this, epoch = epoch_] { return is_current(epoch, State::saving); },
                            {moment(FaultPoint::before_rename), moment(FaultPoint::renamed)}};
  checkpoints_.save(
      request, [this](const SaveOutcome& outcome, runtime::Context& turn) { saved(outcome, turn); }, context);
}

void TrainerActor::saved(const SaveOutcome& outcome, runtime::Context& context) {
  if (!is_current(outcome.epoch, State::saving)) return;
  const bool last = step_ >= parts_.plan.total_steps() || !stop_reason_.empty();
  if (outcome.error.empty()) {
    tell_event("checkpoint", ordered_json{{"step", outcome.step}}.dump(), context);
  } else {
    tell("checkpoint of step " + std::to_string(outcome.step) + " failed: " + outcome.error);
    tell_event("checkpoint_failed", ordered_json{{"step", outcome.step}, {"cause", outcome.error}}.dump(), context);
    for (const runtime::ActorId& owner : outcome.gone) give_up_on(owner, outcome.error, context);
    if (!outcome.gone.empty()) return;
    if (last)
      return end(TrainingEnd::Kind::failed, "the last checkpoint could not be written: " + outcome.error, context);
  }
  go_on(context);
}

void TrainerActor::go_on(runtime::Context& context) {
  border_work_ = BorderWork::none;
  returned_ = Returned::no;
  if (step_ >= parts_.plan.total_steps()) return end(TrainingEnd::Kind::finished, "", context);
  if (!stop_reason_.empty()) return end(TrainingEnd::Kind::stopped, stop_reason_, context);
  last_commit_ = context.now();
  run_to_next_border(context);
}

void TrainerActor::stop_asked(const StopTraining& message, runtime::Context& context) {
  if (!stop_reason_.empty() || state_ == State::ended) return;
  stop_reason_ = message.reason;
  tell(message.reason + ": stopping at the next step border, with a checkpoint");
  // Nothing is running that could reach a border; where stages keep their states, it soon is again.
  const bool comes_back = parts_.job.replays() && started_;
  if ((state_ == State::waiting || state_ == State::regrouping) && !comes_back)
    end(TrainingEnd::Kind::stopped, message.reason, context);
}

void TrainerActor::end(TrainingEnd::Kind kind, const std::string& text, runtime::Context& context) {
  if (state_ == State::ended) return;
  state_ = State::ended;
  context.note(runtime::Phase::idle, step_, 0);
  listener_.on_end(TrainingEnd{kind, step_, text});
}

void TrainerActor::tell(const std::string& news) {
  progress_.news = news;
  listener_.on_progress(progress_);
}

void TrainerActor::tell_event(const std::string& event, const std::string& fields, runtime::Context& context) {
  (void)context.send_when_room(runtime::kHeadName, runtime::RecordEvent{event, fields});  // the head is in this process
}

}  // namespace troupe::actors
