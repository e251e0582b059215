#include "actors/stage_actor.hpp"

#include "actors/stage_model.hpp"
#include "runtime/job_protocol.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

/// A stage's part in a recovery: what it keeps beforehand, what it restores, what it sends again.
namespace troupe::actors {
namespace {

// The state of a large stage over a slow network; a lender that died is known long before.
constexpr runtime::Duration kLendDeadline = std::chrono::seconds(100);

std::string file_name(const StageRole& role) {
  std::string name = stage_name(role.replica, role.stage);
  std::ranges::replace(name, '/', '_');
  return name;
}

/// States of another job, or of a stage that is cut otherwise, are of no use.
std::uint64_t fingerprint_of(const StageRole& role) {
  return std::hash<std::string>{}(render_job_config(role.job) + file_name(role));
}

}  // namespace

// ---- beforehand ----------------------------------------------------------------------------------------------------

void StageActor::open_snapshots() {
  if (role_.memory.empty() || !role_.job.replays()) return;
  snapshots_ =
      SnapshotFile::open_or_warn(role_.memory / file_name(role_), model_->state_bytes(), fingerprint_of(role_));
}

/// Whoever holds this state again need not compute what came before.
void StageActor::seal_state(runtime::Context& context) {
  digest_.clear();
  if (!snapshots_) return;
  model_->copy_state(snapshots_->begin(step_ > 0 ? step_ - 1 : step_));
  at(FaultPoint::snapshot, step_, context);
  digest_ = snapshots_->seal(step_, model_->updates());
}

// ---- a new epoch ---------------------------------------------------------------------------------------------------

void StageActor::know(const std::vector<std::uint32_t>& incarnations) {
  incarnations_.clear();
  const std::vector<std::string> names = JobPlan::names_of(role_.job.layout);
  for (std::size_t i = 0; i < std::min(names.size(), incarnations.size()); ++i) {
    incarnations_[names[i]] = incarnations[i];
  }
}

void StageActor::regroup(const Regroup& message, runtime::Context& context) {
  if (message.epoch <= inbox_.epoch()) {
    return context.reply_failure({runtime::FailureKind::disconnected,
                                  "epoch " + std::to_string(message.epoch) + " is over: " + context.self().name +
                                      " is in epoch " + std::to_string(inbox_.epoch())});
  }
  inbox_.continue_in(message.epoch);
  know(message.incarnations);
  StageReport report;
  report.epoch = message.epoch;
  report.step = step_;
  report.log_from = sent_.whole_from();
  if (holds_ == Holds::state) report.holds = StageReport::Holds::state;
  report.inputs = inputs_;
  if (state_ != State::idle) report.work = StageReport::Work::begun;
  if (state_ == State::voted) report.vote = StageReport::Vote::given;
  if (snapshots_) report.snapshots = snapshots_->steps();
  context.reply(report);
}

void StageActor::resume(const Resume& message, runtime::Context& context) {
  if (message.epoch != inbox_.epoch()) return;
  for (const Restarted& each : message.restarted) sent_.resend(each.name, each.step, context);
  // The trainer may be new, or have lost it; a vote that comes twice is one.
  if (state_ == State::voted) vote(context);
  context.reply(Resumed{message.epoch});
  advance(context);
}

void StageActor::tell_differences(runtime::Context& context) {
  for (const std::string& what : inbox_.take_differences()) {
    (void)context.send_when_room(kTrainerName,
                                 ReplayDiffers{step_, what + " for " + context.self().name});  // it is only told
  }
}

// ---- restoring -----------------------------------------------------------------------------------------------------

void StageActor::load(const LoadState& message, runtime::Context& context) {
  if (message.epoch < inbox_.epoch()) return;
  context.note(runtime::Phase::load, message.step, 0);
  at(FaultPoint::restore, message.step + 1, context);
  if (message.source == StateSource::sibling) return borrow_state(message, context);
  const std::string problem = restore(message);
  if (!problem.empty()) {
    return context.reply_failure({runtime::FailureKind::disconnected, context.self().name + problem});
  }
  context.reply(begin_at(message, context));
  context.note(runtime::Phase::idle, step_, 0);
}

/// Empty, or why the state is not to be had.
std::string StageActor::restore(const LoadState& message) {
  const std::string which = " of step " + std::to_string(message.step);
  if (message.source == StateSource::memory) {
    if (holds_ != Holds::state || step_ != message.step) return " does not hold the state" + which;
    model_->abort_step();
  } else if (message.source == StateSource::snapshot) {
    const auto state = snapshots_ ? snapshots_->read(message.step) : std::nullopt;
    if (!state) {
      if (snapshots_) snapshots_->forget(message.step);
      return " finds no sound snapshot" + which;
    }
    model_->restore_state(state->bytes, state->updates);
    digest_ = state->digest;
  } else {
    model_->load(message.checkpoint);
    digest_.clear();
  }
  return {};
}

void StageActor::borrow_state(const LoadState& message, runtime::Context& context) {
  const runtime::ReplyTo asker = context.defer_reply();
  const auto lent = [this, message, asker](const runtime::Result<StateLent>& answer, runtime::Context& turn) {
    if (message.epoch != inbox_.epoch()) return;
    if (!answer) return turn.fail_to(asker, answer.failure().within("the state of " + message.lender));
    const std::span<const std::byte> bytes = answer->state.data.bytes();
    model_->restore_state(bytes, answer->updates);
    digest_.clear();
    turn.reply_to(asker, begin_at(message, turn));
    turn.note(runtime::Phase::idle, step_, 0);
  };
  inbox_.continue_in(message.epoch);
  context.request_when_room<StateLent>({message.lender, 0}, LendState{message.epoch, message.step}, kLendDeadline,
                                       lent);
}

void StageActor::lend_state(const LendState& message, runtime::Context& context) {
  if (holds_ != Holds::state || step_ != message.step) {
    return context.reply_failure(
        {runtime::FailureKind::disconnected, context.self().name + " is not at step " + std::to_string(message.step)});
  }
  at(FaultPoint::lend, step_ + 1, context);
  const auto floats = static_cast<std::int64_t>(model_->state_bytes() / sizeof(float));
  at::Tensor copy = at::empty({floats});
  model_->copy_state({static_cast<std::byte*>(copy.data_ptr()), model_->state_bytes()});
  context.reply(StateLent{message.step, model_->updates(), digest_, to_bytes(copy)});
}

StateLoaded StageActor::begin_at(const LoadState& message, runtime::Context& context) {
  inbox_.begin_epoch(message.epoch, message.since);
  inbox_.begin_step(message.step);
  collective_->reset(message.since, message.step);
  sent_.restart(message.step);
  tied_.clear();
  losses_.clear();
  state_ = State::idle;
  holds_ = Holds::state;
  inputs_ = StageReport::Inputs::missing;
  step_ = message.step;
  until_ = message.step;
  next_run_.reset();
  weights_version_ = 0;
  border_.reset();
  know(message.incarnations);
  const bool again = message.source == StateSource::snapshot || message.source == StateSource::sibling;
  replay_ = again ? Replay::first_action : Replay::none;
  damage_ = FaultDuty::none;
  if (digest_.empty()) seal_state(context);
  return {message.epoch, message.step};
}

}  // namespace troupe::actors
