#include "runtime/mailbox.hpp"

#include <iterator>
#include <utility>

namespace troupe::runtime {
namespace {

bool is_bounded(EnvelopeKind kind) {
  return kind == EnvelopeKind::message || kind == EnvelopeKind::request;
}

}  // namespace

PushResult Mailbox::push(Envelope& envelope, Room room) {
  const std::lock_guard lock(mutex_);
  if (door_ == Door::closed) return PushResult::closed;
  const bool needs_room = room == Room::by_kind && is_bounded(envelope.header.kind);
  if (needs_room && waiting_.size() >= capacity_) return PushResult::full;
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
