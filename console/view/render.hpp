#pragma once

#include "console/view/inspect.hpp"

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace troupe::console {

/// `troupe ps`: one line an actor. `width` as render_table() has it.
[[nodiscard]] std::string render_actors(const std::vector<ActorView>& actors, std::size_t width);
/// `troupe ps -o json`: an array with one object an actor, empty for none.
[[nodiscard]] nlohmann::ordered_json actors_json(const std::vector<ActorView>& actors);

/// `troupe show`: all fields of one actor, then its incarnations, then the last messages it took.
[[nodiscard]] std::string render_actor(const ActorView& actor, std::size_t width);
/// `troupe show -o json`: what ps tells of it, "history" and "messages".
[[nodiscard]] nlohmann::ordered_json actor_json(const ActorView& actor);

/// One line of events.jsonl for people: "   12.345s  actor_down     stage/r0.s1#2  cause=killed by signal 9". A line
/// that is no JSON object comes back as it is.
[[nodiscard]] std::string render_event(const std::string& line);

/// One line on standard output; what is not UTF-8 becomes U+FFFD.
void print_json(const nlohmann::ordered_json& json);

}  // namespace troupe::console
