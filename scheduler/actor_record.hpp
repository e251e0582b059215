#pragma once

#include "runtime/actor_id.hpp"
#include "runtime/clock.hpp"
#include "runtime/failure.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::scheduler {

/// Where a placed actor is in its life.
///
///            1            2           3
///   waiting ---> starting ---> up ---> down
///      ^             |                  |
///      |             +------ 3 -------->+
///      +---------------- 4 -------------+---- 5 ---> given_up
///
/// 1 a node was chosen and told to start it    2 its worker said ready    3 its process ended, or its node was lost
/// 4 the restart policy says again, after a delay    5 the restart policy says enough
enum class ActorState { waiting, starting, up, down, given_up };

[[nodiscard]] std::string_view to_string(ActorState state);

/// What the head knows about one actor of the job.
///
/// Thread-safety: single owner thread (the head's turn).
/// Ownership:     owned by the head.
/// Errors:        an illegal transition throws std::logic_error naming both states: the head's bookkeeping is broken.
/// Restart:       lost with the head.
///
/// AR-1  Only the numbered transitions are possible.
/// AR-2  Each start has an incarnation of its own, higher than all before.
class ActorRecord final {
public:
  explicit ActorRecord(std::string name) : name_(std::move(name)) {}

  /// Transition 1; mints the next incarnation.
  runtime::ActorId start_on(std::string node);
  /// Transition 2.
  void ready(std::int64_t process, std::string endpoint);
  /// Transition 3.
  void went_down(runtime::TimePoint now, runtime::Failure cause);
  /// Transition 4.
  void wait_again();
  /// Transition 5.
  void give_up();

  [[nodiscard]] runtime::ActorId id() const { return {name_, incarnation_}; }
  [[nodiscard]] ActorState state() const { return state_; }
  [[nodiscard]] const std::string& node() const { return node_; }
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::int64_t process() const { return process_; }
  [[nodiscard]] const std::vector<runtime::TimePoint>& failures() const { return failures_; }
  /// Starts in a row that ended before the worker was ready.
  [[nodiscard]] int failed_starts() const { return failed_starts_; }
  [[nodiscard]] const runtime::Failure& last_failure() const { return last_failure_; }
  /// What a row of failures began with: the first cause at or after `since`; the last one if all were before it.
  [[nodiscard]] const runtime::Failure& first_failure_since(runtime::TimePoint since) const;

private:
  void move_to(ActorState from, ActorState to);

  const std::string name_;
  std::uint32_t incarnation_ = 0;
  ActorState state_ = ActorState::waiting;
  std::string node_;
  std::string endpoint_;
  std::int64_t process_ = 0;
  int failed_starts_ = 0;
  std::vector<runtime::TimePoint> failures_;
  std::vector<runtime::Failure> causes_;  // of failures_, one each
  runtime::Failure last_failure_;
};

}  // namespace troupe::scheduler
