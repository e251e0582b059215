#pragma once

#include "runtime/placing/placing_protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {

/// @cond INSIDE  Of the placer.

/// A node that has joined.
struct NodeRow {
  std::string name;
  ActorId host;
  std::string endpoint;
  Resources total;
  std::vector<std::string> classes;
};

/// An actor that holds a place.
struct PlacedRow {
  ActorId actor;
  std::string class_name;
  std::string node;
  Resources needs;
  ActorId owner;             ///< without a name: detached
  std::uint64_t ticket = 0;  ///< of its group
  enum class State { starting, up, ending } state = State::starting;
};

/// A group that waits for its places.
struct WaitingGroup {
  std::uint64_t ticket = 0;
  PlaceActors wish;
};

/// A group and where it is to be started.
struct DecidedGroup {
  WaitingGroup group;
  std::vector<Place> places;
};

/// What a placer knows: nodes, who holds what of them, who waits. Decides and explains; sends nothing.
///
/// Thread-safety: one owner.
/// Ownership:     owns its rows.
/// Errors:        values in words.
/// Restart:       gone with its placer.
///
/// PB-1  What an actor holds is held from the decision until its end is told, also while it starts or stops.
/// PB-2  A name has one holder, who waits, starts, runs or ends; a second wish for it is refused with who has it.
/// PB-3  Groups are decided in the order in which they came: one for which there would be room with less held is not
///       overtaken by a later one that needs any of the same resources, unless both have chosen different nodes.
class PlacingBook final {
public:
  /// More wait for nobody: they are refused as overloaded.
  static constexpr std::size_t kMaxWaiting = 1024;
  static constexpr std::size_t kEndedKept = 256;
  /// The most actors of a group: the answer says where each is, and is one message.
  static constexpr std::size_t kMaxGroup = 512;

  /// Whether such a group can wait for places here.
  [[nodiscard]] Result<Done> check(const PlaceActors& wish) const;
  void add_waiting(WaitingGroup group) { waiting_.push_back(std::move(group)); }
  std::optional<WaitingGroup> take_waiting(std::uint64_t ticket);
  /// The first group that has places now: it holds them from now on.
  [[nodiscard]] std::optional<DecidedGroup> decide_next();

  void add_node(NodeRow node);
  /// The actors that held places there are no more.
  std::vector<PlacedRow> remove_node(const std::string& name, const Failure& cause);
  [[nodiscard]] const NodeRow* find_node(const std::string& name) const;
  [[nodiscard]] const NodeRow* find_host(const ActorId& host) const;

  [[nodiscard]] PlacedRow* find(std::string_view name);
  /// Of one incarnation.
  [[nodiscard]] PlacedRow* find(const ActorId& actor);
  /// It is gone, and its place free.
  void release(const std::string& name, const Failure& cause);
  [[nodiscard]] std::vector<PlacedRow> placed_of(const ActorId& owner) const;
  [[nodiscard]] std::vector<PlacedRow> placed_of(std::uint64_t ticket) const;
  [[nodiscard]] std::vector<std::uint64_t> waiting_of(const ActorId& owner) const;
  /// The group in which that name waits.
  [[nodiscard]] const WaitingGroup* find_waiting(std::string_view name) const;

  /// Why the group waits, as a Failure to refuse it with.
  [[nodiscard]] Failure why_waiting(const WaitingGroup& group) const;
  /// About a placed actor, one that waits, one that has ended, a group that waits, or a node; else a Failure.
  [[nodiscard]] Result<std::string> explain(std::string_view name) const;

private:
  struct Ended {
    ActorId actor;
    std::string node;
    std::string cause;
  };
  [[nodiscard]] std::vector<NodeRoom> rooms() const;
  [[nodiscard]] std::string describe(const PlacedRow& row) const;

  std::map<std::string, NodeRow> nodes_;
  std::map<std::string, PlacedRow, std::less<>> placed_;
  std::deque<WaitingGroup> waiting_;
  std::deque<Ended> ended_;
};

/// @endcond

}  // namespace troupe::runtime
