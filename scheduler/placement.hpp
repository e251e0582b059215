#pragma once

#include "runtime/result.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace troupe::scheduler {

struct NodeCapacity {
  std::string name;
  std::uint32_t slots = 0;    ///< 0 = any number
  std::uint32_t running = 0;  ///< actors it holds now
};

/// The node that should hold one more actor: the least loaded with room; of equals `preferred`, then the first by name.
/// A Failure (overloaded) when no node has room, with the numbers.
///
/// PL-1  Never places beyond a node's slots.
/// PL-2  A pure function: equal arguments, equal answer.
[[nodiscard]] runtime::Result<std::string> choose_node(std::span<const NodeCapacity> nodes, std::string_view preferred);

/// How a group lies over the nodes.
enum class Strategy {
  pack,    ///< on as few nodes as it can; of these ways the one that leaves the least room on the last of them
  spread,  ///< each next one on the node with the fewest of the group, of equals the least loaded
};

/// An actor and its node, in the order asked for.
struct Place {
  std::string actor;
  std::string node;
  bool operator==(const Place&) const = default;
};

/// Places a whole group, one slot an actor, or nobody of it: half a group would wait for the other half and hold what a
/// second group waits for. The Failure (overloaded) says why it is pending: how many slots it needs, how many are free,
/// and where.
///
/// PL-3  All of the group or none, and never beyond a node's slots; whenever there are slots enough it is placed.
/// PL-4  pack uses the fewest nodes that hold it; spread differs by at most one actor between nodes with room left.
/// PL-5  A pure function: equal arguments, equal answer, in any order of the nodes.
[[nodiscard]] runtime::Result<std::vector<Place>> place_group(std::span<const std::string> actors,
                                                              std::vector<NodeCapacity> nodes, Strategy strategy);

}  // namespace troupe::scheduler
