#include "runtime/node_core.hpp"

#include "runtime/dead_letter.hpp"
#include "runtime/stream/stream_protocol.hpp"
#include "runtime/supervision/link.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace troupe::runtime {
namespace {

/// A Failure as the body of a failure envelope.
struct FailureBody {
  static constexpr std::string_view kName = "runtime.failure";
  Failure failure;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(failure);
  }
};

Failure no_such_actor(const std::string& name) {
  return {FailureKind::unknown, "no actor named " + name};
}

}  // namespace

MailPtr NodeCore::failure_mail(const Failure& failure) {
  MailPtr mail = make_mail(FailureBody{failure.shortened()});
  mail->header.kind = EnvelopeKind::failure;
  return mail;
}

Failure NodeCore::failure_of(Mail& mail) {
  Failure failure;
  const Result<Done> read =
      with_message<FailureBody>(mail, [&failure](FailureBody& body) { failure = std::move(body.failure); });
  return read ? failure : read.failure();
}

ReplyTo NodeCore::asker_of(const Mail& request) {
  const Envelope* const bytes = request.bytes();
  return {std::string(bytes != nullptr ? bytes->from_endpoint() : ""), request.header.correlation,
          request.header.sender, request.header.sender_incarnation};
}

void NodeCore::mark_answer(Mail& mail, const ReplyTo& asker) {
  if (mail.header.kind != EnvelopeKind::failure) mail.header.kind = EnvelopeKind::reply;
  mail.header.correlation = asker.correlation;
}

// ---- outward -------------------------------------------------------------------------------------------------------

void NodeCore::address(Mail& mail, std::uint64_t receiver, std::uint32_t incarnation) const {
  mail.header.receiver = receiver;
  mail.header.receiver_incarnation = incarnation;
  mail.header.job = options.job;
  mail.header.term = options.term;
}

Result<Done> NodeCore::deliver_local(ActorCell& cell, MailPtr& mail) {
  const std::uint32_t wanted = mail->header.receiver_incarnation;
  if (wanted != 0 && wanted != cell.id().incarnation && parts.checks.incarnation) {
    cell.count_stale();
    return Failure{FailureKind::disconnected, "incarnation " + std::to_string(wanted) + " of " + cell.id().name +
                                                  " is not the living one (" + cell.id().describe() + ")"};
  }
  switch (cell.deliver(mail)) {
    case PushResult::queued:
    case PushResult::queued_first:
      return Done{};
    case PushResult::full:
      return Failure{FailureKind::overloaded, "the mailbox of " + cell.id().describe() + " is full"};
    case PushResult::closed:
      return Failure{FailureKind::disconnected, cell.id().describe() + " is down"};
  }
  return Failure{FailureKind::unknown, "unknown push result"};
}

Result<DirectoryEntry> NodeCore::find_away(const ActorId& to, std::uint64_t receiver) {
  if (to.incarnation != 0 && directory.is_stale(receiver, to.incarnation)) {
    count_stale(receiver);
    return Failure{FailureKind::disconnected, to.describe() + " is dead"};
  }
  std::optional<DirectoryEntry> entry = directory.find(receiver);
  if (!entry || entry->endpoint == parts.transport->endpoint()) return no_such_actor(to.name);
  return *std::move(entry);
}

Result<Done> NodeCore::hand_over(const std::string& endpoint, const Mail& mail, std::string_view sender) {
  Result<Envelope> encoded = mail.to_envelope();
  if (!encoded) return encoded.failure();
  Envelope envelope = std::move(encoded).value();
  envelope.sender_name = sender;
  return parts.transport->send(endpoint, std::move(envelope));
}

void NodeCore::insist(const ReplyTo& asker, MailPtr mail, const std::string& sender, Duration again) {
  static constexpr Duration kMostAgain = std::chrono::milliseconds(128);  // many may wait for one that is stuck
  mark_answer(*mail, asker);
  address(*mail, asker.asker, asker.asker_incarnation);
  if (asker.endpoint.empty()) return (void)take_answer(std::move(mail));  // who is gone needs none
  const Result<Done> sent = hand_over(asker.endpoint, *mail, sender);
  if (sent || sent.failure().kind != FailureKind::overloaded) return;  // as above
  parts.timers->run_at(parts.clock->now() + again,
                       [this, asker, sender, again, kept = std::make_shared<MailPtr>(std::move(mail))] {
                         insist(asker, std::move(*kept), sender, std::min(2 * again, kMostAgain));
                       });
}

Result<Done> NodeCore::route(const ActorId& to, MailPtr& mail, std::string_view sender) {
  const std::uint64_t receiver = name_hash(to.name);
  address(*mail, receiver, to.incarnation);
  if (const std::shared_ptr<ActorCell> cell = find_cell(receiver)) return deliver_local(*cell, mail);
  const Result<DirectoryEntry> away = find_away(to, receiver);
  return away ? hand_over(away->endpoint, *mail, sender) : away.failure();
}

void NodeCore::ask(const ActorId& to, MailPtr mail, Duration deadline, PendingRequests::Completion complete) {
  PendingRequests::Request request;
  request.target = name_hash(to.name);
  request.target_incarnation = to.incarnation;
  if (const std::shared_ptr<ActorCell> cell = find_cell(request.target)) {
    if (to.incarnation == 0) request.target_incarnation = cell->id().incarnation;
  } else if (const std::optional<DirectoryEntry> entry = directory.find(request.target)) {
    request.endpoint = entry->endpoint;
    if (to.incarnation == 0) request.target_incarnation = entry->actor.incarnation;
  }
  // Atomic: the answer may come on another thread before the timer's id is known; then the timer finds nothing to do.
  const auto timer = std::make_shared<std::atomic<std::uint64_t>>(0);
  request.complete = [this, timer, complete = std::move(complete)](Result<MailPtr> outcome) {
    parts.timers->cancel(timer->load());
    complete(std::move(outcome));
  };
  const std::string asked(mail->name());
  const std::uint64_t correlation = pending_.add(std::move(request));
  mail->header.kind = EnvelopeKind::request;
  mail->header.correlation = correlation;
  timer->store(parts.timers->run_at(parts.clock->now() + deadline, [this, correlation, to, asked, deadline] {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
    pending_.complete(correlation,
                      Failure{FailureKind::disconnected, "no answer to " + asked + " from " + to.name + " within " +
                                                             std::to_string(milliseconds) + " ms"});
  }));
  const Result<Done> sent = route(to, mail, options.name);
  if (!sent) pending_.complete(correlation, sent.failure().within("cannot ask " + to.name));
}

Result<Done> NodeCore::answer(const ReplyTo& asker, MailPtr mail, std::string_view sender) {
  if (asker.correlation == 0) return Failure{FailureKind::unknown, "nobody asked"};
  mark_answer(*mail, asker);
  address(*mail, asker.asker, asker.asker_incarnation);
  if (asker.endpoint.empty()) return take_answer(std::move(mail));
  Result<Done> sent = hand_over(asker.endpoint, *mail, sender);
  const bool cannot_travel = !sent && sent.failure().kind == FailureKind::unknown;
  if (!cannot_travel || mail->header.kind == EnvelopeKind::failure) return sent;
  // Who asked hears at once that there is no answer, and why.
  log_dead_letter(*mail, sent.failure());
  return answer(asker, failure_mail(sent.failure()), sender);
}

/// An answer goes to the actor that asked, or to who waits outside of all actors.
Result<Done> NodeCore::take_answer(MailPtr mail) {
  static const Failure late{FailureKind::disconnected, "the asker does not wait any more"};
  if (mail->header.receiver != 0) {
    const std::shared_ptr<ActorCell> asker = find_cell(mail->header.receiver);
    const bool waits = asker && (asker->has_open_requests() || asker->has_streams());
    return waits ? deliver_local(*asker, mail) : Result<Done>(late);
  }
  const std::uint64_t correlation = mail->header.correlation;
  const bool failed = mail->header.kind == EnvelopeKind::failure;
  const bool waited =
      failed ? pending_.complete(correlation, failure_of(*mail)) : pending_.complete(correlation, std::move(mail));
  return waited ? Result<Done>(Done{}) : Result<Done>(late);
}

void NodeCore::answer_failure(const Mail& request, const Failure& why) {
  (void)answer(asker_of(request), failure_mail(why), options.name);  // an asker that is gone needs no answer
}

// ---- watching ------------------------------------------------------------------------------------------------------

void NodeCore::add_local_watch(const ActorId& target, const Watcher& watcher) {
  const std::uint64_t key = name_hash(target.name);
  const std::shared_ptr<ActorCell> cell = find_cell(key);
  const bool lives = cell && (target.incarnation == 0 || target.incarnation == cell->id().incarnation);
  if (!lives) return tell(watcher, target, cause_of_death(target));
  // The watch is on the living one, also when no incarnation was named: another one's death is no news for it.
  watches_.add(cell->id(), watcher);
  if (find_cell(key) != cell) tell_watchers(cell->id(), cause_of_death(cell->id()));  // ended in between
}

void NodeCore::watch_links(const ActorId& watcher) {
  const Watcher row{name_hash(watcher.name), watcher.incarnation, ""};
  const std::lock_guard lock(mutex_);
  if (std::find(link_watchers_.begin(), link_watchers_.end(), row) == link_watchers_.end()) {
    link_watchers_.push_back(row);
  }
}

void NodeCore::tell_of_lost_link(const std::string& endpoint, const Failure& cause) {
  std::vector<Watcher> watchers;
  {
    const std::lock_guard lock(mutex_);
    watchers = link_watchers_;
  }
  for (const Watcher& watcher : watchers) hand_news(watcher, make_mail(LinkLost{endpoint, cause.shortened()}));
}

void NodeCore::hand_news(const Watcher& watcher, MailPtr mail) {
  mail->header.kind = EnvelopeKind::down;
  mail->header.receiver = watcher.name;
  mail->header.receiver_incarnation = watcher.incarnation;
  if (!watcher.endpoint.empty()) {
    (void)hand_over(watcher.endpoint, *mail, options.name);  // a watcher that is gone needs no news
  } else if (const std::shared_ptr<ActorCell> cell = find_cell(watcher.name)) {
    (void)deliver_local(*cell, mail);  // as above
  }
}

void NodeCore::tell_watchers(const ActorId& actor, const Failure& cause) {
  for (const Watcher& watcher : watches_.take(name_hash(actor.name), actor.incarnation)) tell(watcher, actor, cause);
}

void NodeCore::receive_down(const Envelope& envelope) {
  const Result<ActorDown> body = decode_message<ActorDown>(envelope);
  if (!body) return log_dead_letter(envelope, body.failure());
  tell_watchers(body->actor, body->cause);
}

// ---- inward --------------------------------------------------------------------------------------------------------

bool NodeCore::is_acceptable(const Envelope& envelope) {
  const Header& header = envelope.header;
  if (header.job != 0 && options.job != 0 && header.job != options.job) {
    log_dead_letter(envelope, {FailureKind::unknown, "of another job"});
    return false;
  }
  if (header.term != 0 && options.term != 0 && header.term != options.term) {
    count_stale(header.receiver);
    log_dead_letter(envelope, {FailureKind::disconnected, "of another head's term"});
    return false;
  }
  const bool from_dead = header.sender != 0 && header.sender_incarnation != 0 &&
                         directory.is_stale(header.sender, header.sender_incarnation);
  if (!from_dead || !parts.checks.incarnation) return true;
  count_stale(header.receiver);
  log_dead_letter(envelope, {FailureKind::disconnected, "from a dead incarnation"});
  return false;
}

Result<Done> NodeCore::deliver_from_outside(MailPtr& mail) {
  const Header& header = mail->header;
  const bool header_is_of_nobody = header.sender == 0 && mail->name() == DeadLetter::kName;
  const std::shared_ptr<ActorCell> cell = find_cell(header.receiver);
  if (!cell) {
    const bool dead =
        header.receiver_incarnation != 0 && directory.is_stale(header.receiver, header.receiver_incarnation);
    if (dead) count_stale(header.receiver);
    return dead ? Failure{FailureKind::disconnected, "the receiver of " + std::string(mail->name()) + " is dead"}
                : no_such_actor("for " + std::string(mail->name()));
  }
  Result<Done> delivered = deliver_local(*cell, mail);
  if (!delivered && delivered.failure().kind == FailureKind::overloaded) cell->count_dead_letter();
  if (header_is_of_nobody && delivered) cell->count_dead_letter();  // a DeadLetter for it
  return delivered;
}

void NodeCore::on_envelope(Envelope envelope) {
  if (!is_acceptable(envelope)) return;
  switch (envelope.header.kind) {
    case EnvelopeKind::message:
    case EnvelopeKind::request: {
      MailPtr mail = std::make_unique<BytesMail>(std::move(envelope));
      const Result<Done> delivered = deliver_from_outside(mail);
      if (delivered) return;
      log_dead_letter(*mail, delivered.failure());
      tell_of_loss(*mail, delivered.failure());
      if (mail->header.kind == EnvelopeKind::request) answer_failure(*mail, delivered.failure());
      return;
    }
    case EnvelopeKind::reply:
      if (envelope.message == StreamOpened::kName) return take_opened(std::move(envelope));
      [[fallthrough]];
    case EnvelopeKind::failure:
      (void)take_answer(std::make_unique<BytesMail>(std::move(envelope)));  // who does not wait any more needs none
      return;
    case EnvelopeKind::watch:
    case EnvelopeKind::unwatch:
      receive_watch(envelope);
      return;
    case EnvelopeKind::down:
      receive_down(envelope);
      return;
    case EnvelopeKind::hello:
    case EnvelopeKind::credit:
    case EnvelopeKind::bye:
      return;  // the transport's own
  }
}

void NodeCore::take_opened(Envelope opened) {
  const ReplyTo producer{std::string(opened.from_endpoint()), 0, opened.header.sender,
                         opened.header.sender_incarnation};
  const Header header = opened.header;
  const Result<StreamOpened> body = decode_message<StreamOpened>(opened);
  if (!body || take_answer(std::make_unique<BytesMail>(std::move(opened)))) return;
  MailPtr refusal = make_mail(StreamGrant{body->number, 0});
  refusal->header.sender = header.receiver;
  refusal->header.sender_incarnation = header.receiver_incarnation;
  insist(producer, std::move(refusal), options.name);
}

void NodeCore::fail_request(const Header& request, const Failure& why) {
  if (request.sender == 0) return (void)pending_.complete(request.correlation, why);
  const std::shared_ptr<ActorCell> asker = find_cell(request.sender);
  if (!asker || asker->id().incarnation != request.sender_incarnation) return;
  asker->fail_requests(
      [number = request.correlation](const OpenRequests&, std::uint64_t) { return OpenRequests::Numbers{number}; },
      why);
}

void NodeCore::on_undeliverable(Envelope envelope, const Failure& why) {
  log_dead_letter(envelope, why);
  if (envelope.header.if_lost == IfLost::tell_sender) {
    tell_of_loss(envelope.header, envelope.message, "", why);
  } else if (const std::shared_ptr<ActorCell> cell = find_cell(envelope.header.sender)) {
    cell->count_dead_letter();
  }
  if (envelope.header.kind == EnvelopeKind::request) {
    fail_request(envelope.header, why.within("cannot reach the node of " + envelope.message + "'s receiver"));
  }
  if (envelope.header.kind == EnvelopeKind::watch) watch_came_back(envelope, why);
}

}  // namespace troupe::runtime
