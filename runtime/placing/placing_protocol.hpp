#pragma once

#include "runtime/directory.hpp"
#include "runtime/placing/actor_classes.hpp"
#include "runtime/placing/place_group.hpp"
#include "runtime/placing/resources.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What a placer and the hosts of a job's nodes hear and answer. User code has runtime/placing/place.hpp for it.
namespace troupe::runtime {

/// Of the actor that decides where actors of the job run.
inline constexpr std::string_view kPlacerName = "placer";
/// Of the actor that starts and stops others on a node: "host/NODE".
inline constexpr std::string_view kHostNames = "host/";

/// What becomes of a placed actor when the actor that asked for it ends.
enum class Lifetime : std::uint8_t {
  owned = 0,     ///< it is stopped
  detached = 1,  ///< it stays until somebody stops it, or its node is lost
};

/// One actor to be placed: its class, its name ("namespace/name"), what it needs, and what it is made with.
struct WantedActor {
  std::string class_name;    ///< one that the node knows: ActorClasses
  std::string name;          ///< 1 to kMaxNameBytes bytes
  Resources resources = {};  ///< what it takes of its node as long as it lives
  Arguments arguments = {};  ///< for its class's factory

  template <class Archive>
  void serialize(Archive& archive) {
    archive(class_name, name, resources, arguments);
    if constexpr (requires { archive.refuse("why"); }) {
      if (class_name.size() > kMaxNameBytes || name.size() > kMaxNameBytes) archive.refuse("a name that is too long");
    }
  }
};

/// @cond INSIDE  What place.hpp says for you.

// ---- to the placer ----

/// A node's host: here is a node, give me work (request; answered with NodeJoined).
struct JoinNode {
  static constexpr std::string_view kName = "placer.join_node";
  std::string node;
  ActorId host;
  Resources total;
  std::vector<std::string> classes;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(node, host, total, classes);
    if constexpr (requires { archive.refuse("why"); }) {
      if (node.size() > kMaxNameBytes) archive.refuse("a node's name that is too long");
    }
  }
};

/// It has a place among the nodes of the job.
struct NodeJoined {
  static constexpr std::string_view kName = "placer.node_joined";
  ActorId placer;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(placer);
  }
};

/// Start all of these or none (request; answered with PlacedActors when all are up). What cannot be placed now waits
/// for `patience_ms`, then it is refused with the reason.
struct PlaceActors {
  static constexpr std::string_view kName = "placer.place_actors";
  std::string group;  ///< what people call it
  std::vector<WantedActor> actors;
  Strategy strategy = Strategy::pack;
  std::string on_node;  ///< all on this one; empty = anywhere
  Lifetime lifetime = Lifetime::owned;
  ActorId owner;  ///< the actor that asks; nobody of those that ask from outside, which then have to say detached
  std::uint64_t patience_ms = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(group, actors, strategy, on_node, lifetime, owner, patience_ms);
    if constexpr (requires { archive.refuse("why"); }) {
      if (group.size() > kMaxNameBytes || on_node.size() > kMaxNameBytes) archive.refuse("a name that is too long");
      if (strategy > Strategy::spread || lifetime > Lifetime::detached) archive.refuse("a value that is not known");
    }
  }
};

/// In the order asked for.
struct PlacedActors {
  static constexpr std::string_view kName = "placer.placed_actors";
  std::vector<DirectoryEntry> actors;
  std::vector<std::string> nodes;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actors, nodes);
  }
};

/// Stop a placed actor, or take back one that waits, with all of its group (request; answered with Ack when it is
/// gone).
struct StopPlaced {
  static constexpr std::string_view kName = "placer.stop_placed";
  std::string name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name);
  }
};

/// Where is it? (request; answered with FoundActor, or a Failure that says what it waits for or how it ended)
struct FindPlaced {
  static constexpr std::string_view kName = "placer.find_placed";
  std::string name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name);
  }
};

struct FoundActor {
  static constexpr std::string_view kName = "placer.found_actor";
  DirectoryEntry actor;
  std::string node;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, node);
  }
};

/// What is it with this actor, group that waits, or node? (request; answered with Explanation)
struct Why {
  static constexpr std::string_view kName = "placer.why";
  std::string name;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name);
  }
};

/// In words, for people.
struct Explanation {
  static constexpr std::string_view kName = "placer.explanation";
  std::string text;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(text);
  }
};

// ---- to a host ----

/// Start an actor (request; answered with StartedActor when on_start() has returned).
struct StartActor {
  static constexpr std::string_view kName = "host.start_actor";
  ActorId actor;
  std::string class_name;
  Arguments arguments;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor, class_name, arguments);
    if constexpr (requires { archive.refuse("why"); }) {
      if (class_name.size() > kMaxNameBytes) archive.refuse("a name that is too long");
    }
  }
};

/// It is up; the incarnation is higher than the one asked for when the node knows of a later one.
struct StartedActor {
  static constexpr std::string_view kName = "host.started_actor";
  ActorId actor;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor);
  }
};

/// Stop what StartActor started with this name and incarnation (request; answered with Ack when it is gone).
struct StopHosted {
  static constexpr std::string_view kName = "host.stop_hosted";
  ActorId actor;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(actor);
  }
};

/// The placer has lost the node, and placed others instead of its actors: end them, and join anew (request; answered
/// with Ack at once).
struct GivenUp {
  static constexpr std::string_view kName = "host.given_up";
  template <class Archive>
  void serialize(Archive&) {}
};

/// @endcond

}  // namespace troupe::runtime
