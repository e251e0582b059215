#include "runtime/actor_cell.hpp"

#include "runtime/node_core.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <stdexcept>
#include <utility>

/// What an actor's cell sends: requests and what becomes of them, answers, and what has to wait for room.
namespace troupe::runtime {
namespace {

// Room comes when the receiver has handled a message; much less than handling a large one takes.
constexpr Duration kRoomCheck = std::chrono::milliseconds(1);

/// The number of a request; 0 of a message.
std::uint64_t asked_by(const Mail& mail) {
  return mail.header.kind == EnvelopeKind::request ? mail.header.correlation : 0;
}

}  // namespace

// ---- requests of this actor ----------------------------------------------------------------------------------------

void ActorCell::handle_answer(Mail& mail, Context& context) {
  if (mail.header.correlation == 0) return hear_grant(mail);
  OpenRequests::Row* const open = open_.find(mail.header.correlation);
  if (open == nullptr) return refuse_stream(mail);  // late
  if (open->stream && mail.header.kind == EnvelopeKind::reply) return hear_stream(*open, mail, context);
  const std::optional<OpenRequests::Row> row = open_.take(mail.header.correlation);
  if (mail.header.kind == EnvelopeKind::reply) return row->awaiting->reply(mail, context);
  row->awaiting->fail(NodeCore::failure_of(mail), context);
}

std::uint64_t ActorCell::ask(const ActorId& to, MailPtr mail, std::string_view name, Duration deadline,
                             std::unique_ptr<Awaiting> awaiting, std::unique_ptr<InStream> stream, WhenFull when_full) {
  OpenRequests::Row row;
  row.target = to.name;
  row.target_hash = name_hash(to.name);
  row.message = name;
  row.cause = mail->header.cause;
  row.deadline = deadline;
  row.due = core_.parts.clock->now() + deadline;
  row.awaiting = std::move(awaiting);
  row.stream = std::move(stream);
  if (const Away* const away = known_away(to, row.target_hash)) {
    row.target_incarnation = to.incarnation == 0 ? away->incarnation : to.incarnation;
    row.endpoint = away->endpoint;
  } else if (const ActorCell* const peer = find_peer(row.target_hash)) {
    row.target_incarnation = to.incarnation == 0 ? peer->id().incarnation : to.incarnation;
  } else {
    const std::optional<DirectoryEntry> entry = core_.directory.find(row.target_hash);
    row.target_incarnation = to.incarnation == 0 && entry ? entry->actor.incarnation : to.incarnation;
    if (entry) row.endpoint = entry->endpoint;
  }
  const TimePoint due = row.due;
  // Open before it is sent: the answer may be there, and the target may die, on another thread meanwhile.
  const std::uint64_t correlation = open_.add(std::move(row));
  watch_deadline(due);
  mail->header.kind = EnvelopeKind::request;
  mail->header.correlation = correlation;
  const Result<Done> sent = route_in_order(to, mail);
  if (sent) return correlation;
  const bool has_no_room = sent.failure().kind == FailureKind::overloaded;
  if (when_full == WhenFull::wait && has_no_room && extras().kept_count < kMaxWaitingSends) {
    keep_for_later(to, std::move(mail), when_full);
    return correlation;
  }
  // Also what cannot even be sent is an outcome of its own turn.
  fail_row_later(correlation, sent.failure().within("cannot ask " + to.name));
  return correlation;
}

void ActorCell::fail_row_later(std::uint64_t number, Failure why) {
  push_task([number, why = std::move(why)](ActorCell& cell) { cell.fail_row(number, why); });
}

void ActorCell::watch_deadline(TimePoint due) {
  if (due >= deadline_watched_ || !core_.parts.checks.deadline) return;  // the timer that runs looks for all
  if (deadline_watched_ != TimePoint::max()) core_.parts.timers->cancel(deadline_alarm_);
  deadline_watched_ = due;
  deadline_alarm_ = core_.parts.timers->run_at(due, [weak = weak_from_this(), due] {
    const std::shared_ptr<ActorCell> cell = weak.lock();
    if (!cell) return;
    cell->push_task([due](ActorCell& self) {
      if (self.deadline_watched_ != due) return;  // cancelled too late: an earlier one runs
      self.deadline_watched_ = TimePoint::max();
      self.fail_due();
    });
  });
}

void ActorCell::fail_due() {
  const TimePoint now = core_.parts.clock->now();
  for (const std::uint64_t number : open_.due(now)) {
    const OpenRequests::Row* const row = open_.find(number);
    if (row == nullptr || row->due > now) continue;  // by what was done on the failure of another
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(row->deadline).count();
    fail_row(number, {FailureKind::disconnected, "no answer to " + std::string(row->message) + " from " + row->target +
                                                     " within " + std::to_string(milliseconds) + " ms"});
  }
  if (const std::optional<TimePoint> next = open_.next_due()) watch_deadline(*next);
}

void ActorCell::fail_requests(Pick pick, Failure why) {
  push_task([pick = std::move(pick), why = std::move(why), asked = open_.asked()](ActorCell& cell) {
    for (const std::uint64_t number : pick(cell.open_, asked)) cell.fail_row(number, why);
  });
}

// ---- messages to itself --------------------------------------------------------------------------------------------

std::uint64_t ActorCell::start_timer(Duration delay, Duration interval, MailPtr mail) {
  const std::uint64_t number = ++extras().last_timer;
  extras().timers[number] = {std::move(mail), interval, {}, 0};
  arm_timer(number, core_.parts.clock->now() + delay);
  return number;
}

void ActorCell::arm_timer(std::uint64_t number, TimePoint due) {
  Extras::Timer& timer = extras().timers.at(number);
  timer.due = due;
  timer.alarm = core_.parts.timers->run_at(due, [weak = weak_from_this(), number] {
    const std::shared_ptr<ActorCell> cell = weak.lock();
    if (cell) cell->push_waiting_task([number](ActorCell& self) { self.on_timer(number); });
  });
}

void ActorCell::cancel_timer(std::uint64_t number) {
  if (!extras_) return;
  const auto found = extras_->timers.find(number);
  if (found == extras_->timers.end()) return;
  core_.parts.timers->cancel(found->second.alarm);
  extras_->timers.erase(found);
}

void ActorCell::on_timer(std::uint64_t number) {
  if (!extras_) return;
  const auto found = extras_->timers.find(number);
  if (found == extras_->timers.end()) return;  // cancelled while it waited in the mailbox
  Extras::Timer& timer = found->second;
  if (timer.interval == Duration{0}) {
    MailPtr mail = std::move(timer.mail);
    extras_->timers.erase(found);
    return take_turn(mail);
  }
  MailPtr mail = timer.mail->clone();
  arm_timer(number, std::max(timer.due + timer.interval, core_.parts.clock->now()));
  take_turn(mail);
}

// ---- outward -------------------------------------------------------------------------------------------------------

ActorCell::Away* ActorCell::known_away(const ActorId& to, std::uint64_t name) {
  Away& away = extras().away[name % Extras::kPeers];
  const bool is_it = away.name == name && away.asked_incarnation == to.incarnation;
  return is_it && away.version == core_.directory.version() ? &away : nullptr;
}

ActorCell* ActorCell::find_peer(std::uint64_t name) {
  std::shared_ptr<ActorCell>& place = extras().peers[name % Extras::kPeers];
  if (!place || place->name_key_ != name || place->is_over()) place = core_.find_cell(name);
  return place.get();
}

Result<Done> ActorCell::route(const ActorId& to, MailPtr& mail) {
  const std::uint64_t name = name_hash(to.name);
  core_.address(*mail, name, to.incarnation);
  const std::uint64_t version = core_.directory.version();
  Away* const known = known_away(to, name);
  if (known != nullptr) return core_.hand_over(known->endpoint, *mail, parts_.id.name);
  if (ActorCell* const peer = find_peer(name)) return core_.deliver_local(*peer, mail);
  const Result<DirectoryEntry> entry = core_.find_away(to, name);
  if (!entry) return entry.failure();
  extras().away[name % Extras::kPeers] = {name, to.incarnation, entry->actor.incarnation, version, entry->endpoint};
  return core_.hand_over(entry->endpoint, *mail, parts_.id.name);
}

void ActorCell::answer(const ReplyTo& asker, MailPtr mail) {
  NodeCore::mark_answer(*mail, asker);
  ActorCell* const peer = asker.endpoint.empty() && asker.asker != 0 ? find_peer(asker.asker) : nullptr;
  if (peer == nullptr) return (void)core_.answer(asker, std::move(mail), parts_.id.name);
  core_.address(*mail, asker.asker, asker.asker_incarnation);
  (void)core_.deliver_local(*peer, mail);  // an asker that is gone needs no answer
}

void ActorCell::remember_deferred(const ReplyTo& asker) {
  std::deque<ReplyTo>& deferred = extras().deferred;
  deferred.push_back(asker);
  if (deferred.size() <= parts_.mailbox_capacity) return;
  deferred.pop_front();
  has_forgotten_ = true;
}

void ActorCell::forget_deferred(const ReplyTo& asker) {
  if (!extras_ || extras_->deferred.empty()) return;
  std::deque<ReplyTo>& deferred = extras_->deferred;
  const auto found = std::find_if(deferred.begin(), deferred.end(), [&asker](const ReplyTo& row) {
    return row.correlation == asker.correlation && row.asker == asker.asker && row.endpoint == asker.endpoint;
  });
  if (found != deferred.end()) deferred.erase(found);
}

bool ActorCell::is_kept_waiting(const ActorId& receiver) const {
  return extras_ && extras_->kept_count > 0 && extras_->kept.contains(receiver.name);
}

Result<Done> ActorCell::route_in_order(const ActorId& to, MailPtr& mail) {
  if (mail->header.lane == Lane::urgent || !is_kept_waiting(to)) return route(to, mail);
  return Failure{FailureKind::overloaded, "earlier messages to " + to.name + " wait for room"};
}

/// Makes place for one more of that name among the `most` that may wait.
void ActorCell::drop_oldest_kept(const ActorId& to, std::string_view message, std::size_t most) {
  const auto found = extras().kept.find(to.name);
  if (found == extras().kept.end()) return;
  std::deque<Extras::Kept>& waiting = found->second;
  const auto may_go = [message](const Extras::Kept& each) {
    return each.when_full == WhenFull::drop_oldest && each.mail->name() == message;
  };
  auto left = static_cast<std::size_t>(std::count_if(waiting.begin(), waiting.end(), may_go));
  for (; left > 0 && left >= most; --left) {
    waiting.erase(std::find_if(waiting.begin(), waiting.end(), may_go));
    --extras().kept_count;
    const std::lock_guard lock(mutex_);
    ++remarks().dropped;
  }
}

void ActorCell::keep_for_later(const ActorId& to, MailPtr mail, WhenFull when_full) {
  if (extras().kept_count >= kMaxWaitingSends) {
    throw std::runtime_error(std::to_string(kMaxWaitingSends) + " messages wait for room, the last for " + to.name +
                             ": it does not keep up");
  }
  extras().kept[to.name].push_back({to, std::move(mail), when_full});
  ++extras().kept_count;
  look_for_room_later();
}

/// A link says when it has room again; a mailbox does not.
void ActorCell::look_for_room_later() {
  if (std::exchange(extras().looks_for_room, true)) return;
  if (!std::exchange(extras().is_told_of_room, true)) core_.remember_waiting(weak_from_this());
  core_.parts.timers->run_at(core_.parts.clock->now() + kRoomCheck, [weak = weak_from_this()] {
    const std::shared_ptr<ActorCell> cell = weak.lock();
    if (!cell) return;
    cell->push_task([](ActorCell& self) {
      self.extras().looks_for_room = false;
      self.send_kept();
      self.send_streams();
    });
  });
}

void ActorCell::try_kept_again() {
  push_task([](ActorCell& self) {
    self.extras().is_told_of_room = false;
    self.send_kept();
    self.send_streams();
  });
}

/// Of its own.
void ActorCell::lose_kept(const Mail& mail, const Failure& why) {
  if (if_lost_ == IfLost::tell_sender) return core_.tell_of_loss(mail.header, mail.name(), "", why);
  count_dead_letter();
}

void ActorCell::send_kept() {
  std::map<std::string, std::deque<Extras::Kept>>& kept = extras().kept;
  for (auto receiver = kept.begin(); receiver != kept.end();) {
    std::deque<Extras::Kept>& waiting = receiver->second;
    // Of a request that has its outcome nobody waits for an answer.
    extras().kept_count -= std::erase_if(waiting, [this](const Extras::Kept& each) {
      const std::uint64_t asked = asked_by(*each.mail);
      return asked != 0 && open_.find(asked) == nullptr;
    });
    while (!waiting.empty()) {
      const std::uint64_t asked = asked_by(*waiting.front().mail);
      const Result<Done> sent = route(waiting.front().to, waiting.front().mail);
      if (!sent && sent.failure().kind == FailureKind::overloaded) break;  // what follows keeps its place
      if (!sent && asked != 0) fail_row_later(asked, sent.failure().within("cannot ask " + receiver->first));
      if (!sent && asked == 0) lose_kept(*waiting.front().mail, sent.failure());
      waiting.pop_front();
      --extras().kept_count;
    }
    receiver = waiting.empty() ? kept.erase(receiver) : std::next(receiver);
  }
  if (!kept.empty()) look_for_room_later();
}

}  // namespace troupe::runtime
