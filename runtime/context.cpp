#include "runtime/context.hpp"

#include "runtime/actor_cell.hpp"
#include "runtime/node_core.hpp"
#include "runtime/task/activity.hpp"

#include <memory>
#include <utility>

namespace troupe::runtime {
namespace {

/// Hands the outcome of a forwarded request on to whoever asked.
class RelayedReply final : public Awaiting {
public:
  explicit RelayedReply(ReplyTo asker) : asker_(std::move(asker)) {}
  void reply(Mail& mail, Context& context) override { context.relay(asker_, mail); }
  void fail(const Failure& failure, Context& context) override { context.fail_to(asker_, failure); }

private:
  const ReplyTo asker_;
};

}  // namespace

Context::Context(Node& node, ActorCell& cell, const Mail* current) : node_(node), cell_(cell), current_(current) {}

const ActorId& Context::self() const {
  return cell_.id();
}

TimePoint Context::now() const {
  return node_.now();
}

void Context::sign(Mail& mail) const {
  mail.header.sender = cell_.name_key();
  mail.header.sender_incarnation = self().incarnation;
  mail.header.if_lost = cell_.if_lost_;
  mail.header.cause = current_ != nullptr ? current_->header.cause : node_.core_->next_id();
}

Result<Done> Context::send_mail(const ActorId& to, MailPtr mail) {
  sign(*mail);
  Result<Done> sent = cell_.route_in_order(to, mail);
  if (!sent) cell_.count_dead_letter();
  return sent;
}

Result<Done> Context::send_or_keep(const ActorId& to, MailPtr mail, WhenFull when_full, std::size_t most) {
  sign(*mail);
  Result<Done> sent = cell_.route_in_order(to, mail);
  if (sent) return sent;
  if (sent.failure().kind != FailureKind::overloaded) {
    cell_.count_dead_letter();
    return sent;
  }
  if (when_full == WhenFull::drop_oldest) cell_.drop_oldest_kept(to, mail->name(), most);
  cell_.keep_for_later(to, std::move(mail), when_full);
  return Done{};
}

void Context::reply_mail(MailPtr mail) {
  if (current_ == nullptr || current_->header.kind != EnvelopeKind::request) return;
  answer_mail(asker(), std::move(mail));
  set_answered();
}

ReplyTo Context::asker() const {
  return activity_ != nullptr ? activity_->asker : NodeCore::asker_of(*current_);
}

void Context::set_answered() {
  (activity_ != nullptr ? activity_->answer : cell_.answer_) = Duty::done;
}

void Context::answer_mail(const ReplyTo& asker, MailPtr mail) {
  sign(*mail);
  cell_.answer(asker, std::move(mail));
  cell_.forget_deferred(asker);
}

void Context::relay(const ReplyTo& asker, const Mail& reply) {
  answer_mail(asker, reply.clone());
}

void Context::reply_failure(const Failure& failure) {
  reply_mail(NodeCore::failure_mail(failure));
}

void Context::fail_to(const ReplyTo& asker, const Failure& failure) {
  answer_mail(asker, NodeCore::failure_mail(failure));
}

ReplyTo Context::defer_reply() {
  if (current_ == nullptr || current_->header.kind != EnvelopeKind::request) return {};
  set_answered();
  ReplyTo waiting = asker();
  cell_.remember_deferred(waiting);
  return waiting;
}

RequestId Context::request_mail(const ActorId& to, MailPtr mail, Duration deadline,
                                std::unique_ptr<Awaiting> awaiting) {
  sign(*mail);
  const std::string_view name = mail->type()->name;
  return {cell_.ask(to, std::move(mail), name, deadline, std::move(awaiting))};
}

RequestId Context::request_or_keep(const ActorId& to, MailPtr mail, Duration deadline,
                                   std::unique_ptr<Awaiting> awaiting) {
  sign(*mail);
  const std::string_view name = mail->type()->name;
  return {cell_.ask(to, std::move(mail), name, deadline, std::move(awaiting), nullptr, WhenFull::wait)};
}

Result<Done> Context::forward(const ActorId& to, Duration deadline) {
  if (current_ == nullptr) return Failure{FailureKind::unknown, "nothing to forward: no message is being handled"};
  MailPtr mail = current_->clone();
  if (mail->header.kind != EnvelopeKind::request) return send_mail(to, std::move(mail));
  const ReplyTo waiting = defer_reply();
  const Behavior::Entry* const entry = cell_.behavior_.find(*current_);
  sign(*mail);
  cell_.ask(to, std::move(mail), entry != nullptr ? entry->type->name : "a request", deadline,
            std::make_unique<RelayedReply>(waiting));
  return Done{};
}

void Context::cancel(RequestId request) {
  (void)cell_.open_.take(request.number);
}

void Context::cancel(TimerId timer) {
  cell_.cancel_timer(timer.number);
}

void Context::become(Behavior behavior) {
  cell_.extras().next_behavior = std::make_unique<Behavior>(std::move(behavior));
}

TimerId Context::send_later(Duration delay, Duration interval, MailPtr mail) {
  sign(*mail);
  return {cell_.start_timer(delay, interval, std::move(mail))};
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
    ActorCell::Remarks& remarks = cell_.remarks();
    remarks.phase = phase;
    remarks.step = step;
    remarks.micro_batch = micro_batch;
  }
  cell_.publish();
}

}  // namespace troupe::runtime
