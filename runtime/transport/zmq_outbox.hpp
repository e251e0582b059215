#pragma once

#include "runtime/message/envelope.hpp"
#include "runtime/result.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace troupe::runtime {

/// Messages and bytes of a link.
struct LinkCost {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;

  LinkCost& operator+=(const LinkCost& other) {
    messages += other.messages;
    bytes += other.bytes;
    return *this;
  }
  LinkCost& operator-=(const LinkCost& other) {
    messages -= other.messages;
    bytes -= other.bytes;
    return *this;
  }
  bool operator==(const LinkCost&) const = default;
};

/// How many windows a kind may fill: asking stops first, answers later, news of deaths last, so that a flood of
/// requests cannot keep back the answers that would end it.
[[nodiscard]] std::uint64_t window_share(EnvelopeKind kind);
inline constexpr std::uint64_t kMaxWindowShare = 4;

/// Rouses a thread that sleeps in a poll on descriptor().
///
/// Thread-safety: wake() from any thread; the rest from the sleeper.
/// Ownership:     owns its eventfd; shared by whoever may have to wake the sleeper, also after its end.
/// Errors:        throws std::runtime_error when the system gives no eventfd.
/// Restart:       made new.
class Waker {
public:
  Waker();
  ~Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void wake();
  /// Before the sleeper looks for work a last time and sleeps: from now on wake() costs a system call.
  void arm() { armed_.store(true); }
  void disarm() { armed_.store(false); }
  /// When a poll found the descriptor readable.
  void drain();
  [[nodiscard]] int descriptor() const { return descriptor_; }

private:
  int descriptor_ = -1;
  std::atomic<bool> armed_{false};
};

/// What other threads ask of the post office.
struct SendCommand {
  std::string endpoint;
  Envelope envelope;
};
struct ForgetCommand {
  std::string endpoint;
  Failure why;
};
using OutboxCommand = std::variant<SendCommand, ForgetCommand>;

/// The hand-over from sending threads to the post office, and the account of every link's window.
///
/// Thread-safety: all methods from any thread.
/// Ownership:     owns what waits in it; shares the waker.
/// Errors:        accept() says overloaded (window full), disconnected (closed) or unknown (over a limit, bad
///                endpoint).
/// Restart:       made new.
///
/// ZO-1  The cost of what was accepted and not released never passes kMaxWindowShare windows per link, plus one
///       message.
/// ZO-2  A message larger than the window is accepted when nothing else is under way on its link.
/// ZO-3  Commands come out in the order they went in.
class ZmqOutbox {
public:
  ZmqOutbox(LinkCost window, std::shared_ptr<Waker> waker) : window_(window), waker_(std::move(waker)) {}

  [[nodiscard]] Result<Done> accept(const std::string& endpoint, Envelope envelope);
  void forget(const std::string& endpoint, const Failure& why);
  /// Nothing is accepted before open() and after close().
  void open();
  void close();

  [[nodiscard]] std::vector<OutboxCommand> take();
  [[nodiscard]] bool is_empty() const;
  /// The messages are done with, or came back: their part of the window is free again. True when somebody was refused,
  /// and half of the window is free now.
  [[nodiscard]] bool release(const std::string& endpoint, const LinkCost& cost);
  [[nodiscard]] LinkCost outstanding(const std::string& endpoint) const;

private:
  const LinkCost window_;
  const std::shared_ptr<Waker> waker_;
  mutable std::mutex mutex_;
  std::vector<OutboxCommand> commands_;  // guarded by mutex_
  struct Account {
    LinkCost outstanding;
    bool has_refused = false;
  };
  std::unordered_map<std::string, Account> accounts_;  // guarded by mutex_; no entry = nothing outstanding
  bool closed_ = true;                                 // guarded by mutex_
};

/// Counts what a receiver is done with on one link; its tickets are what Envelope::ticket holds.
///
/// Thread-safety: give_back() from any thread; the rest from the post office.
/// Ownership:     shared by the link and every ticket of it.
/// Errors:        none.
/// Restart:       one per link.
///
/// ZL-1  released() is the sum of the costs of destroyed tickets, whatever the threads.
class CreditLedger : public std::enable_shared_from_this<CreditLedger> {
public:
  CreditLedger(LinkCost window, std::shared_ptr<Waker> waker) : window_(window), waker_(std::move(waker)) {}

  /// A ticket worth one message of `bytes`.
  [[nodiscard]] std::shared_ptr<void> ticket(std::uint64_t bytes);
  [[nodiscard]] LinkCost released() const { return {messages_.load(), bytes_.load()}; }
  /// True when a quarter of the window or more was given back since `told`, which is worth a note at once.
  [[nodiscard]] bool is_worth_telling(const LinkCost& told) const;
  void note_told(const LinkCost& told);

private:
  void give_back(std::uint64_t bytes);

  const LinkCost window_;
  const std::shared_ptr<Waker> waker_;
  std::atomic<std::uint64_t> messages_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> told_messages_{0};
  std::atomic<std::uint64_t> told_bytes_{0};
};

}  // namespace troupe::runtime
