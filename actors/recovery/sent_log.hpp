#pragma once

#include "actors/collective/collective_protocol.hpp"
#include "actors/stage_protocol.hpp"
#include "runtime/context.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace troupe::actors {

/// What a stage has sent to other stages and may have to send again: to one that was started again and holds nothing
/// of it (sender-based message logging: Johnson and Zwaenepoel 1987). Tensors are kept by reference.
///
/// Thread-safety: single owner thread (the stage's turn).
/// Ownership:     shares the tensors of the messages.
/// Errors:        none; a receiver that is gone gets them when it is back.
/// Restart:       empty: a restarted stage computes again what it had sent.
///
/// SL-1  Everything sent for step whole_from() and later is kept, in order.
/// SL-2  What nobody can ask for any more is dropped: at most two steps are kept.
class SentLog final {
public:
  enum class Keep : unsigned char { nothing, all };
  explicit SentLog(Keep keep) : keep_(keep) {}

  template <class M>
  void send(std::string to, M message, runtime::Context& context) {
    (void)context.send_when_room(to, message);  // to a dead one it is sent again when it is back
    if (keep_ == Keep::all) sent_.push_back({std::move(to), message.step, std::move(message)});
  }
  /// Sends `to` all that was sent to it for `step` and later.
  void resend(std::string_view to, std::uint32_t step, runtime::Context& context) const;
  /// Every stage has a sealed state of `step` or later: nobody asks for what was sent before it.
  void forget_before(std::uint32_t step);
  /// All begin again at `step`.
  void restart(std::uint32_t step);
  [[nodiscard]] std::uint32_t whole_from() const { return whole_from_; }
  [[nodiscard]] std::size_t size() const { return sent_.size(); }

private:
  struct Sent {
    std::string to;
    std::uint32_t step = 0;
    std::variant<ForwardActivations, BackwardGradients, TiedGradient, SliceSums, SliceTotal> message;
  };
  const Keep keep_;
  std::deque<Sent> sent_;
  std::uint32_t whole_from_ = 0;
};

}  // namespace troupe::actors
