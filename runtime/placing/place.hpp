#pragma once

#include "runtime/actor_ref.hpp"
#include "runtime/context.hpp"
#include "runtime/message/ack.hpp"
#include "runtime/node.hpp"
#include "runtime/placing/placing_protocol.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Starting actors anywhere in a job, by class and name, and finding them:
///
///     place(context, PlaceActor{"kv", "store/a", StoreConfig{...}, {.resources = Resources::of("cpu=1"), .on_node =
///     "b"}},
///           seconds(10), [](const Result<ActorId>& store, Context& context) { ... });
///     place<StoreProtocol>(context, PlaceActor{...}, seconds(10), [](const Result<ActorRef<StoreProtocol>>& store, ...
///     place_all(context, PlaceGroup{"stages", {{"stage", "stage/r0.s0", Resources::of("gpu=1")}, ...},
///                                   {.strategy = Strategy::spread}}, minutes(5), ...
///     find<StoreProtocol>(context, "store/a", seconds(1), ...
///
/// `then` is called once, in a turn of the actor that asked, which is the owner of what it has placed: with it, it
/// ends. When it is called with an actor, messages of this node reach that. What cannot be placed now waits until the
/// deadline, and the Failure says why in words; when the placer itself does not answer, the Failure comes kPlacingGrace
/// later. It is a Failure too when this node knows already that an actor of the answer is dead: what is left of its
/// group is still placed, and can be stopped by name. To hear of the end of a placed actor, watch() it.
namespace troupe::runtime {

/// How much later than the deadline a placer that does not answer is a Failure.
inline constexpr Duration kPlacingGrace = std::chrono::seconds(3);

/// Where an actor may be, and how long.
struct PlaceOptions {
  Resources resources = {};             ///< what it takes of its node
  std::string on_node = {};             ///< empty = anywhere
  Lifetime lifetime = Lifetime::owned;  ///< whether it ends with the actor that asks
};

/// One actor to be placed.
struct PlaceActor {
  std::string class_name;     ///< one that nodes of the job know: ActorClasses
  std::string name;           ///< "namespace/name", of nobody else in the job
  Arguments arguments = {};   ///< for its class's factory
  PlaceOptions options = {};  ///< where, and how long
};

/// How a group lies over the nodes, and how long.
struct GroupOptions {
  Strategy strategy = Strategy::pack;   ///< close together, or apart
  std::string on_node = {};             ///< all on this one; empty = anywhere
  Lifetime lifetime = Lifetime::owned;  ///< whether it ends with the actor that asks
};

/// Actors to be placed all at once, or none of them.
struct PlaceGroup {
  std::string name;                 ///< what people call it while it waits
  std::vector<WantedActor> actors;  ///< at most 512; the answer is in their order
  GroupOptions options = {};        ///< where, and how long
};

/// What the placer is asked. `owner`: of nobody for detached actors.
[[nodiscard]] PlaceActors to_message(PlaceActor wanted, const ActorId& owner, Duration deadline);
/// The same for a group.
[[nodiscard]] PlaceActors to_message(PlaceGroup wanted, const ActorId& owner, Duration deadline);
/// Remembers where a placed actor is; a Failure when this node knows that it is dead, or of a later one of its name.
[[nodiscard]] Result<Done> announce_placed(Node& node, const DirectoryEntry& placed);
/// Remembers where they are, and says who; a Failure for an answer with more or fewer than were asked for, or with one
/// that this node knows to be dead.
[[nodiscard]] Result<std::vector<ActorId>> announce_placed(Node& node, const PlacedActors& placed, std::size_t asked);

/// From outside any actor (a main function, a test): detached actors only; waits. Not from a turn.
[[nodiscard]] Result<std::vector<ActorId>> place_all(Node& node, PlaceGroup wanted, Duration deadline);
/// The same for one actor.
[[nodiscard]] Result<ActorId> place(Node& node, PlaceActor wanted, Duration deadline);
/// The placed actor of that name; a Failure says what it waits for, or how it ended. Waits: not from a turn.
[[nodiscard]] Result<ActorId> find(Node& node, const std::string& name, Duration deadline);

namespace detail {

inline ActorId placer_id() {
  return ActorId{std::string(kPlacerName)};
}

/// Sends the wish, and calls `then` with what `shape` makes of the actors.
template <class Out, class Shape, class Then>
void ask_placer(Context& context, PlaceActors message, Duration deadline, Shape shape, Then then) {
  const std::size_t asked = message.actors.size();
  context.request<PlacedActors>(placer_id(), std::move(message), deadline + kPlacingGrace,
                                [asked, shape = std::move(shape), then = std::move(then)](
                                    const Result<PlacedActors>& placed, Context& turn) mutable {
                                  if (!placed) return then(Result<Out>(placed.failure()), turn);
                                  Result<std::vector<ActorId>> ids = announce_placed(turn.node(), *placed, asked);
                                  if (!ids) return then(Result<Out>(ids.failure()), turn);
                                  then(Result<Out>(shape(std::move(ids).value())), turn);
                                });
}

template <class Out, class Shape, class Then>
void ask_where(Context& context, std::string name, Duration deadline, Shape shape, Then then) {
  context.request<FoundActor>(
      placer_id(), FindPlaced{std::move(name)}, deadline,
      [shape = std::move(shape), then = std::move(then)](const Result<FoundActor>& found, Context& turn) mutable {
        if (!found) return then(Result<Out>(found.failure()), turn);
        if (const Result<Done> known = announce_placed(turn.node(), found->actor); !known) {
          return then(Result<Out>(known.failure()), turn);
        }
        then(Result<Out>(shape(found->actor.actor)), turn);
      });
}

}  // namespace detail

/// then(Result<ActorId>, Context&)
template <class Then>
void place(Context& context, PlaceActor wanted, Duration deadline, Then then) {
  detail::ask_placer<ActorId>(
      context, to_message(std::move(wanted), context.self(), deadline), deadline,
      [](std::vector<ActorId> ids) { return std::move(ids.front()); }, std::move(then));
}
/// then(Result<ActorRef<P>>, Context&); that the class keeps to P is the caller's promise.
template <class P, class Then>
void place(Context& context, PlaceActor wanted, Duration deadline, Then then) {
  detail::ask_placer<ActorRef<P>>(
      context, to_message(std::move(wanted), context.self(), deadline), deadline,
      [](std::vector<ActorId> ids) { return ActorRef<P>(std::move(ids.front())); }, std::move(then));
}
/// then(Result<std::vector<ActorId>>, Context&), in the order asked for.
template <class Then>
void place_all(Context& context, PlaceGroup wanted, Duration deadline, Then then) {
  detail::ask_placer<std::vector<ActorId>>(
      context, to_message(std::move(wanted), context.self(), deadline), deadline,
      [](std::vector<ActorId> ids) { return ids; }, std::move(then));
}
/// then(Result<ActorId>, Context&)
template <class Then>
void find(Context& context, std::string name, Duration deadline, Then then) {
  detail::ask_where<ActorId>(
      context, std::move(name), deadline, [](const ActorId& id) { return id; }, std::move(then));
}
/// then(Result<ActorRef<P>>, Context&)
template <class P, class Then>
void find(Context& context, std::string name, Duration deadline, Then then) {
  detail::ask_where<ActorRef<P>>(
      context, std::move(name), deadline, [](const ActorId& id) { return ActorRef<P>(id); }, std::move(then));
}
/// then(Result<Ack>, Context&) when it is gone; of a group that waits, all of it is taken back.
template <class Then>
void stop_placed(Context& context, std::string name, Duration deadline, Then then) {
  context.request<Ack>(detail::placer_id(), StopPlaced{std::move(name)}, deadline, std::move(then));
}
/// then(Result<Explanation>, Context&): what an actor or a group waits for, where it runs, how it ended; or, of a node,
/// what it has and who holds it.
template <class Then>
void why(Context& context, std::string name, Duration deadline, Then then) {
  context.request<Explanation>(detail::placer_id(), Why{std::move(name)}, deadline, std::move(then));
}

}  // namespace troupe::runtime
