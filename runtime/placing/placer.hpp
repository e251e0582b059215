#pragma once

#include "runtime/actor.hpp"
#include "runtime/context.hpp"
#include "runtime/message/ack.hpp"
#include "runtime/placing/placing_book.hpp"
#include "runtime/placing/placing_protocol.hpp"
#include "runtime/watch.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// Whole seconds from the begin of 2025 (UTC) on, at least 1: what a placer that starts then begins with.
[[nodiscard]] std::uint32_t first_incarnation_at(std::chrono::system_clock::time_point now);

/// Who is placed where in a job: one actor, named kPlacerName, on a node that all others know. Nodes join it by
/// themselves (spawn_host()); actors and main functions ask it (runtime/placing/place.hpp).
///
/// It keeps what it knows in memory: when it ends, hosts end what it had placed, and join the next one with nothing.
/// The next one does not know which incarnations others have seen: so each begins where no earlier one has been, at the
/// seconds of the clock, and nobody takes its actors for those that have died before.
///
/// Thread-safety: as any actor.
/// Ownership:     of the names of what it has placed; nodes own their actors.
/// Errors:        as answers, in words with the numbers of each node.
/// Restart:       begins with nothing.
///
/// PC-1  A group is up whole or not at all: when one does not start, all are stopped, and the answer is who and why.
/// PC-2  No node ever holds more than it has; what an actor holds is free when the actor is gone, and not before.
/// PC-3  What has no place waits, in the order asked, and is tried again whenever a node joins or something ends; at
/// its
///       deadline it is refused with the reason in words.
/// PC-4  A name has one holder in the job, and each start of it a higher incarnation; who asks for a name that is taken
///       hears who holds it, and where. The next placer's incarnations are higher too, as long as its clock is ahead of
///       where the earlier one began by more seconds than any name had starts.
/// PC-5  When an actor ends, what it owns is stopped and what it waits for is taken back; detached actors stay.
/// PC-6  With a lost node its resources go, and its actors are dead to the placer: their names are free, and whoever
/// asks
///       hears of the loss. A host that lives behind a lost link is told, again where it does not say
///       that it has heard, and ends them.
/// PC-7  Whoever asks for a name hears where it lives now, or in words why it does not.
class Placer final : public Actor {
public:
  /// `first_incarnation`: of names that are new to this node, from 1; higher than any that an earlier placer of the job
  /// has given.
  explicit Placer(std::uint32_t first_incarnation = first_incarnation_at(std::chrono::system_clock::now()));
  ~Placer() override;

  Behavior behavior() override;

private:
  struct PatienceOver;
  struct StopAgain;
  struct GiveUpAgain;

  /// What was asked, until it is answered.
  struct Asked {
    ReplyTo asker;
    TimePoint due;
    std::string group;
    std::vector<std::string> names;
    std::size_t starting = 0;  ///< of those that have places
    std::optional<Failure> failure = {};
    TimerId patience = {};  ///< until it is answered
  };

  void join_node(const JoinNode& message, Context& context);
  void place_actors(const PlaceActors& message, Context& context);
  void stop_placed(const StopPlaced& message, Context& context);
  void find_placed(const FindPlaced& message, Context& context);
  void explain(const Why& message, Context& context);
  void hear_end(const ActorDown& message, Context& context);
  void patience_over(const PatienceOver& message, Context& context);
  void stop_again(const StopAgain& message, Context& context);
  void give_up_again(const GiveUpAgain& message, Context& context);

  void watch_once(const ActorId& actor, Context& context);
  void place_those_who_can(Context& context);
  void start_group(const DecidedGroup& decided, Context& context);
  void heard_start(const std::string& name, std::uint64_t ticket, const Result<StartedActor>& answer, Context& context);
  void finish_group(std::uint64_t ticket, Context& context);
  void forget_asked(std::uint64_t ticket, Context& context);
  void fail_group(std::uint64_t ticket, const Failure& why, Context& context);
  void refuse_waiting(std::uint64_t ticket, const Failure& why, Context& context);
  void stop_row(PlacedRow& row, Context& context);
  void release(const PlacedRow& row, const Failure& cause, Context& context);
  void lose_node(const NodeRow& node, const Failure& cause, Context& context);
  void end_owner(const ActorId& owner, Context& context);
  void forget_owner(const ActorId& owner, Context& context);

  const std::uint32_t first_incarnation_;
  PlacingBook book_;
  std::map<std::uint64_t, Asked> asked_;
  std::multimap<std::string, ReplyTo> stoppers_;  // who waits for the end of that name
  std::set<std::pair<std::string, std::uint32_t>> watched_;
  std::uint64_t next_ticket_ = 1;
};

}  // namespace troupe::runtime
