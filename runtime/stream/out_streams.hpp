#pragma once

#include "runtime/message/mail.hpp"
#include "runtime/open_requests.hpp"
#include "runtime/result.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// A stream that an actor fills.
struct OutStream {
  using WhenRoom = std::function<void(const Result<Done>&, Context&)>;

  ReplyTo reader;
  std::uint32_t credit = 0;       ///< items that may be put
  std::deque<MailPtr> waiting{};  ///< for room on the link; at most what was granted, and the end
  enum class State { open, ending } state = State::open;
  WhenRoom when_room{};  ///< called once
};

/// The streams that one actor fills, by number.
///
/// Thread-safety: the actor's turns only, but for count().
/// Ownership:     owns the streams and what waits in them.
/// Errors:        a number that is not there is a stream that is over.
/// Restart:       emptied with the actor.
class OutStreams final {
public:
  std::uint64_t add(ReplyTo reader);
  /// Null when it is over.
  [[nodiscard]] OutStream* find(std::uint64_t number);
  void remove(std::uint64_t number);
  /// The numbers of those whose reader is such a one.
  [[nodiscard]] std::vector<std::uint64_t> of(const std::function<bool(const ReplyTo&)>& matches) const;
  [[nodiscard]] std::vector<std::uint64_t> numbers() const;
  /// @threadsafe
  [[nodiscard]] std::size_t count() const { return count_.load(); }

private:
  std::map<std::uint64_t, OutStream> rows_;
  std::uint64_t last_ = 0;
  std::atomic<std::size_t> count_ = 0;
};

}  // namespace troupe::runtime
