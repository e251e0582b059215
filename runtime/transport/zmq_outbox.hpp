#pragma once

#include "runtime/message/envelope.hpp"
#include "runtime/result.hpp"
#include "runtime/transport/zmq_wire.hpp"

#include <array>
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

/// How many windows mail of a kind and lane may fill: asking stops first, answers later, then what is urgent, news of
/// deaths last, so that a flood of requests cannot keep back the answers that would end it, nor a word that is urgent.
[[nodiscard]] std::uint64_t window_share(EnvelopeKind kind, Lane lane);
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
  Envelope envelope;  ///< too large to share a frame
};
/// All small messages of one lane that were accepted for one link since the post office looked, and since the last
/// SendCommand of that lane for it. They are bytes already: the senders' threads have more time than the post office.
struct SendFrontsCommand {
  std::string endpoint;
  Lane lane = Lane::ordinary;
  Fronts fronts;
};
struct ForgetCommand {
  std::string endpoint;
  Failure why;
};
using OutboxCommand = std::variant<SendCommand, SendFrontsCommand, ForgetCommand>;

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
/// ZO-3  What was accepted for a lane of a link comes out in the order it went in, and what is to be forgotten in its
///       place.
/// ZO-4  Urgent mail finds room when ordinary mail has filled its window, and answers theirs.
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
  struct Account {
    LinkCost outstanding;
    bool has_refused = false;
    // Where in commands_ the fronts are that one more may follow.
    struct Open {
      std::uint64_t since = 0;  // of which takes_; anything else: nowhere
      std::size_t at = 0;
    };
    std::array<Open, kLanes> open;  // by lane
  };
  // Under mutex_:
  Result<Account*> account_for(const std::string& endpoint);
  void queue(Account& account, const std::string& endpoint, Envelope envelope);

  mutable std::mutex mutex_;
  std::vector<OutboxCommand> commands_;                // guarded by mutex_
  std::uint64_t takes_ = 1;                            // guarded by mutex_: how often commands_ began anew
  std::unordered_map<std::string, Account> accounts_;  // guarded by mutex_; no entry = nothing outstanding
  bool closed_ = true;                                 // guarded by mutex_
};

/// Counts what a receiver is done with on one link.
///
/// Thread-safety: give_back() from any thread; the rest from the post office.
/// Ownership:     shared by the link and every message that came by it.
/// Errors:        none.
/// Restart:       one per link.
///
/// ZL-1  released() is the sum of the costs of the Arrivals that ended, whatever the threads.
class CreditLedger final : public Origin {
public:
  CreditLedger(std::string endpoint, LinkCost window, std::shared_ptr<Waker> waker)
      : Origin(std::move(endpoint)), window_(window), waker_(std::move(waker)) {}

  void give_back(std::uint64_t bytes) override;
  [[nodiscard]] LinkCost released() const { return {messages_.load(), bytes_.load()}; }
  /// True when a quarter of the window or more was given back since `told`, which is worth a note at once.
  [[nodiscard]] bool is_worth_telling(const LinkCost& told) const;
  void note_told(const LinkCost& told);

private:
  const LinkCost window_;
  const std::shared_ptr<Waker> waker_;
  std::atomic<std::uint64_t> messages_{0};
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> told_messages_{0};
  std::atomic<std::uint64_t> told_bytes_{0};
};

}  // namespace troupe::runtime
