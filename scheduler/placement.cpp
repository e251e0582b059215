#include "scheduler/placement.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe::scheduler {
namespace {

bool has_room(const NodeCapacity& node) {
  return node.slots == 0 || node.running < node.slots;
}

bool is_better(const NodeCapacity& a, const NodeCapacity& b, std::string_view preferred) {
  if (a.running != b.running) return a.running < b.running;
  if ((a.name == preferred) != (b.name == preferred)) return a.name == preferred;
  return a.name < b.name;
}

constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint32_t>::max();

std::uint64_t room_of(const NodeCapacity& node) {
  if (node.slots == 0) return kAnyNumber;
  return node.running < node.slots ? node.slots - node.running : 0;
}

runtime::Failure pending(std::size_t wanted, std::span<const NodeCapacity> nodes) {
  std::uint64_t free = 0;
  std::string where;
  for (const NodeCapacity& node : nodes) {
    free += room_of(node);
    where += (where.empty() ? "" : ", ") + node.name + " " + std::to_string(room_of(node)) + " of " +
             std::to_string(node.slots);
  }
  const std::string why = nodes.empty() ? "no node has joined"
                                        : std::to_string(wanted) + " actors need as many slots, " +
                                              std::to_string(free) + " are free: " + where;
  return {
      runtime::FailureKind::overloaded,
      "pending: " + why + "; none of them is placed before all can be: start a node with 'troupe node --join ADDR'"};
}

/// How many each node gets, in the order of `nodes`: the roomiest first, and the last of them the one that it fills
/// best.
std::vector<std::size_t> packed(std::size_t wanted, std::span<const NodeCapacity> nodes) {
  std::vector<std::size_t> order(nodes.size());
  for (std::size_t at = 0; at < order.size(); ++at) order[at] = at;
  std::stable_sort(order.begin(), order.end(),
                   [&nodes](std::size_t a, std::size_t b) { return room_of(nodes[a]) > room_of(nodes[b]); });
  std::vector<std::size_t> counts(nodes.size(), 0);
  for (auto next = order.begin(); wanted > 0; ++next) {
    // From here on the room falls: the last that holds all that is left holds it best.
    const auto too_small =
        std::find_if(next, order.end(), [&nodes, wanted](std::size_t at) { return room_of(nodes[at]) < wanted; });
    if (too_small != next) next = std::prev(too_small);
    counts[*next] = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, room_of(nodes[*next])));
    wanted -= counts[*next];
  }
  return counts;
}

std::vector<std::size_t> spread_out(std::size_t wanted, std::span<const NodeCapacity> nodes) {
  std::vector<std::size_t> counts(nodes.size(), 0);
  for (; wanted > 0; --wanted) {
    std::size_t best = nodes.size();
    for (std::size_t at = 0; at < nodes.size(); ++at) {
      if (counts[at] >= room_of(nodes[at])) continue;
      const auto key = [&](std::size_t which) { return std::pair(counts[which], nodes[which].running); };
      if (best == nodes.size() || key(at) < key(best)) best = at;
    }
    ++counts[best];
  }
  return counts;
}

}  // namespace

runtime::Result<std::vector<Place>> place_group(std::span<const std::string> actors, std::vector<NodeCapacity> nodes,
                                                Strategy strategy) {
  std::sort(nodes.begin(), nodes.end(), [](const NodeCapacity& a, const NodeCapacity& b) { return a.name < b.name; });
  std::uint64_t free = 0;
  for (const NodeCapacity& node : nodes) free += room_of(node);
  if (free < actors.size() || nodes.empty()) return pending(actors.size(), nodes);
  const std::vector<std::size_t> counts =
      strategy == Strategy::pack ? packed(actors.size(), nodes) : spread_out(actors.size(), nodes);
  std::vector<Place> places;
  places.reserve(actors.size());
  for (std::size_t at = 0; at < nodes.size(); ++at) {
    for (std::size_t count = 0; count < counts[at]; ++count) {
      places.push_back({actors[places.size()], nodes[at].name});
    }
  }
  return places;
}

runtime::Result<std::string> choose_node(std::span<const NodeCapacity> nodes, std::string_view preferred) {
  const NodeCapacity* best = nullptr;
  std::string full;
  for (const NodeCapacity& node : nodes) {
    if (!has_room(node)) {
      full += " " + node.name + " (" + std::to_string(node.running) + " of " + std::to_string(node.slots) + ")";
    } else if (best == nullptr || is_better(node, *best, preferred)) {
      best = &node;
    }
  }
  if (best != nullptr) return best->name;
  const std::string why = nodes.empty() ? "no node has joined" : "every node is full:" + full;
  return runtime::Failure{runtime::FailureKind::overloaded, why + "; start another with 'troupe node --join ADDR'"};
}

}  // namespace troupe::scheduler
