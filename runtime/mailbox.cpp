#include "runtime/mailbox.hpp"

#include <iterator>
#include <utility>

namespace troupe::runtime {
namespace {

bool is_bounded(EnvelopeKind kind) {
  return kind == EnvelopeKind::message || kind == EnvelopeKind::request;
}

}  // namespace

PushResult Mailbox::push(Envelope& envelope) {
  const std::lock_guard lock(mutex_);
  if (door_ == Door::closed) return PushResult::closed;
  if (is_bounded(envelope.header.kind) && waiting_.size() >= capacity_) return PushResult::full;
  waiting_.push_back(std::move(envelope));
  return PushResult::queued;
}

std::optional<Envelope> Mailbox::pop() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  Envelope envelope = std::move(waiting_.front());
  waiting_.pop_front();
  return envelope;
}

std::vector<Envelope> Mailbox::close() {
  const std::lock_guard lock(mutex_);
  door_ = Door::closed;
  std::vector<Envelope> rest(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  return rest;
}

std::size_t Mailbox::size() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size();
}

}  // namespace troupe::runtime
