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

/// What has come of a state that a sibling lends.
struct StageActor::Loan {
  LoadState order;
  runtime::ReplyTo asker;
  std::vector<std::byte> bytes;
};

void StageActor::borrow_state(const LoadState& message, runtime::Context& context) {
  inbox_.continue_in(message.epoch);
  auto loan = std::make_shared<Loan>(Loan{message, context.defer_reply(), {}});  // shared by the answers to come
  loan->bytes.reserve(model_->state_bytes());
  borrow_part(0, std::move(loan), context);
}

void StageActor::borrow_part(std::uint32_t part, std::shared_ptr<Loan> loan, runtime::Context& context) {
  const LendState question{loan->order.epoch, loan->order.step, part};
  const runtime::ActorId lender{loan->order.lender, 0};
  const auto lent = [this, part, loan](const runtime::Result<StateLent>& answer, runtime::Context& turn) {
    if (loan->order.epoch != inbox_.epoch()) return;
    if (!answer) return turn.fail_to(loan->asker, answer.failure().within("the state of " + loan->order.lender));
    const std::span<const std::byte> bytes = answer->part.data.bytes();
    loan->bytes.insert(loan->bytes.end(), bytes.begin(), bytes.end());
    if (part + 1 < kStateParts) return borrow_part(part + 1, loan, turn);
    model_->restore_state(loan->bytes, answer->updates);
    digest_.clear();
    const StateLoaded loaded = begin_at(loan->order, turn);  // seals it
    if (!digest_.empty() && !answer->digest.empty() && digest_ != answer->digest) {
      holds_ = Holds::nothing;
      return turn.fail_to(loan->asker, {runtime::FailureKind::disconnected,
                                        "the state of " + loan->order.lender + " came damaged: digests differ"});
    }
    turn.reply_to(loan->asker, loaded);
    turn.note(runtime::Phase::idle, step_, 0);
  };
  context.request_when_room<StateLent>(lender, question, kLendDeadline, lent);
}

void StageActor::lend_state(const LendState& message, runtime::Context& context) {
  if (holds_ != Holds::state || step_ != message.step || message.part >= kStateParts) {
    return context.reply_failure(
        {runtime::FailureKind::disconnected, context.self().name + " is not at step " + std::to_string(message.step)});
  }
  at(FaultPoint::lend, step_ + 1, context);
  context.reply(StateLent{message.step, model_->updates(), digest_, model_->state_part(message.part)});
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
