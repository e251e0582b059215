#include "actors/server_actor.hpp"

#include "actors/job_plan.hpp"
#include "gpt2/learning_rate.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

namespace troupe::actors {

ServerActor::ServerActor(const JobConfig& job, std::uint32_t total_steps, FaultPlan faults)
    : job_(job), total_steps_(total_steps), faults_(std::move(faults)) {
  for (std::uint32_t stage = 0; stage < job_.layout.stages; ++stage) {
    models_.push_back(std::make_unique<StageModel>(job_, stage));
  }
}

runtime::Behavior ServerActor::behavior() {
  using runtime::on;
  return {on(this, &ServerActor::load), on(this, &ServerActor::pushed), on(this, &ServerActor::commit),
          on(this, &ServerActor::share), on(this, &ServerActor::save)};
}

void ServerActor::load(const LoadState& message, runtime::Context& context) {
  context.note(runtime::Phase::load, message.step, 0);
  for (const auto& model : models_) model->load(message.checkpoint);
  epoch_ = message.epoch;
  loaded_ = message.step;
  step_ = message.step;
  version_ = 0;
  steps_.clear();
  replicas_.clear();
  context.note(runtime::Phase::idle, step_, 0);
  context.reply(StateLoaded{message.epoch, message.step});
}

void ServerActor::pushed(const PushGradients& message, runtime::Context& context) {
  if (message.epoch != epoch_) return;
  if (message.stage >= job_.layout.stages || message.replica >= job_.layout.replicas) {
    throw std::runtime_error("gradients of a stage that is not in this job: " +
                             stage_name(message.replica, message.stage));
  }
  context.note(runtime::Phase::reduce, message.step + 1, 0);
  // In the middle of a step: some pushes are in, some are not.
  faults_.reached(context.self().name, context.self().incarnation, message.step + 1, runtime::Phase::forward);
  if (job_.layout.exchange == Exchange::ps_sync) {
    Pushes& pushes = steps_[message.step];
    pushes.insert_or_assign({message.stage, message.replica}, message);
    if (pushes.size() == job_.layout.stages * job_.layout.replicas) sum_step(pushes, context);
    return;
  }
  const std::pair<std::uint32_t, std::uint32_t> key{message.replica, message.step};
  Pushes& pushes = replicas_[key];
  pushes.insert_or_assign({message.stage, message.replica}, message);
  if (pushes.size() < job_.layout.stages) return;
  apply_replica(pushes, context);
  replicas_.erase(key);
}

/// Gradients of all stages from pushes that together hold micro-batches [first, first + count) of a step.
void ServerActor::set_gradients(const Pushes& pushes, std::uint32_t first_micro_batch, std::uint32_t micro_batches) {
  for (std::uint32_t stage = 0; stage < job_.layout.stages; ++stage) {
    std::vector<BlockRange> ranges;
    std::vector<at::Tensor> sums;
    for (const auto& [key, push] : pushes) {
      if (key.first != stage) continue;
      const at::Tensor rows = to_tensor(push.sums);  // (blocks, N)
      if (rows.dim() != 2 || rows.size(0) != static_cast<std::int64_t>(push.blocks.size())) {
        throw std::runtime_error("gradients of " + stage_name(push.replica, stage) + " have the wrong shape");
      }
      for (std::size_t i = 0; i < push.blocks.size(); ++i) {
        ranges.push_back({push.blocks[i].first - first_micro_batch, push.blocks[i].count});
        sums.push_back(rows[static_cast<std::int64_t>(i)].clone());  // the sum below writes into it
      }
    }
    models_[stage]->set_gradient(sum_blocks(ranges, sums, micro_batches));
  }
  fold_tied();
}

/// Every stage needs it, also those that share no weight: it makes the gradient that the optimizer takes.
void ServerActor::fold_tied() {
  std::optional<TensorBytes> lookup;
  std::optional<TensorBytes> head;
  if (models_.front()->is_tied_elsewhere()) {
    lookup = models_.front()->tied_part();
    head = models_.back()->tied_part();
  }
  for (const auto& model : models_) {
    if (!model->is_tied_elsewhere()) {
      model->fold_tied(std::nullopt);
    } else {
      model->fold_tied(model == models_.front() ? head : lookup);
    }
  }
}

std::vector<ParameterSquare> ServerActor::squares() const {
  std::vector<ParameterSquare> all;
  for (const auto& model : models_) {
    const std::vector<ParameterSquare> own = model->squares();
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

void ServerActor::sum_step(const Pushes& pushes, runtime::Context& context) {
  set_gradients(pushes, 0, job_.micro_batches());
  (void)context.send_when_room(kTrainerName,
                               ServerVote{epoch_, pushes.begin()->second.step, squares()});  // no trainer, no job
}

void ServerActor::commit(const Commit& message, runtime::Context& context) {
  if (message.epoch != epoch_ || message.step != step_ || !steps_.contains(step_)) return;
  context.note(runtime::Phase::optimizer, step_ + 1, 0);
  for (const auto& model : models_) model->apply(message.learning_rate, message.gradient_scale);
  steps_.erase(step_);
  ++version_;
  ++step_;
  for (std::uint32_t replica = 0; replica < job_.layout.replicas; ++replica) {
    send_committed(replica, message, context);
  }
  context.note(runtime::Phase::idle, step_, 0);
}

void ServerActor::apply_replica(const Pushes& pushes, runtime::Context& context) {
  const PushGradients& any = pushes.begin()->second;
  const std::uint32_t count = job_.micro_batches_per_replica();
  set_gradients(pushes, any.replica * count, count);
  std::vector<ParameterSquare> all = squares();
  std::sort(all.begin(), all.end(),
            [](const ParameterSquare& a, const ParameterSquare& b) { return a.canonical < b.canonical; });
  double sum = 0.0;
  for (const ParameterSquare& square : all) sum += square.square;
  const double norm = std::sqrt(sum);
  // A step is as many updates as there are replicas, and they share its learning rate: AdamW's updates do not shrink
  // with the gradient, and all of them at the full rate are as many times the way.
  const double rate = gpt2::learning_rate(learning_rate_rule(job_, total_steps_), any.step) / job_.layout.replicas;
  const double scale = job_.train.clip > 0.0 ? std::min(1.0, job_.train.clip / (norm + 1e-6)) : 1.0;
  context.note(runtime::Phase::optimizer, any.step + 1, 0);
  // A norm that is not finite ends the job, with the weights as they were.
  if (std::isfinite(norm)) {
    for (const auto& model : models_) model->apply(rate, scale);
  }
  const std::uint64_t staleness = version_ - any.version;
  ++version_;
  (void)context.send_when_room(kTrainerName, AsyncApplied{epoch_, any.step, any.replica, staleness, norm, rate});
  send_expected(any, rate, context);
  context.note(runtime::Phase::idle, any.step + 1, 0);
}

void ServerActor::send_committed(std::uint32_t replica, const Commit& message, runtime::Context& context) {
  for (std::uint32_t stage = 0; stage < job_.layout.stages; ++stage) {
    const FreshWeights fresh{epoch_, message.step, message.until, version_, models_[stage]->weights()};
    (void)context.send_when_room(stage_name(replica, stage), fresh);  // a dead stage ends the epoch
  }
}

/// Without looking ahead, AdamW on gradients one update old learns far less: momentum goes on in a direction that every
/// gradient contradicts one update too late.
void ServerActor::send_expected(const PushGradients& applied, double rate, runtime::Context& context) {
  // `until` is the trainer's: replicas go on to the end of the range they were told.
  constexpr std::uint32_t until = std::numeric_limits<std::uint32_t>::max();
  // A replica alone is in step, and does what the all-reduce does.
  const std::uint32_t updates = job_.layout.replicas > 1 ? job_.layout.replicas : 0;
  for (std::uint32_t stage = 0; stage < job_.layout.stages; ++stage) {
    const FreshWeights fresh{epoch_, applied.step, until, version_, models_[stage]->weights_ahead(rate, updates)};
    (void)context.send_when_room(stage_name(applied.replica, stage), fresh);  // as above
  }
}

/// Empty, or why the weights are not those of the border after `step`.
std::string ServerActor::find_misfit(std::uint32_t epoch, std::uint32_t step) const {
  const std::uint64_t updates = job_.updates_per_step();
  if (epoch == epoch_ && step >= loaded_ && version_ == (step - loaded_) * updates) return {};
  return std::string(kServerName) + " is not at the border after step " + std::to_string(step) + " of epoch " +
         std::to_string(epoch) + ": in epoch " + std::to_string(epoch_) + " it applied " + std::to_string(version_) +
         " updates since step " + std::to_string(loaded_) + ", " + std::to_string(updates) + " make a step";
}

void ServerActor::share(const ShareWeights& message, runtime::Context& context) {
  if (message.epoch != epoch_) return;
  const std::string misfit = find_misfit(message.epoch, message.step);
  if (!misfit.empty()) throw std::runtime_error(misfit);
  for (std::uint32_t stage = 0; stage < job_.layout.stages; ++stage) {
    const BorderWeights weights{epoch_, message.step, version_, models_[stage]->weights()};
    for (std::uint32_t replica = 0; replica < job_.layout.replicas; ++replica) {
      (void)context.send_when_room(stage_name(replica, stage), weights);  // as above
    }
  }
}

void ServerActor::save(const SaveShard& message, runtime::Context& context) {
  const std::string misfit = find_misfit(message.epoch, message.step);
  if (!misfit.empty()) return context.reply_failure({runtime::FailureKind::unknown, misfit});
  context.note(runtime::Phase::checkpoint, message.step, 0);
  faults_.reached(context.self().name, context.self().incarnation, message.step, runtime::Phase::checkpoint);
  std::string reports = "[";
  for (const auto& model : models_) {
    const StageModel::Saved saved = model->save(message.directory);
    if (!saved.error.empty()) return context.reply_failure({runtime::FailureKind::unknown, saved.error});
    reports += (reports.size() > 1 ? "," : "") + saved.report;
  }
  reports += "]";
  context.note(runtime::Phase::idle, message.step, 0);
  context.reply(ShardSaved{message.epoch, message.step, runtime::Payload::copy_of(std::as_bytes(std::span(reports)))});
}

}  // namespace troupe::actors
