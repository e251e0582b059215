#include "runtime/actor_cell.hpp"

#include "runtime/node_core.hpp"
#include "runtime/watch.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

namespace troupe::runtime {
namespace {

// Room comes when the receiver has handled a message; much less than handling a large one takes.
constexpr Duration kRoomCheck = std::chrono::milliseconds(1);

/// CLOCK_MONOTONIC, so that pages of all processes of a host compare; shown, never decided by.
std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

ActorCell::ActorCell(Node& node, NodeCore& core, Parts parts)
    : node_(node), core_(core), parts_(std::move(parts)), mailbox_(parts_.mailbox_capacity) {
  snapshot_.actor = parts_.id;
  snapshot_.process = getpid();
  publish();
}

void ActorCell::publish() {
  const std::lock_guard lock(mutex_);
  snapshot_.queued = static_cast<std::uint32_t>(mailbox_.size());
  snapshot_.updated_ns = monotonic_ns();
  if (parts_.page) parts_.page->publish(snapshot_);
}

Snapshot ActorCell::snapshot() const {
  const std::lock_guard lock(mutex_);
  Snapshot copy = snapshot_;
  copy.queued = static_cast<std::uint32_t>(mailbox_.size());
  return copy;
}

void ActorCell::count_stale() {
  const std::lock_guard lock(mutex_);
  ++snapshot_.stale_rejected;
}

void ActorCell::count_dead_letter() {
  const std::lock_guard lock(mutex_);
  ++snapshot_.dead_letters;
}

PushResult ActorCell::deliver(Envelope& envelope, Room room) {
  const PushResult result = mailbox_.push(envelope, room);
  if (result == PushResult::queued) post([self = shared_from_this()] { self->turn(); });
  return result;
}

void ActorCell::post(std::function<void()> task) {
  if (!started_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(mutex_);
    if (!started_.load(std::memory_order_relaxed)) return early_.push_back(std::move(task));
  }
  parts_.strand->post(std::move(task));
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

void ActorCell::start(Started started) {
  parts_.strand->post([self = shared_from_this(), started = std::move(started)] {
    Context context(self->node_, *self, nullptr);
    self->guarded("on_start", [&] {
      self->behavior_ = self->parts_.actor->behavior();
      self->parts_.actor->on_start(context);
      const std::lock_guard lock(self->mutex_);
      self->snapshot_.status = ActorStatus::running;
    });
    const Snapshot now = self->snapshot();
    if (now.status == ActorStatus::failed) return started(Failure{FailureKind::faulted, now.failure});
    self->publish();
    started(Done{});
    if (self->wish_ == Wish::stop) self->finish();
  });
  // The node knows the cell already: what others asked of it meanwhile follows, in order and outside the lock.
  for (std::vector<std::function<void()>> early;; early.clear()) {
    {
      const std::lock_guard lock(mutex_);
      early.swap(early_);
      if (early.empty()) return started_.store(true, std::memory_order_release);
    }
    for (std::function<void()>& task : early) parts_.strand->post(std::move(task));
  }
}

void ActorCell::turn() {
  std::optional<Envelope> envelope = mailbox_.pop();
  if (!envelope) return;  // drained when the actor ended
  {
    const std::lock_guard lock(mutex_);
    ++snapshot_.handled;
    snapshot_.last_message = envelope->message;
    snapshot_.busy_since_ns = monotonic_ns();
  }
  publish();
  const bool is_request = envelope->header.kind == EnvelopeKind::request;
  answer_ = is_request ? Answer::owed : Answer::given;
  guarded(envelope->message, [&] { handle(*envelope); });
  if (is_request && answer_ == Answer::owed) {
    const Snapshot now = snapshot();
    const bool failed = now.status == ActorStatus::failed;
    const std::string text = failed ? parts_.id.describe() + " failed: " + now.failure
                                    : parts_.id.describe() + " did not answer " + envelope->message;
    core_.answer_failure(*envelope, {failed ? FailureKind::faulted : FailureKind::unknown, text});
  }
  envelope.reset();  // gives credit back before anything else happens
  {
    const std::lock_guard lock(mutex_);
    snapshot_.busy_since_ns = 0;
  }
  publish();
  if (wish_ == Wish::stop) finish();
}

void ActorCell::handle(const Envelope& envelope) {
  Context context(node_, *this, &envelope);
  const EnvelopeKind kind = envelope.header.kind;
  if (kind == EnvelopeKind::reply || kind == EnvelopeKind::failure) return handle_answer(envelope, context);
  const Result<Done> delivered = behavior_.deliver(envelope, context);
  if (delivered) return;
  count_dead_letter();
  core_.log_dead_letter(envelope, delivered.failure());
  if (kind == EnvelopeKind::request) {
    answer_ = Answer::given;
    core_.answer_failure(envelope, delivered.failure().within(parts_.id.describe()));
  }
}

void ActorCell::handle_answer(const Envelope& envelope, Context& context) {
  const auto found = continuations_.find(envelope.header.correlation);
  if (found == continuations_.end()) return;
  const Continuation then = std::move(found->second);
  continuations_.erase(found);
  if (envelope.header.kind == EnvelopeKind::reply) return then(envelope, context);
  then(NodeCore::failure_of(envelope), context);
}

void ActorCell::ask_to_stop(std::function<void()> stopped) {
  {
    const std::lock_guard lock(mutex_);
    const bool over = snapshot_.status == ActorStatus::stopped || snapshot_.status == ActorStatus::failed;
    if (!over) {
      on_stopped_.push_back(std::move(stopped));
      stopped = nullptr;
    }
  }
  if (stopped) return stopped();
  post([self = shared_from_this()] { self->finish(); });
}

void ActorCell::finish() {
  const ActorStatus status = snapshot().status;
  if (status == ActorStatus::stopped || status == ActorStatus::failed) return;
  {
    const std::lock_guard lock(mutex_);
    snapshot_.status = ActorStatus::stopping;
  }
  Context context(node_, *this, nullptr);
  guarded("on_stop", [&] { parts_.actor->on_stop(context); });
  if (!kept_.empty()) send_kept();
  if (snapshot().status != ActorStatus::failed) end(ActorStatus::stopped, {FailureKind::disconnected, "stopped"});
}

void ActorCell::fail(const Failure& cause) {
  end(ActorStatus::failed, cause.shortened());
}

void ActorCell::abandon(const Failure& why) {
  answer_waiting(mailbox_.close(), why.within(parts_.id.describe() + " is abandoned"));
}

void ActorCell::answer_waiting(const std::vector<Envelope>& waiting, const Failure& why) {
  for (const Envelope& envelope : waiting) {
    if (envelope.header.kind == EnvelopeKind::request) core_.answer_failure(envelope, why);
  }
}

void ActorCell::remember_deferred(const ReplyTo& asker) {
  deferred_.push_back(asker);
  if (deferred_.size() > parts_.mailbox_capacity) deferred_.pop_front();
}

void ActorCell::forget_deferred(const ReplyTo& asker) {
  const auto found = std::find_if(deferred_.begin(), deferred_.end(), [&asker](const ReplyTo& row) {
    return row.correlation == asker.correlation && row.endpoint == asker.endpoint;
  });
  if (found != deferred_.end()) deferred_.erase(found);
}

bool ActorCell::is_kept_waiting(const ActorId& receiver) const {
  return std::any_of(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.to.name == receiver.name; });
}

void ActorCell::keep_for_later(const ActorId& to, Envelope envelope) {
  if (kept_.size() >= kMaxWaitingSends) {
    throw std::runtime_error(std::to_string(kMaxWaitingSends) + " messages wait for room, the last for " + to.name +
                             ": it does not keep up");
  }
  kept_.push_back({to, std::move(envelope)});
  if (kept_.size() == 1) send_kept_later();
}

void ActorCell::send_kept_later() {
  core_.parts.timers->run_at(core_.parts.clock->now() + kRoomCheck, [weak = weak_from_this()] {
    const std::shared_ptr<ActorCell> cell = weak.lock();
    if (cell) cell->parts_.strand->post([cell] { cell->send_kept(); });
  });
}

void ActorCell::send_kept() {
  std::deque<Kept> still;
  std::set<std::string> full;  // receivers; what follows for them keeps its place
  for (Kept& kept : std::exchange(kept_, {})) {
    if (!full.contains(kept.to.name)) {
      const Result<Done> sent = core_.route(kept.to, kept.envelope);
      if (sent) continue;
      if (sent.failure().kind != FailureKind::overloaded) {
        count_dead_letter();
        continue;
      }
      full.insert(kept.to.name);
    }
    still.push_back(std::move(kept));
  }
  kept_ = std::move(still);
  if (!kept_.empty()) send_kept_later();
}

void ActorCell::end(ActorStatus status, const Failure& cause) {
  const std::vector<Envelope> waiting = mailbox_.close();
  continuations_.clear();
  behavior_ = {};
  parts_.actor.reset();
  std::vector<std::function<void()>> listeners;
  {
    const std::lock_guard lock(mutex_);
    snapshot_.status = status;
    snapshot_.busy_since_ns = 0;
    snapshot_.dead_letters += kept_.size();
    if (status == ActorStatus::failed) snapshot_.failure = cause.text;
    listeners.swap(on_stopped_);
  }
  for (const Kept& kept : std::exchange(kept_, {})) core_.log_dead_letter(kept.envelope, cause);
  publish();
  const Failure seen_outside = cause.within(parts_.id.describe() + " is down");
  answer_waiting(waiting, seen_outside);
  for (const ReplyTo& asker : std::exchange(deferred_, {})) {
    (void)core_.answer(asker, NodeCore::failure_envelope(seen_outside));  // an asker that is gone needs no answer
  }
  core_.cell_ended(*this, cause);
  for (const std::function<void()>& listener : listeners) listener();
}

}  // namespace troupe::runtime
