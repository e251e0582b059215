#include "runtime/mailbox.hpp"

#include <utility>

namespace troupe::runtime {
namespace {

// Marks in place of a stack: addresses no mail can have.
Mail* const kAsleep = reinterpret_cast<Mail*>(1);  // NOLINT(performance-no-int-to-ptr)
Mail* const kClosed = reinterpret_cast<Mail*>(2);  // NOLINT(performance-no-int-to-ptr)

bool is_stack(const Mail* newest) {
  return newest != nullptr && newest != kAsleep && newest != kClosed;
}

bool is_bounded(EnvelopeKind kind) {
  return kind == EnvelopeKind::message || kind == EnvelopeKind::request;
}

}  // namespace

Mailbox::~Mailbox() {
  (void)close();
  (void)drain();
}

PushResult Mailbox::push(MailPtr& mail, Room room) {
  const bool needs_room = room == Room::by_kind && is_bounded(mail->header.kind);
  const std::size_t before = size_.fetch_add(1, std::memory_order_relaxed);
  if (needs_room && before >= capacity_) {
    size_.fetch_sub(1, std::memory_order_relaxed);
    return newest_.load(std::memory_order_acquire) == kClosed ? PushResult::closed : PushResult::full;
  }
  Mail* newest = newest_.load(std::memory_order_relaxed);
  do {
    if (newest == kClosed) {
      size_.fetch_sub(1, std::memory_order_relaxed);
      return PushResult::closed;
    }
    mail->next_ = newest == kAsleep ? nullptr : newest;
    // Acquire: whoever wakes the owner passes on to its next thread what sleep() released.
  } while (!newest_.compare_exchange_weak(newest, mail.get(), std::memory_order_acq_rel, std::memory_order_relaxed));
  (void)mail.release();
  return newest == kAsleep ? PushResult::queued_first : PushResult::queued;
}

Mail* Mailbox::take_stack() {
  Mail* newest = newest_.load(std::memory_order_relaxed);
  do {
    if (!is_stack(newest)) return nullptr;
  } while (!newest_.compare_exchange_weak(newest, nullptr, std::memory_order_acquire, std::memory_order_relaxed));
  Mail* oldest = nullptr;
  while (newest != nullptr) {
    Mail* const older = std::exchange(newest->next_, oldest);
    oldest = std::exchange(newest, older);
  }
  return oldest;
}

MailPtr Mailbox::pop() {
  if (taken_ == nullptr) {
    taken_ = take_stack();
  } else if (newest_.load(std::memory_order_relaxed) == kClosed) {
    return nullptr;
  }
  if (taken_ == nullptr) return nullptr;
  MailPtr mail(taken_);
  taken_ = std::exchange(mail->next_, nullptr);
  size_.fetch_sub(1, std::memory_order_relaxed);
  return mail;
}

bool Mailbox::is_closed() const {
  return newest_.load(std::memory_order_acquire) == kClosed;
}

bool Mailbox::sleep() {
  Mail* expected = nullptr;
  if (taken_ != nullptr) return newest_.load(std::memory_order_relaxed) == kClosed;
  return newest_.compare_exchange_strong(expected, kAsleep, std::memory_order_release, std::memory_order_relaxed) ||
         expected == kClosed;
}

std::vector<MailPtr> Mailbox::close() {
  Mail* newest = newest_.exchange(kClosed, std::memory_order_acq_rel);
  std::vector<MailPtr> rest;
  if (!is_stack(newest)) return rest;
  while (newest != nullptr) {
    rest.emplace_back(newest);
    newest = std::exchange(rest.back()->next_, nullptr);
  }
  size_.fetch_sub(rest.size(), std::memory_order_relaxed);
  return {std::make_move_iterator(rest.rbegin()), std::make_move_iterator(rest.rend())};
}

std::vector<MailPtr> Mailbox::drain() {
  std::vector<MailPtr> rest;
  while (taken_ != nullptr) {
    rest.emplace_back(taken_);
    taken_ = std::exchange(rest.back()->next_, nullptr);
  }
  size_.fetch_sub(rest.size(), std::memory_order_relaxed);
  return rest;
}

}  // namespace troupe::runtime
