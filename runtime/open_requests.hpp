#pragma once

#include "runtime/clock.hpp"
#include "runtime/message/mail.hpp"
#include "runtime/result.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

class Context;

/// Where the answer to a request goes: kept by an actor that answers later.
struct ReplyTo {
  std::string endpoint;                 ///< the asker's node; empty = this one
  std::uint64_t correlation = 0;        ///< of the request; 0 = nobody asked
  std::uint64_t asker = 0;              ///< name_hash of the asking actor; 0 = who waits outside of all actors
  std::uint32_t asker_incarnation = 0;  ///< an answer to an older one is not handled
};

/// @cond INSIDE  Of the runtime: here because Context is made of it.

/// A request that is answered by a stream.
struct InStream {
  ReplyTo producer;          ///< known when it is opened
  std::uint64_t number = 0;  ///< the producer's; 0 = not opened yet
  std::uint32_t open = 0;    ///< granted, and not come; at most kMostCredit
  std::uint64_t wanted = 0;  ///< to be granted
};

/// @endcond

/// What an actor does with the outcome of a request.
///
/// Thread-safety: the asker's turn only.
/// Ownership:     owned by the asker's OpenRequests until it is called.
/// Errors:        may throw, as a handler may.
/// Restart:       gone with the asker: nobody waits any more.
class Awaiting {
public:
  virtual ~Awaiting() = default;
  /// The answer came; of a stream, an item.
  virtual void reply(Mail& mail, Context& context) = 0;
  /// There will be none, and why; of a stream, it broke off.
  virtual void fail(const Failure& failure, Context& context) = 0;
  /// Of a stream that came to its end.
  virtual void end(Context& context) { (void)context; }
};

/// `then` is called with a Result<Reply> and the context.
///
/// Thread-safety: as Awaiting.
/// Ownership:     owns `then`.
/// Errors:        a reply that is no Reply is a Failure for `then`.
/// Restart:       as Awaiting.
template <Message Reply, class Then>
class AwaitingReply final : public Awaiting {
public:
  /// `then` is moved in.
  explicit AwaitingReply(Then then) : then_(std::move(then)) {}
  /// A Reply, or why the answer is none.
  void reply(Mail& mail, Context& context) override {
    const Result<Done> read =
        with_message<Reply>(mail, [&](Reply& reply) { then_(Result<Reply>(std::move(reply)), context); });
    if (!read) then_(Result<Reply>(read.failure()), context);
  }
  /// The same failure.
  void fail(const Failure& failure, Context& context) override { then_(Result<Reply>(failure), context); }

private:
  Then then_;
};

/// @cond INSIDE

/// What one actor has asked and has no outcome of yet.
///
/// Thread-safety: the asker's turn only, but for count() and asked().
/// Ownership:     owns the rows until they are taken out.
/// Errors:        an outcome of what is not open any more is refused: it came late.
/// Restart:       emptied with the actor.
///
/// OR-1  Each row is handed out at most once, whatever number is made up for it later.
class OpenRequests final {
public:
  using Numbers = std::vector<std::uint64_t>;
  struct Row {
    std::string target;                    ///< name of the asked
    std::uint64_t target_hash = 0;         ///< its name_hash
    std::uint32_t target_incarnation = 0;  ///< 0 = whoever holds the name
    std::string endpoint;                  ///< its node; empty = this one
    std::string_view message;              ///< what was asked
    std::uint64_t cause = 0;               ///< of the asking, for what follows from its outcome
    Duration deadline{};
    TimePoint due;
    std::unique_ptr<Awaiting> awaiting;
    std::unique_ptr<InStream> stream{};  ///< null: one reply is all
  };

  /// The correlation number to send along; never 0.
  [[nodiscard]] std::uint64_t add(Row row);
  [[nodiscard]] std::optional<Row> take(std::uint64_t correlation);
  /// Null when it is not open; until the next add().
  [[nodiscard]] Row* find(std::uint64_t correlation);
  // Correlation numbers of rows that stay open, each until its turn comes: what an earlier one of them does may take
  // out a later one.
  [[nodiscard]] Numbers streams() const;
  /// In the order they are due.
  [[nodiscard]] Numbers due(TimePoint now) const;
  /// What waits for that incarnation or an older one, of the first `asked` requests, oldest first.
  [[nodiscard]] Numbers of_target(std::uint64_t target, std::uint32_t incarnation, std::uint64_t asked) const;
  [[nodiscard]] Numbers of_endpoint(const std::string& endpoint, std::uint64_t asked) const;
  /// @threadsafe  How many were asked so far.
  [[nodiscard]] std::uint64_t asked() const { return last_.load(); }
  [[nodiscard]] std::optional<TimePoint> next_due() const;
  /// @threadsafe
  [[nodiscard]] std::size_t count() const { return count_.load(); }
  void clear();

private:
  struct Slot {
    std::uint64_t correlation = 0;  // 0 = free
    std::uint64_t order = 0;
    Row row;
  };
  template <class Matches>
  [[nodiscard]] Numbers find_if(const Matches& matches, std::uint64_t asked) const;
  Row release(std::size_t slot);

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::atomic<std::uint64_t> last_ = 0;  // ever asked; its low half is the high half of the correlation number
  std::atomic<std::size_t> count_ = 0;
};

/// @endcond

}  // namespace troupe::runtime
