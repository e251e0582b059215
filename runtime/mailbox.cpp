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
  const bool is_urgent = mail->header.lane == Lane::urgent;
  mail->load_ = needs_room ? kBounded : kPlain;
  const std::uint64_t before = load_.fetch_add(mail->load_, std::memory_order_relaxed);
  if (needs_room && (before >> 32) >= capacity_) {
    forget(*mail);
    return is_closed() ? PushResult::closed : PushResult::full;
  }
  Mail* newest = newest_.load(std::memory_order_relaxed);
  do {
    if (newest == kClosed) {
      forget(*mail);
      return PushResult::closed;
    }
    mail->next_ = newest == kAsleep ? nullptr : newest;
    // Acquire: whoever wakes the owner passes on to its next thread what sleep() released.
  } while (!newest_.compare_exchange_weak(newest, mail.get(), std::memory_order_acq_rel, std::memory_order_relaxed));
  (void)mail.release();
  if (is_urgent) has_urgent_.store(true, std::memory_order_release);
  return newest == kAsleep ? PushResult::queued_first : PushResult::queued;
}

void Mailbox::List::append(Mail* mail) {
  mail->next_ = nullptr;
  (last == nullptr ? first : last->next_) = mail;
  last = mail;
}

MailPtr Mailbox::List::take_first() {
  MailPtr mail(first);
  if (!mail) return mail;
  first = std::exchange(mail->next_, nullptr);
  if (first == nullptr) last = nullptr;
  return mail;
}

void Mailbox::List::prepend(List& older) {
  if (older.last == nullptr) return;
  older.last->next_ = first;
  first = older.first;
  if (last == nullptr) last = older.last;
  older = {};
}

void Mailbox::hold(MailPtr mail) {
  load_.fetch_add(mail->load_, std::memory_order_relaxed);
  const bool is_urgent = mail->header.lane == Lane::urgent;
  (is_urgent ? held_urgent_ : held_ordinary_).append(mail.release());
}

void Mailbox::release_held() {
  urgent_.prepend(held_urgent_);
  ordinary_.prepend(held_ordinary_);
}

void Mailbox::sort_in() {
  has_urgent_.store(false, std::memory_order_relaxed);  // before: what is pushed meanwhile sets it again
  Mail* newest = newest_.load(std::memory_order_relaxed);
  do {
    if (!is_stack(newest)) return;
  } while (!newest_.compare_exchange_weak(newest, nullptr, std::memory_order_acquire, std::memory_order_relaxed));
  Mail* oldest = nullptr;
  while (newest != nullptr) {
    Mail* const older = std::exchange(newest->next_, oldest);
    oldest = std::exchange(newest, older);
  }
  while (oldest != nullptr) {
    Mail* const next = oldest->next_;
    (oldest->header.lane == Lane::urgent ? urgent_ : ordinary_).append(oldest);
    oldest = next;
  }
}

MailPtr Mailbox::pop() {
  const bool is_empty = urgent_.first == nullptr && ordinary_.first == nullptr;
  if (is_empty || has_urgent_.load(std::memory_order_acquire)) sort_in();
  if (newest_.load(std::memory_order_relaxed) == kClosed) return nullptr;
  MailPtr mail = urgent_.first != nullptr ? urgent_.take_first() : ordinary_.take_first();
  if (mail) forget(*mail);
  return mail;
}

bool Mailbox::is_closed() const {
  return newest_.load(std::memory_order_acquire) == kClosed;
}

Sleep Mailbox::sleep() {
  const bool has_taken = urgent_.first != nullptr || ordinary_.first != nullptr;
  if (has_taken && !is_closed()) return Sleep::awake;
  Mail* expected = nullptr;
  if (!has_taken &&
      newest_.compare_exchange_strong(expected, kAsleep, std::memory_order_release, std::memory_order_acquire)) {
    return Sleep::asleep;
  }
  return is_closed() ? Sleep::closed : Sleep::awake;
}

bool Mailbox::close_asleep() {
  Mail* expected = kAsleep;
  return newest_.compare_exchange_strong(expected, kClosed, std::memory_order_acq_rel, std::memory_order_relaxed);
}

std::vector<MailPtr> Mailbox::close() {
  Mail* newest = newest_.exchange(kClosed, std::memory_order_acq_rel);
  std::vector<MailPtr> rest;
  if (!is_stack(newest)) return rest;
  while (newest != nullptr) {
    rest.emplace_back(newest);
    newest = std::exchange(rest.back()->next_, nullptr);
    forget(*rest.back());
  }
  return {std::make_move_iterator(rest.rbegin()), std::make_move_iterator(rest.rend())};
}

std::vector<MailPtr> Mailbox::drain() {
  std::vector<MailPtr> rest;
  release_held();
  for (List* const lane : {&urgent_, &ordinary_}) {
    while (MailPtr mail = lane->take_first()) {
      forget(*mail);
      rest.push_back(std::move(mail));
    }
  }
  return rest;
}

}  // namespace troupe::runtime
