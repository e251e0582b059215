#pragma once

#include "runtime/placing/resources.hpp"
#include "runtime/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {

/// How a group lies over the nodes. Values are part of the wire format.
enum class Strategy : std::uint8_t {
  pack = 0,    ///< on as few nodes as it can
  spread = 1,  ///< each next one on the node with the fewest of the group, of equals the one that holds the fewest
};

/// @cond INSIDE  Of the placer.

/// An actor that wants a place.
struct Member {
  std::string name;
  Resources needs;
  std::string class_name = {};  ///< only nodes that have it can hold the actor; empty = any node can
  [[nodiscard]] bool needs_the_same_as(const Member& other) const {
    return needs == other.needs && class_name == other.class_name;
  }
};

/// What an actor holds of a node.
struct Holding {
  std::string actor;
  Resources amounts;
};

struct NodeRoom {
  std::string name;
  Resources total;
  std::vector<std::string> classes = {};
  std::vector<Holding> held = {};

  /// What nobody holds.
  [[nodiscard]] Resources free() const;
  [[nodiscard]] bool has_class(std::string_view class_name) const;
};

/// A group that wants places, or one actor.
struct GroupWish {
  std::vector<Member> members;
  Strategy strategy = Strategy::pack;
  std::string on_node = {};  ///< all on this one; empty = anywhere
};

/// An actor and its node.
struct Place {
  std::string actor;
  std::string node;
  bool operator==(const Place&) const = default;
};

/// Steps that the search for members of different needs may take, in all.
inline constexpr std::size_t kMaxPlacingSteps = 60'000;

/// Places a whole group, in the order asked for, or nobody of it: half a group would wait for the other half and hold
/// what a second group waits for. A Failure says why in words, with what each node has and who holds it, and its kind
/// what to do: `overloaded`, there is no room now, but when others end there will be; `unknown`, never with these
/// nodes.
///
/// PL-3  All of the group or none, and never beyond what a node has. Members that need the same are placed whenever
/// they
///       can be; of those that need different things, whenever kMaxPlacingSteps of a search find how.
/// PL-4  Of members that need the same, pack uses the fewest nodes that hold them, and of these ways the one that
/// leaves
///       the least room on the last; spread differs by at most one actor between nodes with room left.
/// PL-5  A pure function: equal arguments, equal answer, in any order of the nodes.
/// PL-6  What it says can never be is not possible when nobody holds anything; all else it refuses is, as far as the
///       search of PL-3 sees.
[[nodiscard]] Result<std::vector<Place>> place_group(const GroupWish& wish, std::vector<NodeRoom> nodes);

/// "store/a needs gpu=2; a has gpu=1 free of 2 (stage/r0 holds 1), b has no gpu".
[[nodiscard]] std::string describe_lack(const GroupWish& wish, std::span<const NodeRoom> nodes);

/// "a has cpu=1 free of 4 (stage/r0 holds 3) and gpu=2 free of 2".
[[nodiscard]] std::string describe_room(const NodeRoom& node);

/// @endcond

}  // namespace troupe::runtime
