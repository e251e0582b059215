#include "runtime/actor_cell.hpp"

#include "runtime/dead_letter.hpp"
#include "runtime/node_core.hpp"
#include "runtime/watch.hpp"

#include <time.h>

#include <utility>

namespace troupe::runtime {
namespace {

constexpr std::int64_t kResumeNs = 1'000'000;  // then others of the same worker get their turns

/// CLOCK_MONOTONIC, so that pages of all processes of a host compare; shown, never decided by.
std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

bool is_end(ActorStatus status) {
  return status == ActorStatus::stopped || status == ActorStatus::failed;
}

/// Work that waits for its place between messages.
class TaskMail final : public Mail {
public:
  enum class Waits { no, as_a_message };
  TaskMail(ActorCell::Task work, Waits how) : Mail(&kType), task(std::move(work)), waits(how) {}
  [[nodiscard]] std::string_view name() const override { return kType.name; }
  [[nodiscard]] Result<Envelope> to_envelope() const override { return Envelope{}; }
  [[nodiscard]] MailPtr clone() const override { return std::make_unique<TaskMail>(task, waits); }

  static constexpr MessageType kType{"runtime.task"};
  ActorCell::Task task;
  const Waits waits;
};

/// Adds to a counter that only one thread writes.
void add_one(std::atomic<std::uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

ActorCell::ActorCell(Node& node, NodeCore& core, Parts parts)
    : node_(node),
      core_(core),
      parts_(std::move(parts)),
      name_key_(name_hash(parts_.id.name)),
      mailbox_(parts_.mailbox_capacity) {
  publish();
}

ActorCell::Extras& ActorCell::extras() {
  if (!extras_) extras_ = std::make_unique<Extras>();
  return *extras_;
}

ActorCell::Remarks& ActorCell::remarks() {
  if (!remarks_) remarks_ = std::make_unique<Remarks>();
  return *remarks_;
}

// ---- seen from outside ---------------------------------------------------------------------------------------------

bool ActorCell::is_over() const {
  return is_end(status_.load(std::memory_order_relaxed));
}

void ActorCell::publish() {
  if (!parts_.page) return;
  updated_ns_.store(monotonic_ns(), std::memory_order_relaxed);
  parts_.page->publish(snapshot());
}

Snapshot ActorCell::snapshot() const {
  Snapshot now;
  now.actor = parts_.id;
  now.process = core_.process;
  now.queued = static_cast<std::uint32_t>(mailbox_.size());
  now.handled = handled_.load(std::memory_order_relaxed);
  now.stale_rejected = stale_rejected_.load(std::memory_order_relaxed);
  now.epoch = epoch_.load(std::memory_order_relaxed);
  now.dead_letters = dead_letters_.load(std::memory_order_relaxed);
  now.updated_ns = updated_ns_.load(std::memory_order_relaxed);
  now.busy_since_ns = busy_since_ns_.load(std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  now.status = status_.load(std::memory_order_relaxed);
  if (const MessageType* const type = last_message_.load(std::memory_order_relaxed)) {
    now.last_message = type->name;
  } else if (remarks_) {
    now.last_message = remarks_->last_message;
  }
  if (remarks_) {
    now.failure = remarks_->failure;
    now.phase = remarks_->phase;
    now.step = remarks_->step;
    now.micro_batch = remarks_->micro_batch;
    now.dropped = remarks_->dropped;
  }
  return now;
}

void ActorCell::note_begin(const Mail& mail) {
  const MessageType* type = mail.type();
  if (type == nullptr) {
    if (const Behavior::Entry* const entry = behavior_.find(mail)) type = entry->type;
  }
  if (type == nullptr) {
    const std::lock_guard lock(mutex_);
    remarks().last_message = mail.name();
  }
  last_message_.store(type, std::memory_order_relaxed);
  if (mail.header.epoch > epoch_.load(std::memory_order_relaxed)) epoch_.store(mail.header.epoch);
  add_one(handled_);
  const std::int64_t now = monotonic_ns();
  busy_since_ns_.store(now, std::memory_order_relaxed);
  updated_ns_.store(now, std::memory_order_relaxed);
  if (parts_.flight_records > 0) {
    const std::uint64_t number = handled_.load(std::memory_order_relaxed);
    if (type != nullptr) {
      recorder().note(number, now, mail.header, type->name_words);
    } else {
      recorder().note(number, now, mail.header, NameWords(mail.name()));
    }
  }
  publish();
}

FlightRecorder& ActorCell::recorder() {
  if (!flight_) {
    const std::lock_guard lock(mutex_);
    flight_ = parts_.page ? std::make_unique<FlightRecorder>(parts_.page->flight())
                          : std::make_unique<FlightRecorder>(parts_.flight_records);
  }
  return *flight_;
}

std::vector<FlightRecord> ActorCell::flight() const {
  const std::lock_guard lock(mutex_);
  return flight_ ? flight_->read() : std::vector<FlightRecord>{};
}

// ---- inward --------------------------------------------------------------------------------------------------------

PushResult ActorCell::deliver(MailPtr& mail, Room room) {
  const PushResult result = mailbox_.push(mail, room);
  if (result != PushResult::queued_first) return result;
  parts_.strand->wake(shared_from_this());
  return PushResult::queued;
}

void ActorCell::push_task(Task task, Lane lane) {
  MailPtr mail = std::make_unique<TaskMail>(std::move(task), TaskMail::Waits::no);
  mail->header.lane = lane;
  (void)deliver(mail, Room::always);  // refused only when there is nobody left to do it
}

void ActorCell::push_waiting_task(Task task, Lane lane) {
  MailPtr mail = std::make_unique<TaskMail>(std::move(task), TaskMail::Waits::as_a_message);
  mail->header.lane = lane;
  (void)deliver(mail, Room::always);  // as above
}

bool ActorCell::has_to_wait(const Mail& mail) const {
  const EnvelopeKind kind = mail.header.kind;
  if (kind == EnvelopeKind::reply || kind == EnvelopeKind::failure) return false;
  const bool is_ordinary = mail.header.lane == Lane::ordinary;
  if (mail.type() != &TaskMail::kType) return is_ordinary || hold_ == Hold::all;
  return is_ordinary && static_cast<const TaskMail&>(mail).waits == TaskMail::Waits::as_a_message;
}

void ActorCell::start(Started started) {
  on_started_ = std::move(started);
  parts_.strand->wake(shared_from_this());
}

bool ActorCell::resume(int most) {
  if (status_.load(std::memory_order_relaxed) == ActorStatus::starting) {
    run_start();
    --most;
  }
  std::int64_t begin = 0;
  for (; most > 0; --most) {
    MailPtr mail = mailbox_.pop();
    if (!mail) {
      const Sleep rest = mailbox_.sleep();
      if (rest == Sleep::closed) finish();  // abandoned, if it has not ended itself
      return rest == Sleep::awake;
    }
    if (hold_ != Hold::none && has_to_wait(*mail)) {
      mailbox_.hold(std::move(mail));
    } else if (mail->type() == &TaskMail::kType) {
      guarded(mail->name(), [&] { static_cast<TaskMail&>(*mail).task(*this); });
    } else {
      take_turn(mail);
      const std::int64_t turn_began = updated_ns_.load(std::memory_order_relaxed);
      if (begin == 0) begin = turn_began;
      if (turn_began - begin > kResumeNs) return true;
    }
    // Here the mail goes, and with it the credit of the link that brought it.
  }
  return true;
}

/// Runs the actor's code. The one place where its exceptions are caught.
template <class Work>
void ActorCell::guarded(std::string_view where, const Work& work) {
  try {
    work();
  } catch (const std::exception& problem) {
    fail({FailureKind::faulted, std::string(problem.what()) + " (in " + std::string(where) + ")"});
  } catch (...) {
    fail({FailureKind::faulted, "an exception that is no std::exception (in " + std::string(where) + ")"});
  }
}

void ActorCell::behave(Behavior behavior) {
  behavior_ = std::move(behavior);
  if_lost_ = behavior_.understands<DeadLetter>() ? IfLost::tell_sender : IfLost::count;
}

void ActorCell::run_start() {
  const Started started = std::exchange(on_started_, nullptr);
  Context context(node_, *this, nullptr);
  guarded("on_start", [&] {
    behave(parts_.actor->behavior());
    parts_.actor->on_start(context);
    status_.store(ActorStatus::running, std::memory_order_relaxed);
  });
  if (is_over()) return started(Failure{FailureKind::faulted, snapshot().failure});
  publish();
  started(Done{});
  if (wish_ == Wish::stop) finish();
}

void ActorCell::take_turn(MailPtr& mail) {
  note_begin(*mail);
  const bool is_request = mail->header.kind == EnvelopeKind::request;
  answer_ = is_request ? Duty::owed : Duty::done;
  // A coroutine takes the mail only when it is an object, whose name is its type's.
  guarded(mail->name(), [&] { handle(mail); });
  if (answer_ == Duty::owed) answer_owed(*mail);
  end_turn();
}

void ActorCell::end_turn() {
  if (extras_ && extras_->next_behavior) {
    behave(std::move(*std::exchange(extras_->next_behavior, nullptr)));
    choose_hold();
  }
  busy_since_ns_.store(0, std::memory_order_relaxed);
  publish();
  if (wish_ == Wish::stop) finish();
}

void ActorCell::resume_activity(Activity& activity, std::coroutine_handle<> at) {
  guarded(activity.message->name(), [&] {
    at.resume();
    if (!activity.frame.done()) return;
    activity.finish(activity.frame, activity.context);
    if (activity.answer == Duty::owed) activity.context.reply_failure(did_not_answer(*activity.message));
    activities().remove(activity);
  });
  choose_hold();
}

void ActorCell::answer_owed(const Mail& request) {
  const bool failed = status_.load(std::memory_order_relaxed) == ActorStatus::failed;
  const std::string text =
      failed ? parts_.id.describe() + " failed: " + snapshot().failure : did_not_answer(request).text;
  core_.answer_failure(request, {failed ? FailureKind::faulted : FailureKind::unknown, text});
}

Failure ActorCell::did_not_answer(const Mail& request) const {
  return {FailureKind::unknown, parts_.id.describe() + " did not answer " + std::string(request.name())};
}

void ActorCell::handle(MailPtr& mail) {
  Context context(node_, *this, mail.get());
  const EnvelopeKind kind = mail->header.kind;
  if (kind == EnvelopeKind::reply || kind == EnvelopeKind::failure) return handle_answer(*mail, context);
  const Behavior::Entry* const entry = behavior_.find(*mail);
  const Result<Done> handled =
      entry != nullptr ? entry->handle(*entry, mail, context)
                       : Failure{FailureKind::unknown, "no handler for message " + std::string(mail->name())};
  if (handled) return;
  count_dead_letter();
  core_.log_dead_letter(*mail, handled.failure());
  core_.tell_of_loss(*mail, handled.failure().within(parts_.id.describe()));
  if (kind == EnvelopeKind::request) {
    answer_ = Duty::done;
    core_.answer_failure(*mail, handled.failure().within(parts_.id.describe()));
  }
}

/// A turn of its own, which may end the actor, and take out what would come next. Nothing when it is not open.
void ActorCell::fail_row(std::uint64_t number, const Failure& why) {
  const std::optional<OpenRequests::Row> row = open_.take(number);
  if (!row) return;
  cancel_at_producer(*row);
  MailPtr mail = NodeCore::failure_mail(why);
  mail->header.cause = row->cause;
  note_begin(*mail);
  answer_ = Duty::done;
  guarded(mail->name(), [&] {
    Context context(node_, *this, mail.get());
    row->awaiting->fail(NodeCore::failure_of(*mail), context);
  });
  end_turn();
}

// ---- the end -------------------------------------------------------------------------------------------------------

void ActorCell::ask_to_stop(std::function<void()> stopped, StopMode mode) {
  {
    const std::lock_guard lock(mutex_);
    if (!is_over()) {
      remarks().on_stopped.push_back(std::move(stopped));
      stopped = nullptr;
    }
  }
  if (stopped) return stopped();
  push_waiting_task([](ActorCell& cell) { cell.finish(); }, mode == StopMode::now ? Lane::urgent : Lane::ordinary);
}

void ActorCell::finish() {
  if (is_over()) return;
  status_.store(ActorStatus::stopping, std::memory_order_relaxed);
  Context context(node_, *this, nullptr);
  guarded("on_stop", [&] { parts_.actor->on_stop(context); });
  if (extras_) guarded("on_stop", [&] { send_kept(); });
  if (!is_over()) end(ActorStatus::stopped, orderly_end());
}

void ActorCell::fail(const Failure& cause) {
  if (is_over()) return;  // thrown on the way out of the turn that has ended it
  end(ActorStatus::failed, cause.shortened());
}

void ActorCell::abandon(const Failure& why) {
  // Who sleeps with mail held back ends it all itself; so does who is on its way to sleep.
  if (mailbox_.close_asleep()) return parts_.strand->wake(shared_from_this());
  answer_waiting(mailbox_.close(), why.within(parts_.id.describe() + " is abandoned"));
}

void ActorCell::answer_waiting(std::vector<MailPtr> waiting, const Failure& why) {
  for (const MailPtr& mail : waiting) {
    if (mail->header.kind == EnvelopeKind::request) core_.answer_failure(*mail, why);
    core_.tell_of_loss(*mail, why);
  }
}

void ActorCell::end(ActorStatus status, const Failure& cause) {
  std::vector<MailPtr> waiting = mailbox_.drain();
  for (MailPtr& mail : mailbox_.close()) waiting.push_back(std::move(mail));
  const Failure seen_outside = cause.within(parts_.id.describe() + " is down");
  end_activities(seen_outside);
  fail_streams(seen_outside);
  for (const std::uint64_t number : open_.streams()) cancel_at_producer(*open_.find(number));
  open_.clear();
  if (deadline_watched_ != TimePoint::max()) core_.parts.timers->cancel(deadline_alarm_);
  behavior_ = {};
  parts_.actor.reset();
  const std::unique_ptr<Extras> extras = std::exchange(extras_, nullptr);
  if (extras) {
    for (const auto& [number, timer] : extras->timers) core_.parts.timers->cancel(timer.alarm);
  }
  const Extras none;
  const Extras& rest = extras ? *extras : none;
  busy_since_ns_.store(0, std::memory_order_relaxed);
  dead_letters_.fetch_add(rest.kept_count, std::memory_order_relaxed);
  std::vector<std::function<void()>> listeners;
  {
    const std::lock_guard lock(mutex_);
    if (status == ActorStatus::failed) remarks().failure = cause.text;
    if (remarks_) listeners.swap(remarks_->on_stopped);
    status_.store(status, std::memory_order_relaxed);
  }
  for (const auto& [receiver, mails] : rest.kept) {
    for (const Extras::Kept& kept : mails) core_.log_dead_letter(*kept.mail, cause);
  }
  publish();
  answer_waiting(std::move(waiting), seen_outside);
  for (const ReplyTo& asker : rest.deferred) {
    // an asker that is gone needs no answer
    (void)core_.answer(asker, NodeCore::failure_mail(seen_outside), parts_.id.name);
  }
  core_.cell_ended(*this, cause);
  for (const std::function<void()>& listener : listeners) listener();
}

}  // namespace troupe::runtime
