#include "runtime/placing/place.hpp"

#include <algorithm>

namespace troupe::runtime {
namespace {

std::uint64_t milliseconds_of(Duration deadline) {
  const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0));
}

}  // namespace

PlaceActors to_message(PlaceActor wanted, const ActorId& owner, Duration deadline) {
  PlaceOptions& options = wanted.options;
  PlaceGroup alone;
  alone.name = wanted.name;
  alone.actors.push_back({std::move(wanted.class_name), std::move(wanted.name), std::move(options.resources),
                          std::move(wanted.arguments)});
  alone.options = {Strategy::pack, std::move(options.on_node), options.lifetime};
  return to_message(std::move(alone), owner, deadline);
}

PlaceActors to_message(PlaceGroup wanted, const ActorId& owner, Duration deadline) {
  PlaceActors message;
  message.group = std::move(wanted.name);
  message.actors = std::move(wanted.actors);
  message.strategy = wanted.options.strategy;
  message.on_node = std::move(wanted.options.on_node);
  message.lifetime = wanted.options.lifetime;
  if (message.lifetime == Lifetime::owned) message.owner = owner;
  message.patience_ms = milliseconds_of(deadline);
  return message;
}

Result<Done> announce_placed(Node& node, const DirectoryEntry& placed) {
  if (node.directory().announce(placed)) return Done{};
  return Failure{FailureKind::disconnected, "node " + node.options().name + " cannot reach " + placed.actor.describe() +
                                                ", which the placer says is at " + placed.endpoint +
                                                ": here it is known to be dead, or a later one of its name is known"};
}

Result<std::vector<ActorId>> announce_placed(Node& node, const PlacedActors& placed, std::size_t asked) {
  if (placed.actors.size() != asked) {
    return Failure{FailureKind::unknown, "the placer has placed " + std::to_string(placed.actors.size()) + " of " +
                                             std::to_string(asked) + " actors"};
  }
  std::vector<ActorId> ids;
  for (const DirectoryEntry& each : placed.actors) {
    if (const Result<Done> known = announce_placed(node, each); !known) return known.failure();
    ids.push_back(each.actor);
  }
  return ids;
}

Result<std::vector<ActorId>> place_all(Node& node, PlaceGroup wanted, Duration deadline) {
  const std::size_t asked = wanted.actors.size();
  const Result<PlacedActors> placed =
      node.request<PlacedActors>(kPlacerName, to_message(std::move(wanted), {}, deadline), deadline + kPlacingGrace);
  if (!placed) return placed.failure();
  return announce_placed(node, *placed, asked);
}

Result<ActorId> place(Node& node, PlaceActor wanted, Duration deadline) {
  const Result<PlacedActors> placed =
      node.request<PlacedActors>(kPlacerName, to_message(std::move(wanted), {}, deadline), deadline + kPlacingGrace);
  if (!placed) return placed.failure();
  const Result<std::vector<ActorId>> ids = announce_placed(node, *placed, 1);
  if (!ids) return ids.failure();
  return ids->front();
}

Result<ActorId> find(Node& node, const std::string& name, Duration deadline) {
  const Result<FoundActor> found = node.request<FoundActor>(kPlacerName, FindPlaced{name}, deadline);
  if (!found) return found.failure();
  if (const Result<Done> known = announce_placed(node, found->actor); !known) return known.failure();
  return found->actor.actor;
}

}  // namespace troupe::runtime
