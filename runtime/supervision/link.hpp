#pragma once

#include "runtime/actor_id.hpp"

#include <string_view>

/// Two actors that are nothing without each other (as linked processes of Erlang): context.link(other).
///
///     b#1 throws "boom"             b#1 ended because of boom (in stage.forward)
///     a#2, linked with it, ends     its link b#1 ended because boom (in stage.forward)
///     c#1, linked with a, ends      its link a#2 ended because its link b#1 ended because boom (in stage.forward)
///
/// Each of these is what the watchers of that actor hear as ActorDown's cause. Who wants to hear of an end and to live
/// on watches.
///
/// LK-1  When one of two linked actors fails, is killed, or cannot be reached any more, the other fails too,
///       whichever of them made the link, with a cause that names each link on the way and the first cause, in words.
/// LK-2  When one ends in good order the other lives on.
/// LK-3  After unlink() neither end is the other's concern.
/// LK-4  A link with an actor that is dead already, or that nobody knows, is the end of the one who makes it.
namespace troupe::runtime {

/// @cond INSIDE

/// What a watch says, from one node to another.
struct WatchBody {
  static constexpr std::string_view kName = "runtime.watch";
  ActorId target;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(target);
  }
};

/// The same for a link: the target is to watch the watcher too, as its link.
struct LinkBody {
  static constexpr std::string_view kName = "runtime.link";
  ActorId target;
  ActorId watcher;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(target, watcher);
  }
};

/// @endcond

}  // namespace troupe::runtime
