#pragma once

#include "runtime/result.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

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

}  // namespace troupe::scheduler
