#include "runtime/placing/place_group.hpp"

#include "runtime/observe/nearest_word.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace troupe::runtime {
namespace {

/// A node while a group is laid over it.
struct OpenNode {
  const NodeRoom* node;
  Resources free;
};

bool can_hold(const OpenNode& open, const Member& member) {
  return open.node->has_class(member.class_name) && open.free.covers(member.needs);
}

/// How many such members it can hold.
std::size_t room_for(const OpenNode& open, const Member& member) {
  if (!open.node->has_class(member.class_name)) return 0;
  std::int64_t room = std::numeric_limits<std::int32_t>::max();
  for (const auto& [name, amount] : member.needs.amounts()) {
    room = std::min(room, open.free.thousandths(name) / amount);
  }
  return static_cast<std::size_t>(room);
}

/// How many each node gets: the roomiest first, and the last of them the one that it fills best.
std::vector<std::size_t> packed(std::size_t wanted, const std::vector<std::size_t>& rooms) {
  std::vector<std::size_t> order(rooms.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&rooms](std::size_t a, std::size_t b) { return rooms[a] > rooms[b]; });
  std::vector<std::size_t> counts(rooms.size(), 0);
  for (auto next = order.begin(); wanted > 0; ++next) {
    // From here on the room falls: the first of the smallest that hold all that is left holds it best.
    const auto too_small =
        std::find_if(next, order.end(), [&rooms, wanted](std::size_t at) { return rooms[at] < wanted; });
    if (too_small != next) {
      const std::size_t best = rooms[*std::prev(too_small)];
      next = std::find_if(next, too_small, [&rooms, best](std::size_t at) { return rooms[at] == best; });
    }
    counts[*next] = std::min(wanted, rooms[*next]);
    wanted -= counts[*next];
  }
  return counts;
}

std::vector<std::size_t> spread_out(std::size_t wanted, const std::vector<std::size_t>& rooms,
                                    const std::vector<OpenNode>& nodes) {
  std::vector<std::size_t> counts(rooms.size(), 0);
  for (; wanted > 0; --wanted) {
    std::size_t best = rooms.size();
    const auto key = [&](std::size_t which) { return std::pair(counts[which], nodes[which].node->held.size()); };
    for (std::size_t at = 0; at < rooms.size(); ++at) {
      if (counts[at] >= rooms[at]) continue;
      if (best == rooms.size() || key(at) < key(best)) best = at;
    }
    ++counts[best];
  }
  return counts;
}

using Assignment = std::vector<std::size_t>;  // the node of each member

std::optional<Assignment> place_equals(const GroupWish& wish, const std::vector<OpenNode>& nodes) {
  std::vector<std::size_t> rooms;
  std::size_t room = 0;
  for (const OpenNode& each : nodes) {
    rooms.push_back(room_for(each, wish.members.front()));
    room += rooms.back();
  }
  const std::size_t wanted = wish.members.size();
  if (room < wanted) return std::nullopt;
  const std::vector<std::size_t> counts =
      wish.strategy == Strategy::pack ? packed(wanted, rooms) : spread_out(wanted, rooms, nodes);
  Assignment assignment;
  for (std::size_t at = 0; at < counts.size(); ++at) assignment.insert(assignment.end(), counts[at], at);
  return assignment;
}

/// Lays members of different needs over the nodes, the largest first, and takes back what leads nowhere.
class PlaceSearch {
public:
  PlaceSearch(const GroupWish& wish, const std::vector<OpenNode>& nodes)
      : wish_(wish),
        order_(wish.strategy),
        nodes_(nodes),
        counts_(nodes.size(), 0),
        assignment_(wish.members.size(), 0) {
    Resources free;
    for (const OpenNode& each : nodes) free += each.free;
    const auto part = [&free](const Resources& amounts) {
      double sum = 0;
      for (const auto& [name, amount] : amounts.amounts()) {
        if (const auto all = free.thousandths(name); all > 0) {
          sum += static_cast<double>(amount) / static_cast<double>(all);
        }
      }
      return sum;
    };
    const auto by_part = [](const auto& a, const auto& b) { return a.first > b.first; };
    std::vector<std::pair<double, std::size_t>> members;
    for (std::size_t at = 0; at < wish.members.size(); ++at) members.emplace_back(part(wish.members[at].needs), at);
    std::ranges::stable_sort(members, by_part);
    for (const auto& [size, at] : members) member_order_.push_back(at);
    std::vector<std::pair<double, std::size_t>> roomy;
    for (std::size_t at = 0; at < nodes.size(); ++at) roomy.emplace_back(part(nodes[at].free), at);
    std::ranges::stable_sort(roomy, by_part);
    for (const auto& [size, at] : roomy) node_order_.push_back(at);
  }

  std::optional<Assignment> run() {
    const std::size_t most = std::min(nodes_.size(), wish_.members.size());
    // With a few nodes first; each number of them has a share of the steps.
    for (std::size_t limit = 1; limit < most && order_ == Strategy::pack; ++limit) {
      if (search(limit, kMaxPlacingSteps / (3 * most))) return assignment_;
    }
    if (search(most, kMaxPlacingSteps / 3)) return assignment_;
    // Any way is better than none: what one order does not see the other may.
    order_ = order_ == Strategy::pack ? Strategy::spread : Strategy::pack;
    if (search(most, kMaxPlacingSteps / 3)) return assignment_;
    return std::nullopt;
  }

private:
  bool search(std::size_t node_limit, std::size_t steps) {
    node_limit_ = node_limit;
    steps_left_ = steps;
    return place_from(0);
  }
  bool place_from(std::size_t depth) {
    if (depth == member_order_.size()) return true;
    const Member& member = wish_.members[member_order_[depth]];
    for (const std::size_t at : candidates()) {
      if (steps_left_ == 0) return false;
      --steps_left_;
      const bool is_new = counts_[at] == 0;
      if ((is_new && used_ == node_limit_) || !can_hold(nodes_[at], member)) continue;
      nodes_[at].free -= member.needs;
      ++counts_[at];
      used_ += is_new ? 1 : 0;
      assignment_[member_order_[depth]] = at;
      if (place_from(depth + 1)) return true;
      nodes_[at].free += member.needs;
      --counts_[at];
      used_ -= is_new ? 1 : 0;
    }
    return false;
  }
  [[nodiscard]] std::vector<std::size_t> candidates() const {
    std::vector<std::size_t> order = node_order_;
    if (order_ == Strategy::pack) {
      std::ranges::stable_partition(order, [this](std::size_t at) { return counts_[at] > 0; });
      return order;
    }
    std::ranges::sort(order, {},
                      [this](std::size_t at) { return std::tuple(counts_[at], nodes_[at].node->held.size(), at); });
    return order;
  }

  const GroupWish& wish_;
  Strategy order_;
  std::vector<OpenNode> nodes_;
  std::vector<std::size_t> member_order_;
  std::vector<std::size_t> node_order_;
  std::vector<std::size_t> counts_;  // of the group on each node
  Assignment assignment_;
  std::size_t used_ = 0;
  std::size_t node_limit_ = 0;
  std::size_t steps_left_ = 0;
};

enum class Held { as_it_is, nothing };

std::optional<Assignment> find_places(const GroupWish& wish, const std::vector<NodeRoom>& nodes, Held held) {
  if (wish.members.empty()) return Assignment{};
  std::vector<OpenNode> open;
  for (const NodeRoom& each : nodes) open.push_back({&each, held == Held::nothing ? each.total : each.free()});
  Resources needs;
  for (const Member& each : wish.members) needs += each.needs;
  Resources free;
  for (const OpenNode& each : open) free += each.free;
  if (!free.covers(needs)) return std::nullopt;
  const bool is_equal = std::ranges::all_of(
      wish.members, [&wish](const Member& each) { return each.needs_the_same_as(wish.members.front()); });
  return is_equal ? place_equals(wish, open) : PlaceSearch(wish, open).run();
}

Failure no_place(const GroupWish& wish, const std::vector<NodeRoom>& nodes) {
  const std::string lack = describe_lack(wish, nodes);
  const std::string together = wish.members.size() > 1 ? "; none of them is started before all can be" : "";
  if (find_places(wish, nodes, Held::nothing)) return {FailureKind::overloaded, lack + together + "; waits"};
  const std::string never = nodes.empty() ? "" : "; not even when nobody holds anything: never with these nodes";
  return {FailureKind::unknown, lack + never + "; waits for another node"};
}

}  // namespace

Resources NodeRoom::free() const {
  Resources left = total;
  for (const Holding& each : held) left -= each.amounts;
  return left;
}

bool NodeRoom::has_class(std::string_view class_name) const {
  return class_name.empty() || std::ranges::find(classes, class_name) != classes.end();
}

Result<std::vector<Place>> place_group(const GroupWish& wish, std::vector<NodeRoom> nodes) {
  std::ranges::sort(nodes, {}, &NodeRoom::name);
  if (!wish.on_node.empty()) {
    std::vector<std::string> names;
    for (const NodeRoom& each : nodes) names.push_back(each.name);
    std::erase_if(nodes, [&wish](const NodeRoom& each) { return each.name != wish.on_node; });
    if (nodes.empty()) {
      return Failure{FailureKind::unknown, "no node named " + wish.on_node + " has joined" +
                                               did_you_mean(names, wish.on_node) + "; waits for it"};
    }
  }
  const std::optional<Assignment> assignment = find_places(wish, nodes, Held::as_it_is);
  if (!assignment) return no_place(wish, nodes);
  std::vector<Place> places;
  places.reserve(assignment->size());
  for (std::size_t at = 0; at < assignment->size(); ++at) {
    places.push_back({wish.members[at].name, nodes[(*assignment)[at]].name});
  }
  return places;
}

}  // namespace troupe::runtime
