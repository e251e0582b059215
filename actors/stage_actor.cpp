#include "actors/stage_actor.hpp"

#include "actors/collective/nccl_collective.hpp"
#include "actors/data_protocol.hpp"
#include "actors/device_check.hpp"
#include "actors/server_protocol.hpp"
#include "actors/stage_model.hpp"
#include "runtime/job_protocol.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace troupe::actors {
namespace {

std::vector<gpt2::Action> schedule_of(const StageRole& role) {
  const auto schedule =
      role.job.layout.schedule == PipelineSchedule::gpipe ? gpt2::Schedule::gpipe : gpt2::Schedule::one_f_one_b;
  const std::uint32_t count = role.job.micro_batches_per_replica();
  const gpt2::StageOf position{static_cast<int>(role.stage), static_cast<int>(role.job.layout.stages)};
  return gpt2::compile_schedule(schedule, position, {role.replica * count, count});
}

ReplicaGroup group_of(const StageRole& role) {
  ReplicaGroup group;
  for (std::uint32_t replica = 0; replica < role.job.layout.replicas; ++replica) {
    group.members.push_back(stage_name(replica, role.stage));
  }
  group.self = role.replica;
  group.micro_batches = role.job.micro_batches();
  return group;
}

/// Where the members of the group are, by replica.
std::vector<std::string> devices_of(const StageRole& role) {
  const std::vector<std::string> placed = place_stages(role.job);
  std::vector<std::string> devices;
  for (std::uint32_t replica = 0; replica < role.job.layout.replicas; ++replica) {
    devices.push_back(placed[replica * role.job.layout.stages + role.stage]);
  }
  return devices;
}

}  // namespace

StageActor::StageActor(StageRole role, FaultPlan faults)
    : role_(std::move(role)),
      faults_(std::move(faults)),
      schedule_(schedule_of(role_)),
      model_(std::make_unique<StageModel>(role_.job, role_.stage, role_.replica)),
      sent_(role_.job.replays() && sums_by_messages(role_.job.layout) ? SentLog::Keep::all : SentLog::Keep::nothing),
      collective_(make_collective(group_of(role_), devices_of(role_), sent_)) {
  open_snapshots();
}

StageActor::~StageActor() = default;

runtime::Behavior StageActor::behavior() {
  using runtime::on;
  return {on(this, &StageActor::load),
          on(this, &StageActor::run),
          on(this, &StageActor::inputs),
          on(this, &StageActor::targets),
          on(this, &StageActor::activations),
          on(this, &StageActor::gradients),
          on(this, &StageActor::slice_sums),
          on(this, &StageActor::slice_total),
          on(this, &StageActor::tied_gradient),
          on(this, &StageActor::commit),
          on(this, &StageActor::fresh_weights),
          on(this, &StageActor::border_weights),
          on(this, &StageActor::save),
          on(this, &StageActor::go_on),
          on(this, &StageActor::regroup),
          on(this, &StageActor::resume),
          on(this, &StageActor::lend_state),
          on(this, &StageActor::gather_offer),
          on(this, &StageActor::communicator_id),
          on(this, &StageActor::communicator_entered),
          on(this, &StageActor::poll_collective)};
}

void StageActor::enter(runtime::Phase phase, std::uint32_t micro_batch, runtime::Context& context) {
  context.note(phase, step_ + 1, micro_batch);
  const FaultDuty duty =
      faults_.reached(context.self().name, context.self().incarnation, step_ + 1, phase, micro_batch);
  if (duty == FaultDuty::poison || duty == FaultDuty::flip_bit) damage_ = duty;
  // The first stage of the first replica is the witness for actors that have no such phase of their own.
  if (role_.replica != 0 || role_.stage != 0) return;
  for (const std::string& victim : faults_.victims(step_ + 1, phase, incarnations_)) {
    incarnations_.erase(victim);
    (void)context.send_when_room(runtime::kHeadName,
                                 runtime::KillActor{victim});  // without a head there is nobody to kill it
  }
}

void StageActor::at(FaultPoint point, std::uint32_t step, runtime::Context& context) const {
  (void)faults_.at(point, context.self().name, context.self().incarnation, step);  // there is nothing to spoil here
}

// ---- between steps -------------------------------------------------------------------------------------------------

void StageActor::run(const RunSteps& message, runtime::Context& context) {
  if (message.epoch != inbox_.epoch()) return;
  inputs_ = StageReport::Inputs::complete;
  if (message.step > step_) {
    next_run_ = message;
    return;
  }
  until_ = message.until;
  if (state_ == State::idle && step_ < until_) begin_step(context);
}

void StageActor::save(const SaveShard& message, runtime::Context& context) {
  if (message.epoch != inbox_.epoch() || state_ != State::idle || message.step != step_) {
    context.reply_failure({runtime::FailureKind::unknown,
                           context.self().name + " is not at the border after step " + std::to_string(message.step)});
    return;
  }
  // Steps on the screen count from 1, and the border after step n belongs to step n.
  context.note(runtime::Phase::checkpoint, step_, 0);
  faults_.reached(context.self().name, context.self().incarnation, step_, runtime::Phase::checkpoint);
  if (role_.replica == 0 && role_.stage == 0) {
    for (const std::string& victim : faults_.victims(step_, runtime::Phase::checkpoint, incarnations_)) {
      (void)context.send_when_room(runtime::kHeadName, runtime::KillActor{victim});  // as in enter()
    }
  }
  const StageModel::Saved saved = model_->save(message.directory);
  at(FaultPoint::shard_written, step_, context);
  context.note(runtime::Phase::idle, step_, 0);
  if (!saved.error.empty()) return context.reply_failure({runtime::FailureKind::unknown, saved.error});
  context.reply(
      ShardSaved{message.epoch, message.step, runtime::Payload::copy_of(std::as_bytes(std::span(saved.report)))});
}

// ---- arrivals ------------------------------------------------------------------------------------------------------

void StageActor::inputs(const BatchInputs& message, runtime::Context& context) {
  if (inbox_.put(message)) return advance(context);
  tell_differences(context);
}

void StageActor::targets(const BatchTargets& message, runtime::Context& context) {
  if (inbox_.put(message)) advance(context);
}

void StageActor::activations(const ForwardActivations& message, runtime::Context& context) {
  if (inbox_.put(message)) return advance(context);
  tell_differences(context);
}

void StageActor::gradients(const BackwardGradients& message, runtime::Context& context) {
  if (inbox_.put(message)) return advance(context);
  tell_differences(context);
}

void StageActor::slice_sums(const SliceSums& message, runtime::Context& context) {
  collective_->deliver(message, context);
}

void StageActor::slice_total(const SliceTotal& message, runtime::Context& context) {
  collective_->deliver(message, context);
}

void StageActor::gather_offer(const GatherOffer& message, runtime::Context& context) {
  collective_->deliver(message, context);
}

void StageActor::communicator_id(const CommunicatorId& message, runtime::Context& context) {
  collective_->deliver(message, context);
}

void StageActor::communicator_entered(const CommunicatorEntered& message, runtime::Context& context) {
  collective_->deliver(message, context);
}

void StageActor::poll_collective(const PollCollective& message, runtime::Context& context) {
  collective_->deliver(message, context);
}

void StageActor::tied_gradient(const TiedGradient& message, runtime::Context& context) {
  if (!inbox_.is_of_this_life(message.epoch) || message.step < step_) return;
  tied_.insert_or_assign(message.step, message.gradient);
  if (state_ == State::tying) tie(context);
}

void StageActor::go_on(const Continue& message, runtime::Context& context) {
  if (inbox_.is_of_this_life(message.epoch) && message.step == step_) advance(context);
}

// ---- a step --------------------------------------------------------------------------------------------------------

void StageActor::begin_step(runtime::Context& context) {
  enter(runtime::Phase::idle, 0, context);
  if (std::exchange(replay_, Replay::none) == Replay::first_action) at(FaultPoint::replay, step_ + 1, context);
  inbox_.begin_step(step_);
  std::erase_if(tied_, [this](const auto& entry) { return entry.first < step_; });
  const std::uint32_t count = role_.job.micro_batches_per_replica();
  model_->begin_step({step_, role_.replica * count, count, role_.job.micro_batches()});
  losses_.clear();
  next_action_ = 0;
  busy_ = runtime::Duration{0};
  state_ = State::computing;
  if (is_first())
    (void)context.send_when_room(data_name(role_.replica), StepBegun{inbox_.epoch(), step_});  // it may be down
  advance(context);
}

/// One action a turn, so that news of a new epoch never waits for a whole step.
void StageActor::advance(runtime::Context& context) {
  if (state_ == State::idle) return evaluate_ready(context);
  if (state_ != State::computing) return;
  const gpt2::Action action = schedule_[next_action_];
  const runtime::TimePoint begin = context.now();
  const bool done = action.kind == gpt2::ActionKind::forward ? do_forward(action.micro_batch, context)
                                                             : do_backward(action.micro_batch, context);
  if (!done) return;
  busy_ += context.now() - begin;
  if (++next_action_ == schedule_.size()) return reduce(context);
  (void)context.send_when_room(context.self(), Continue{inbox_.epoch(), step_});  // to itself
}

bool StageActor::do_forward(std::uint32_t micro_batch, runtime::Context& context) {
  const std::optional<StageInbox::Forward> batch = inbox_.take_forward(Purpose::train, step_, micro_batch);
  if (!batch) return false;
  enter(runtime::Phase::forward, micro_batch, context);
  if (is_last()) {
    losses_.push_back(model_->forward_loss(micro_batch, *batch));
    return true;
  }
  const TensorBytes output = model_->forward(micro_batch, *batch);  // (B, T, C)
  sent_.send(stage_name(role_.replica, role_.stage + 1),
             ForwardActivations{inbox_.epoch(), step_, micro_batch, Purpose::train, output}, context);
  return true;
}

bool StageActor::do_backward(std::uint32_t micro_batch, runtime::Context& context) {
  std::optional<TensorBytes> output_gradient;
  if (!is_last()) {
    output_gradient = inbox_.take_backward(step_, micro_batch);
    if (!output_gradient) return false;
  }
  enter(runtime::Phase::backward, micro_batch, context);
  const TensorBytes input_gradient = model_->backward(micro_batch, output_gradient);  // (B, T, C)
  if (!is_first()) {
    sent_.send(stage_name(role_.replica, role_.stage - 1),
               BackwardGradients{inbox_.epoch(), step_, micro_batch, input_gradient}, context);
  }
  return true;
}

void StageActor::evaluate_ready(runtime::Context& context) {
  // Out of step the weights at hand are this replica's own: the server's, which are saved, are on their way.
  if (role_.job.layout.exchange == Exchange::ps_async && border_ != step_) return;
  while (const std::optional<std::uint32_t> batch_index = inbox_.ready_evaluation(step_)) {
    context.note(runtime::Phase::evaluate, step_, *batch_index);
    const StageInbox::Forward batch = *inbox_.take_forward(Purpose::evaluate, step_, *batch_index);
    if (is_last()) {
      (void)context.send_when_room(kTrainerName,
                                   EvaluationPart{inbox_.epoch(), step_, model_->infer_loss(*batch_index, batch)});
    } else {
      (void)context.send_when_room(
          stage_name(role_.replica, role_.stage + 1),
          ForwardActivations{inbox_.epoch(), step_, *batch_index, Purpose::evaluate, model_->infer(batch)});
    }
  }
}

void StageActor::reduce(runtime::Context& context) {
  const FaultDuty early = std::exchange(damage_, FaultDuty::none);
  enter(runtime::Phase::reduce, 0, context);
  if (role_.job.layout.exchange != Exchange::allreduce) return push(context);
  state_ = State::reducing;
  Contribution contribution = model_->take_contribution(inbox_.epoch());
  if (early == FaultDuty::poison) contribution.sums.front()->slice(0, 0, 1).fill_(NAN);
  if (early == FaultDuty::flip_bit) damage_ = early;  // in one replica: a sum that is wrong for all is not found
  collective_->begin(
      std::move(contribution),
      [this](const at::Tensor& total, runtime::Context& turn) {
        model_->set_gradient(total);
        if (damage_ != FaultDuty::none) model_->damage_gradient(std::exchange(damage_, FaultDuty::none));
        state_ = State::tying;
        if (model_->is_tied_elsewhere()) {
          const std::uint32_t far_end = is_first() ? role_.job.layout.stages - 1 : 0;
          sent_.send(stage_name(role_.replica, far_end), TiedGradient{inbox_.epoch(), step_, model_->tied_part()},
                     turn);
        }
        tie(turn);
      },
      context);
}

void StageActor::tie(runtime::Context& context) {
  if (model_->is_tied_elsewhere()) {
    const auto other = tied_.find(step_);
    if (other == tied_.end()) return;
    model_->fold_tied(other->second);
    tied_.erase(other);
  } else {
    model_->fold_tied(std::nullopt);
  }
  state_ = State::voted;
  vote(context);
}

void StageActor::vote(runtime::Context& context) {
  StepVote ballot{inbox_.epoch(), step_, role_.replica, role_.stage, losses_, {}, 0.0, digest_};
  ballot.busy_seconds = std::chrono::duration<double>(busy_).count();
  // Every replica has the same gradient now: one report of its squares is enough.
  if (state_ == State::voted && role_.replica == 0) ballot.squares = model_->squares();
  (void)context.send_when_room(kTrainerName, ballot);
  context.note(runtime::Phase::vote, step_ + 1, 0);
  at(FaultPoint::voted, step_ + 1, context);
}

void StageActor::push(runtime::Context& context) {
  state_ = State::pushed;
  const Contribution contribution = model_->take_contribution(inbox_.epoch());
  std::vector<at::Tensor> rows;
  for (const auto& sum : contribution.sums) rows.push_back(*sum);
  PushGradients message{inbox_.epoch(), step_, role_.replica, role_.stage, weights_version_, contribution.blocks, {}};
  message.sums = to_bytes(at::stack(rows));            // (blocks, N)
  (void)context.send_when_room(kServerName, message);  // the server's death ends the epoch
  vote(context);
}

void StageActor::commit(const Commit& message, runtime::Context& context) {
  if (message.epoch != inbox_.epoch() || message.step != step_ || state_ != State::voted) return;
  at(FaultPoint::committed, step_ + 1, context);
  enter(runtime::Phase::optimizer, 0, context);
  model_->apply(message.learning_rate, message.gradient_scale);
  at(FaultPoint::applied, step_ + 1, context);
  sent_.forget_before(message.step);  // all have voted for it: by SG-5 nobody goes back to before it
  end_step(message.until, context);
}

void StageActor::fresh_weights(const FreshWeights& message, runtime::Context& context) {
  if (message.epoch != inbox_.epoch() || message.step != step_ || state_ != State::pushed) return;
  enter(runtime::Phase::optimizer, 0, context);
  model_->set_weights(message.weights);
  weights_version_ = message.version;
  end_step(std::min(message.until, role_.job.layout.exchange == Exchange::ps_async ? until_ : message.until), context);
}

void StageActor::border_weights(const BorderWeights& message, runtime::Context& context) {
  if (message.epoch != inbox_.epoch() || message.step != step_ || state_ != State::idle) return;
  model_->set_weights(message.weights);
  weights_version_ = message.version;
  border_ = step_;
  evaluate_ready(context);
}

void StageActor::end_step(std::uint32_t until, runtime::Context& context) {
  ++step_;
  until_ = until;
  if (next_run_ && next_run_->step == step_) {
    until_ = next_run_->until;
    next_run_.reset();
  }
  state_ = State::idle;
  seal_state(context);
  if (step_ < until_) return begin_step(context);
  context.note(runtime::Phase::idle, step_, 0);
  advance(context);
}

}  // namespace troupe::actors
