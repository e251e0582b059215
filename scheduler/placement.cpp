#include "scheduler/placement.hpp"

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

}  // namespace

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
