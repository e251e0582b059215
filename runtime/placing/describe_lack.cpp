#include "runtime/observe/nearest_word.hpp"
#include "runtime/placing/place_group.hpp"

#include <algorithm>
#include <set>

/// Why a group has no place, for people.
namespace troupe::runtime {
namespace {

constexpr std::size_t kNodesNamed = 8;
constexpr std::size_t kHoldersNamed = 3;

/// What the members need of resources and classes, all together.
struct Needs {
  Resources sum;
  std::set<std::string> classes;
};

Needs needs_of(const GroupWish& wish) {
  Needs needs;
  for (const Member& each : wish.members) {
    needs.sum += each.needs;
    if (!each.class_name.empty()) needs.classes.insert(each.class_name);
  }
  return needs;
}

std::string describe_wish(const GroupWish& wish, const Needs& needs) {
  const std::string where = wish.on_node.empty() ? "" : " on node " + wish.on_node;
  const Member& first = wish.members.front();
  if (wish.members.size() == 1) return first.name + " needs " + first.needs.describe() + where;
  const bool is_equal =
      std::ranges::all_of(wish.members, [&first](const Member& each) { return each.needs == first.needs; });
  const std::string each = is_equal ? first.needs.describe() + " each, " : "";
  return std::to_string(wish.members.size()) + " actors (" + first.name + " and others) need " + each +
         needs.sum.describe() + " in all" + where;
}

/// " (stage/r0 holds 1, x holds 0.5 and 2 others)", or nothing.
std::string describe_holders(const NodeRoom& node, const std::string& resource) {
  std::string text;
  std::size_t holders = 0;
  for (const Holding& each : node.held) {
    const std::int64_t amount = each.amounts.thousandths(resource);
    if (amount == 0 || ++holders > kHoldersNamed) continue;
    text += (text.empty() ? "" : ", ") + each.actor + " holds " + describe_amount(amount);
  }
  if (holders > kHoldersNamed) text += " and " + std::to_string(holders - kHoldersNamed) + " others";
  return text.empty() ? "" : " (" + text + ")";
}

std::string describe_node(const NodeRoom& node, const Needs& needs) {
  for (const std::string& each : needs.classes) {
    if (!node.has_class(each)) return node.name + " has no class " + each + did_you_mean(node.classes, each);
  }
  const Resources free = node.free();
  std::string text;
  for (const auto& [name, amount] : needs.sum.amounts()) {
    const std::int64_t total = node.total.thousandths(name);
    text += text.empty() ? " has " : " and ";
    if (total == 0) {
      text += "no " + name;
    } else {
      text += name + "=" + describe_amount(free.thousandths(name)) + " free of " + describe_amount(total) +
              describe_holders(node, name);
    }
  }
  return node.name + text;
}

/// "; no node has any gpus (did you mean gpu?)": a word that nobody knows is told apart from one of which there is too
/// little.
std::string describe_unknown(const Needs& needs, std::span<const NodeRoom> nodes) {
  std::set<std::string> known;
  for (const NodeRoom& each : nodes) {
    for (const auto& [name, amount] : each.total.amounts()) known.insert(name);
  }
  std::string text;
  for (const auto& [name, amount] : needs.sum.amounts()) {
    if (known.contains(name)) continue;
    text += "; no node has any " + name + did_you_mean({known.begin(), known.end()}, name);
  }
  return text;
}

}  // namespace

std::string describe_room(const NodeRoom& node) {
  return node.total.is_empty() ? node.name + " has nothing to give" : describe_node(node, {node.total, {}});
}

std::string describe_lack(const GroupWish& wish, std::span<const NodeRoom> nodes) {
  if (wish.members.empty()) return "nobody needs anything";
  const Needs needs = needs_of(wish);
  std::string text = describe_wish(wish, needs);
  if (nodes.empty()) return text + "; no node has joined";
  text += "; ";
  for (std::size_t at = 0; at < std::min(nodes.size(), kNodesNamed); ++at) {
    text += (at == 0 ? "" : ", ") + describe_node(nodes[at], needs);
  }
  if (nodes.size() > kNodesNamed) text += " and so on, " + std::to_string(nodes.size()) + " nodes";
  return text + describe_unknown(needs, nodes);
}

}  // namespace troupe::runtime
