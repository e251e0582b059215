#include "runtime/placing/placing_book.hpp"

#include "runtime/observe/nearest_word.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace troupe::runtime {
namespace {

Failure refused(std::string text) {
  return {FailureKind::unknown, std::move(text)};
}

/// "namespace/name", of letters without a surprise in a log or a file name.
Result<Done> check_placed_name(const std::string& name) {
  const auto slash = name.find('/');
  const bool has_both = slash != std::string::npos && slash > 0 && slash + 1 < name.size();
  const bool is_plain = std::ranges::all_of(name, [](char letter) { return letter > ' ' && letter < '\x7f'; });
  if (!has_both || !is_plain || name.size() > kMaxNameBytes) {
    return refused("\"" + name + "\" is no name for a placed actor: it looks like store/a, without spaces, at most " +
                   std::to_string(kMaxNameBytes) + " letters");
  }
  if (name.starts_with(kHostNames))
    return refused(name + ": the names of " + std::string(kHostNames) + " are the runtime's");
  return Done{};
}

GroupWish wish_of(const PlaceActors& message) {
  GroupWish wish{{}, message.strategy, message.on_node};
  for (const WantedActor& each : message.actors) wish.members.push_back({each.name, each.resources, each.class_name});
  return wish;
}

Resources sum_of(const PlaceActors& message) {
  Resources sum;
  for (const WantedActor& each : message.actors) sum += each.resources;
  return sum;
}

/// They may want the same place.
bool do_compete(const PlaceActors& a, const PlaceActors& b) {
  const bool may_meet = a.on_node.empty() || b.on_node.empty() || a.on_node == b.on_node;
  return may_meet && sum_of(a).has_any_name_of(sum_of(b));
}

std::string owner_of(const PlacedRow& row) {
  return row.owner.name.empty() ? "detached" : "owned by " + row.owner.describe();
}

}  // namespace

Result<Done> PlacingBook::check(const PlaceActors& wish) const {
  if (wish.actors.empty()) return refused("a group of nobody cannot be placed");
  if (wish.actors.size() > kMaxGroup) {
    return refused("a group of " + std::to_string(wish.actors.size()) +
                   " actors is larger than can be placed at once, " + std::to_string(kMaxGroup) +
                   ": make several groups of it");
  }
  if (waiting_.size() >= kMaxWaiting) {
    return Failure{FailureKind::overloaded, std::to_string(waiting_.size()) + " groups wait for places already"};
  }
  std::set<std::string> names;
  for (const WantedActor& each : wish.actors) {
    if (const Result<Done> named = check_placed_name(each.name); !named) return named;
    if (!names.insert(each.name).second) return refused("the group has two actors named " + each.name);
    if (const auto held = placed_.find(each.name); held != placed_.end()) {
      return refused("the name " + each.name + " is taken: " + describe(held->second) +
                     "; choose another name, or stop it first");
    }
    if (const WaitingGroup* const waiting = find_waiting(each.name)) {
      return refused("the name " + each.name + " is taken: it waits for a place in group " + waiting->wish.group);
    }
  }
  return Done{};
}

std::optional<WaitingGroup> PlacingBook::take_waiting(std::uint64_t ticket) {
  const auto found = std::ranges::find(waiting_, ticket, &WaitingGroup::ticket);
  if (found == waiting_.end()) return std::nullopt;
  WaitingGroup group = std::move(*found);
  waiting_.erase(found);
  return group;
}

std::optional<DecidedGroup> PlacingBook::decide_next() {
  const std::vector<NodeRoom> now = rooms();
  std::vector<const PlaceActors*> ahead;
  for (auto each = waiting_.begin(); each != waiting_.end(); ++each) {
    const Result<std::vector<Place>> places = place_group(wish_of(each->wish), now);
    const bool has_to_wait =
        std::ranges::any_of(ahead, [each](const PlaceActors* earlier) { return do_compete(*earlier, each->wish); });
    // One that can never be holds nobody up.
    if (has_to_wait || !places) {
      if (places || places.failure().kind == FailureKind::overloaded) ahead.push_back(&each->wish);
      continue;
    }
    DecidedGroup decided{std::move(*each), *places};
    waiting_.erase(each);
    const PlaceActors& wish = decided.group.wish;
    for (std::size_t at = 0; at < wish.actors.size(); ++at) {
      const WantedActor& wanted = wish.actors[at];
      placed_[wanted.name] = {{wanted.name},
                              wanted.class_name,
                              (*places)[at].node,
                              wanted.resources,
                              wish.lifetime == Lifetime::owned ? wish.owner : ActorId{},
                              decided.group.ticket};
    }
    return decided;
  }
  return std::nullopt;
}

void PlacingBook::add_node(NodeRow node) {
  nodes_[node.name] = std::move(node);
}

std::vector<PlacedRow> PlacingBook::remove_node(const std::string& name, const Failure& cause) {
  std::vector<PlacedRow> lost;
  for (const auto& [actor, row] : placed_) {
    if (row.node == name) lost.push_back(row);
  }
  for (const PlacedRow& each : lost) release(each.actor.name, cause);
  nodes_.erase(name);
  return lost;
}

const NodeRow* PlacingBook::find_node(const std::string& name) const {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : &found->second;
}

const NodeRow* PlacingBook::find_host(const ActorId& host) const {
  const auto found = std::ranges::find_if(nodes_, [&host](const auto& each) { return each.second.host == host; });
  return found == nodes_.end() ? nullptr : &found->second;
}

PlacedRow* PlacingBook::find(std::string_view name) {
  const auto found = placed_.find(name);
  return found == placed_.end() ? nullptr : &found->second;
}

PlacedRow* PlacingBook::find(const ActorId& actor) {
  PlacedRow* const row = find(actor.name);
  return row != nullptr && row->actor == actor ? row : nullptr;
}

void PlacingBook::release(const std::string& name, const Failure& cause) {
  const auto found = placed_.find(name);
  if (found == placed_.end()) return;
  ended_.push_back({found->second.actor, found->second.node, cause.text});
  if (ended_.size() > kEndedKept) ended_.pop_front();
  placed_.erase(found);
}

std::vector<PlacedRow> PlacingBook::placed_of(const ActorId& owner) const {
  std::vector<PlacedRow> rows;
  for (const auto& [name, row] : placed_) {
    if (row.owner == owner) rows.push_back(row);
  }
  return rows;
}

std::vector<PlacedRow> PlacingBook::placed_of(std::uint64_t ticket) const {
  std::vector<PlacedRow> rows;
  for (const auto& [name, row] : placed_) {
    if (row.ticket == ticket) rows.push_back(row);
  }
  return rows;
}

std::vector<std::uint64_t> PlacingBook::waiting_of(const ActorId& owner) const {
  std::vector<std::uint64_t> tickets;
  for (const WaitingGroup& each : waiting_) {
    if (each.wish.lifetime == Lifetime::owned && each.wish.owner == owner) tickets.push_back(each.ticket);
  }
  return tickets;
}

const WaitingGroup* PlacingBook::find_waiting(std::string_view name) const {
  const auto found = std::ranges::find_if(waiting_, [name](const WaitingGroup& each) {
    return std::ranges::find(each.wish.actors, name, &WantedActor::name) != each.wish.actors.end();
  });
  return found == waiting_.end() ? nullptr : &*found;
}

std::vector<NodeRoom> PlacingBook::rooms() const {
  std::map<std::string, NodeRoom> rooms;
  for (const auto& [name, node] : nodes_) rooms[name] = {name, node.total, node.classes};
  for (const auto& [name, row] : placed_) rooms[row.node].held.push_back({name, row.needs});
  std::vector<NodeRoom> all;
  for (auto& [name, room] : rooms) all.push_back(std::move(room));
  return all;
}

Failure PlacingBook::why_waiting(const WaitingGroup& group) const {
  const Result<std::vector<Place>> places = place_group(wish_of(group.wish), rooms());
  if (!places) return places.failure();
  for (const WaitingGroup& each : waiting_) {
    if (each.ticket == group.ticket) break;
    const Result<std::vector<Place>> earlier = place_group(wish_of(each.wish), rooms());
    const bool holds_up =
        !earlier && earlier.failure().kind == FailureKind::overloaded && do_compete(each.wish, group.wish);
    if (!holds_up) continue;
    return {FailureKind::overloaded,
            "has room, but waits behind " + each.wish.group + ", which came earlier: " + earlier.failure().text};
  }
  return {FailureKind::overloaded, "waits behind others that came earlier"};
}

std::string PlacingBook::describe(const PlacedRow& row) const {
  const std::string what = row.actor.describe() + " of class " + row.class_name;
  const std::string rest = " on node " + row.node + ", holds " + row.needs.describe() + ", " + owner_of(row);
  switch (row.state) {
    case PlacedRow::State::starting:
      return what + " starts" + rest;
    case PlacedRow::State::up:
      return what + " runs" + rest;
    case PlacedRow::State::ending:
      return what + " is being stopped" + rest;
  }
  return what + rest;
}

Result<std::string> PlacingBook::explain(std::string_view name) const {
  if (const auto held = placed_.find(name); held != placed_.end()) return describe(held->second);
  const WaitingGroup* waiting = find_waiting(name);
  if (waiting == nullptr) {
    const auto group =
        std::ranges::find_if(waiting_, [name](const WaitingGroup& each) { return each.wish.group == name; });
    if (group != waiting_.end()) waiting = &*group;
  }
  if (waiting != nullptr) {
    return std::string(name) + " waits for " + (waiting->wish.actors.size() == 1 ? "a place: " : "its places: ") +
           why_waiting(*waiting).text;
  }
  const auto ended =
      std::find_if(ended_.rbegin(), ended_.rend(), [name](const Ended& each) { return each.actor.name == name; });
  if (ended != ended_.rend()) {
    return ended->actor.describe() + " ended on node " + ended->node + ": " + ended->cause;
  }
  for (const NodeRoom& each : rooms()) {
    if (each.name == name) return "node " + describe_room(each) + ", actors: " + std::to_string(each.held.size());
  }
  std::vector<std::string> known;
  for (const auto& [each, row] : placed_) known.push_back(each);
  for (const WaitingGroup& each : waiting_) known.push_back(each.wish.group);
  return refused("nobody named " + std::string(name) + " is placed, or waits" + did_you_mean(known, name));
}

}  // namespace troupe::runtime
