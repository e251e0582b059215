#pragma once

#include "runtime/message/mail.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::runtime {

enum class PushResult {
  queued,
  queued_first,  ///< the owner sleeps: whoever pushed wakes it
  full,
  closed,
};

/// Whether there must be room.
enum class Room {
  by_kind,  ///< for requests and messages
  always,   ///< the sender has bounded their number already
};

/// What became of an owner's wish to sleep.
enum class Sleep {
  asleep,
  awake,   ///< something waits
  closed,  ///< nobody will wake it
};

/// Mail waiting for one actor, oldest first: a stack that any thread pushes onto, and that the owner takes whole and
/// turns round (as CAF's lifo_inbox does).
///
/// Thread-safety: push(), size() and close() from any thread; pop(), sleep() and drain() from the owner's turn only.
/// Ownership:     owns mail from push() until pop() hands it out.
/// Errors:        push() says full or closed; nothing here blocks or throws.
/// Restart:       emptied; senders of lost requests get a Failure.
///
/// MB-1  Mail of one sender is popped in the order it was pushed, urgent mail before ordinary mail that waits.
/// MB-2  After close(), push() fails and pop() gives nothing; close() and drain() hand out what was waiting.
/// MB-3  Requests and messages are refused beyond the capacity; replies, failures and downs are always taken: their
///       number is bounded by requests and watches. So is what an actor sends itself after a delay, by its own calls.
/// MB-5  What is held comes back in its order, before all that came later, and counts as if it had not been popped.
/// MB-4  Of all pushes after one sleep(), exactly one is queued_first. A new mailbox is awake.
class Mailbox final {
public:
  explicit Mailbox(std::size_t capacity) : capacity_(capacity) {}
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// @threadsafe  Takes the mail only when it is queued.
  [[nodiscard]] PushResult push(MailPtr& mail, Room room = Room::by_kind);
  /// Null when nothing waits, or it is closed.
  [[nodiscard]] MailPtr pop();
  /// When nothing waits. After `asleep` the mailbox is no longer the caller's: the next push makes another its owner.
  [[nodiscard]] Sleep sleep();
  /// Of what was popped: it waits until release_held(), and counts meanwhile. Nobody is woken for it.
  void hold(MailPtr mail);
  /// What is held goes before what waits in its lane.
  void release_held();
  /// @threadsafe  Closes it if the owner sleeps: then the caller is the owner.
  [[nodiscard]] bool close_asleep();
  /// @threadsafe  What was still waiting, but for what the owner has taken out of the stack already.
  [[nodiscard]] std::vector<MailPtr> close();
  /// What the owner has taken out of the stack, and not popped or held.
  [[nodiscard]] std::vector<MailPtr> drain();
  /// @threadsafe
  [[nodiscard]] bool is_closed() const;
  /// @threadsafe
  [[nodiscard]] std::size_t size() const { return load_.load(std::memory_order_relaxed) & kSizeMask; }

private:
  /// Oldest first.
  struct List {
    Mail* first = nullptr;
    Mail* last = nullptr;
    void append(Mail* mail);
    [[nodiscard]] MailPtr take_first();
    /// What is in `older` comes first.
    void prepend(List& older);
  };
  /// Takes the whole stack, and puts each into its lane.
  void sort_in();

  /// What one mail adds to load_: the low half counts all, the high half those that need room.
  static constexpr std::uint64_t kSizeMask = 0xffff'ffffU;
  static constexpr std::uint64_t kPlain = 1;
  static constexpr std::uint64_t kBounded = 1 | (std::uint64_t{1} << 32);
  void forget(const Mail& mail) { load_.fetch_sub(mail.load_, std::memory_order_relaxed); }

  const std::size_t capacity_;
  std::atomic<std::uint64_t> load_ = 0;
  std::atomic<Mail*> newest_ = nullptr;   // a stack, or one of the marks in mailbox.cpp
  std::atomic<bool> has_urgent_ = false;  // in the stack
  List urgent_;                           // the owner's, as below
  List ordinary_;
  List held_urgent_;
  List held_ordinary_;
};

}  // namespace troupe::runtime
