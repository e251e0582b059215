#pragma once

#include "console/view/inspect.hpp"

#include <string>
#include <vector>

namespace troupe::console {

/// The actors that `text` means: one by its name, or those of a group or of a slice of one, in the order of their
/// indices. Groups are `stages` (stage/rR.sS, by replica and stage) and `data` (data/rR, by replica); texts are those
/// of runtime::parse_selection(), such as "stages(replica=0..1, stage=1)".
///
/// SE-1  Selected are exactly the actors whose indices are in every part; a dimension that is not named is taken whole.
/// SE-2  Throws CommandError: usage for a text that is no such selection, or names a group or dimension that is not
///       there; not_found, with what there is, when nobody is selected.
/// SE-3  A text that is an actor's name means that actor.
[[nodiscard]] std::vector<ActorView> select_actors(const std::vector<ActorView>& actors, const std::string& text);

/// The text is about a group, not the name of an actor.
[[nodiscard]] bool is_group_text(const std::string& text);

}  // namespace troupe::console
