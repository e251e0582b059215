#include "runtime/context.hpp"

#include "runtime/actor_cell.hpp"
#include "runtime/node_core.hpp"

#include <memory>
#include <utility>

namespace troupe::runtime {

Context::Context(Node& node, ActorCell& cell, const Envelope* current) : node_(node), cell_(cell), current_(current) {}

const ActorId& Context::self() const {
  return cell_.id();
}

TimePoint Context::now() const {
  return node_.now();
}

void Context::sign(Envelope& envelope) const {
  envelope.header.sender = name_hash(self().name);
  envelope.header.sender_incarnation = self().incarnation;
  envelope.header.cause = current_ != nullptr ? current_->header.cause : node_.core_->next_id();
  envelope.sender_name = self().name;
}

Result<Done> Context::send_envelope(const ActorId& to, Envelope envelope) {
  sign(envelope);
  Result<Done> sent = node_.core_->route(to, std::move(envelope));
  if (!sent) cell_.count_dead_letter();
  return sent;
}

Result<Done> Context::send_or_keep(const ActorId& to, Envelope envelope) {
  sign(envelope);
  if (!cell_.is_kept_waiting(to)) {
    Result<Done> sent = node_.core_->route(to, envelope);
    if (sent) return sent;
    if (sent.failure().kind != FailureKind::overloaded) {
      cell_.count_dead_letter();
      return sent;
    }
  }
  cell_.keep_for_later(to, std::move(envelope));
  return Done{};
}

void Context::reply_envelope(Envelope envelope) {
  if (current_ == nullptr || current_->header.kind != EnvelopeKind::request) return;
  cell_.answer_ = ActorCell::Answer::given;
  answer_envelope(NodeCore::asker_of(*current_), std::move(envelope));
}

void Context::answer_envelope(const ReplyTo& asker, Envelope envelope) {
  sign(envelope);
  cell_.forget_deferred(asker);
  (void)node_.core_->answer(asker, std::move(envelope));
}

void Context::reply_failure(const Failure& failure) {
  reply_envelope(NodeCore::failure_envelope(failure));
}

void Context::fail_to(const ReplyTo& asker, const Failure& failure) {
  answer_envelope(asker, NodeCore::failure_envelope(failure));
}

ReplyTo Context::defer_reply() {
  if (current_ == nullptr || current_->header.kind != EnvelopeKind::request) return {};
  cell_.answer_ = ActorCell::Answer::given;
  ReplyTo asker = NodeCore::asker_of(*current_);
  cell_.remember_deferred(asker);
  return asker;
}

void Context::request_envelope(const ActorId& to, Envelope envelope, Duration deadline,
                               std::function<void(Result<Envelope>, Context&)> then) {
  sign(envelope);
  // The outcome may be there before ask() returns, and on any thread: it always comes back through the mailbox.
  const std::uint64_t ticket = node_.core_->next_id() | (std::uint64_t{1} << 63);
  cell_.continuations_.emplace(ticket, std::move(then));
  const std::weak_ptr<ActorCell> weak = cell_.weak_from_this();
  node_.core_->ask(to, std::move(envelope), deadline, [weak, ticket](Result<Envelope> outcome) {
    const std::shared_ptr<ActorCell> cell = weak.lock();
    if (!cell) return;
    Envelope answer = outcome ? *std::move(outcome) : NodeCore::failure_envelope(outcome.failure());
    answer.header.correlation = ticket;
    (void)cell->deliver(answer);  // refused only when the actor has ended
  });
}

void Context::send_later(Duration delay, Envelope envelope) {
  sign(envelope);
  const std::weak_ptr<ActorCell> weak = cell_.weak_from_this();
  const auto held = std::make_shared<Envelope>(std::move(envelope));  // std::function wants to be copyable
  node_.core_->parts.timers->run_at(now() + delay, [weak, held] {
    if (const std::shared_ptr<ActorCell> cell = weak.lock()) {
      if (cell->deliver(*held, Room::always) != PushResult::queued) cell->count_dead_letter();
    }
  });
}

void Context::watch(const ActorId& actor) {
  node_.core_->watch(actor, self());
}

void Context::unwatch(const ActorId& actor) {
  node_.core_->unwatch(actor, self());
}

void Context::watch_links() {
  node_.core_->watch_links(self());
}

void Context::stop() {
  cell_.wish_ = ActorCell::Wish::stop;
}

void Context::note(Phase phase, std::uint32_t step, std::uint32_t micro_batch) {
  {
    const std::lock_guard lock(cell_.mutex_);
    cell_.snapshot_.phase = phase;
    cell_.snapshot_.step = step;
    cell_.snapshot_.micro_batch = micro_batch;
  }
  cell_.publish();
}

}  // namespace troupe::runtime
