#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/watch.hpp"
#include "scheduler/scheduler_protocol.hpp"

#include <functional>
#include <optional>

namespace troupe::scheduler {

struct SeekHead {
  static constexpr std::string_view kName = "member.seek_head";
  template <class Archive>
  void serialize(Archive&) {}
};

/// A worker process's ear for the head: keeps the node's directory up to date, notices when the head or the
/// process's own actor is gone, and reports lost links to other actors.
///
/// Thread-safety: single owner thread.
/// Ownership:     borrows nothing; `on_end` must be callable from any thread and must not block.
/// Errors:        none of its own.
/// Restart:       starts with the process.
///
/// ME-1  Deaths of an update are declared before its placements are announced.
/// ME-3  A lost head is looked for until the lease is over; one that knows the actor is followed, and who leads now is
///       announced. One that does not know it, that failed or ended in good order, ends this process at once.
/// ME-2  A lost link is reported to the head once for every actor that lives at its other end.
class MemberActor final : public runtime::Actor {
public:
  /// Called once, with the reason, when this process has no more business: its actor failed, or the head is gone.
  using OnEnd = std::function<void(const runtime::Failure&)>;

  /// `term` is that of the head that had `own_actor` started.
  MemberActor(runtime::ActorId own_actor, std::uint32_t term, OnEnd on_end, runtime::Duration lease = kHeadLease);

  runtime::Behavior behavior() override;
  void on_start(runtime::Context& context) override;

private:
  void update(const DirectoryUpdate& message, runtime::Context& context);
  void someone_down(const runtime::ActorDown& message, runtime::Context& context);
  void seek(const SeekHead& message, runtime::Context& context);
  void answered(const runtime::Result<Leader>& answer, runtime::Context& context);
  void end(const runtime::Failure& why);
  void link_lost(const runtime::LinkLost& message, runtime::Context& context);

  const runtime::ActorId own_actor_;
  const std::uint32_t term_;
  const OnEnd on_end_;
  const runtime::Duration lease_;
  std::optional<runtime::TimePoint> seek_until_;  // the head is lost
  runtime::Failure loss_;                         // how it was lost
  enum class Business { going_on, over } business_ = Business::going_on;
};

}  // namespace troupe::scheduler
