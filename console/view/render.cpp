#include "console/view/render.hpp"

#include "console/view/json_lines.hpp"
#include "console/view/table.hpp"
#include "scheduler/shallow_json.hpp"

#include <iostream>

namespace troupe::console {
namespace {

using runtime::Snapshot;

constexpr std::string_view kAbsent = "-";

std::string node_of(const ActorView& actor) {
  return actor.history.empty() ? "" : actor.history.back().node;
}

std::string or_absent(std::string text) {
  return text.empty() ? std::string(kAbsent) : text;
}

std::uint32_t incarnation_of(const ActorView& actor) {
  if (actor.page) return actor.page->actor.incarnation;
  return actor.history.empty() ? 0 : actor.history.back().number;
}

std::int64_t process_of(const ActorView& actor) {
  if (actor.page) return actor.page->process;
  return actor.history.empty() ? 0 : actor.history.back().process;
}

std::string number_or_absent(const ActorView& actor, std::uint64_t (*pick)(const Snapshot&)) {
  return actor.page ? std::to_string(pick(*actor.page)) : std::string(kAbsent);
}

std::string phase_of(const ActorView& actor) {
  return actor.page ? std::string(runtime::to_string(actor.page->phase)) : "";
}

std::string failure_of(const ActorView& actor) {
  if (actor.page && !actor.page->failure.empty()) return actor.page->failure;
  return actor.history.empty() ? "" : actor.history.back().cause;
}

std::vector<std::string> actor_row(const ActorView& actor) {
  return {actor.name,
          std::to_string(incarnation_of(actor)),
          std::to_string(process_of(actor)),
          actor.status,
          or_absent(phase_of(actor)),
          number_or_absent(actor, [](const Snapshot& page) -> std::uint64_t { return page.step; }),
          number_or_absent(actor, [](const Snapshot& page) -> std::uint64_t { return page.micro_batch; }),
          number_or_absent(actor, [](const Snapshot& page) -> std::uint64_t { return page.queued; }),
          number_or_absent(actor, [](const Snapshot& page) -> std::uint64_t { return page.handled; }),
          number_or_absent(actor, [](const Snapshot& page) -> std::uint64_t { return page.stale_rejected; }),
          format_duration(actor.age_seconds),
          format_duration(actor.busy_seconds),
          or_absent(actor.page ? actor.page->last_message : "")};
}

nlohmann::ordered_json seconds_or_null(double seconds) {
  if (seconds < 0) return nullptr;
  return seconds;
}

nlohmann::ordered_json optional_json(const std::optional<double>& value) {
  if (!value) return nullptr;
  return *value;
}

nlohmann::ordered_json summary_json(const ActorView& actor) {
  nlohmann::ordered_json json = {{"actor", actor.name},
                                 {"incarnation", incarnation_of(actor)},
                                 {"pid", process_of(actor)},
                                 {"node", node_of(actor)},
                                 {"status", actor.status},
                                 {"failure", failure_of(actor)},
                                 {"phase", nullptr},
                                 {"step", nullptr},
                                 {"micro_batch", nullptr},
                                 {"epoch", nullptr},
                                 {"queued", nullptr},
                                 {"handled", nullptr},
                                 {"stale_rejected", nullptr},
                                 {"dead_letters", nullptr},
                                 {"dropped", nullptr},
                                 {"last_message", nullptr},
                                 {"age_seconds", seconds_or_null(actor.age_seconds)},
                                 {"busy_seconds", seconds_or_null(actor.busy_seconds)}};
  if (!actor.page) return json;
  const Snapshot& page = *actor.page;
  json["phase"] = runtime::to_string(page.phase);
  json["step"] = page.step;
  json["micro_batch"] = page.micro_batch;
  json["epoch"] = page.epoch;
  json["queued"] = page.queued;
  json["handled"] = page.handled;
  json["stale_rejected"] = page.stale_rejected;
  json["dead_letters"] = page.dead_letters;
  json["dropped"] = page.dropped;
  json["last_message"] = page.last_message;
  return json;
}

std::string print_seconds(double seconds) {
  return print_number("%10.3fs", seconds);
}

std::string newest_post_mortem(const ActorView& actor) {
  std::string file;
  for (const Incarnation& each : actor.history) {
    if (!each.post_mortem.empty()) file = each.post_mortem;
  }
  return file;
}

std::string render_history(const ActorView& actor, std::size_t width) {
  std::vector<std::vector<std::string>> rows;
  for (const Incarnation& each : actor.history) {
    rows.push_back({std::to_string(each.number), std::to_string(each.process), or_absent(each.node),
                    each.up ? print_seconds(*each.up) : std::string(kAbsent),
                    each.down ? print_seconds(*each.down) : std::string(kAbsent), or_absent(each.cause)});
  }
  const auto right = Column::Align::right;
  return render_table({{"INC", right}, {"PID", right}, {"NODE"}, {"UP", right}, {"DOWN", right}, {"CAUSE"}}, rows,
                      width);
}

std::string render_heard(const ActorView& actor, std::size_t width) {
  constexpr std::size_t kMost = 12;
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = actor.heard.size() - std::min(kMost, actor.heard.size()); i < actor.heard.size(); ++i) {
    const HeardMessage& each = actor.heard[i];
    rows.push_back({format_duration(each.age_seconds), each.name, or_absent(each.sender), std::to_string(each.step),
                    std::to_string(each.micro_batch)});
  }
  const auto right = Column::Align::right;
  return render_table({{"AGO", right}, {"MESSAGE"}, {"FROM"}, {"STEP", right}, {"MICRO", right}}, rows, width);
}

/// A JSON value as a person writes it: texts without quotes.
std::string plain(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool is_shown_already(const std::string& member) {
  for (const char* name : {"time", "seconds", "monotonic", "event", "actor", "incarnation"}) {
    if (member == name) return true;
  }
  return false;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

}  // namespace

std::string render_actors(const std::vector<ActorView>& actors, std::size_t width) {
  std::vector<std::vector<std::string>> rows;
  rows.reserve(actors.size());
  for (const ActorView& actor : actors) rows.push_back(actor_row(actor));
  const auto right = Column::Align::right;
  return render_table({{"ACTOR"},
                       {"INC", right},
                       {"PID", right},
                       {"STATUS"},
                       {"PHASE"},
                       {"STEP", right},
                       {"MICRO", right},
                       {"QUEUED", right},
                       {"HANDLED", right},
                       {"STALE", right},
                       {"AGE", right},
                       {"BUSY", right},
                       {"LAST MESSAGE"}},
                      rows, width);
}

nlohmann::ordered_json actors_json(const std::vector<ActorView>& actors) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ActorView& actor : actors) list.push_back(summary_json(actor));
  return list;
}

std::string render_actor(const ActorView& actor, std::size_t width) {
  const auto number = [&](std::uint64_t (*pick)(const Snapshot&)) { return number_or_absent(actor, pick); };
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"actor", runtime::ActorId{actor.name, incarnation_of(actor)}.describe()},
      {"status", actor.status},
      {"failure", or_absent(failure_of(actor))},
      {"pid", std::to_string(process_of(actor))},
      {"node", or_absent(node_of(actor))},
      {"phase", or_absent(phase_of(actor))},
      {"step", number([](const Snapshot& page) -> std::uint64_t { return page.step; })},
      {"micro-batch", number([](const Snapshot& page) -> std::uint64_t { return page.micro_batch; })},
      {"epoch", number([](const Snapshot& page) -> std::uint64_t { return page.epoch; })},
      {"queued", number([](const Snapshot& page) -> std::uint64_t { return page.queued; })},
      {"handled", number([](const Snapshot& page) -> std::uint64_t { return page.handled; })},
      {"stale rejected", number([](const Snapshot& page) -> std::uint64_t { return page.stale_rejected; })},
      {"dead letters", number([](const Snapshot& page) -> std::uint64_t { return page.dead_letters; })},
      {"dropped", number([](const Snapshot& page) -> std::uint64_t { return page.dropped; })},
      {"last message", or_absent(actor.page ? actor.page->last_message : "")},
      {"page age", format_duration(actor.age_seconds)},
      {"busy for", format_duration(actor.busy_seconds)},
  };
  std::string text;
  for (const auto& [name, value] : fields) text += padded(name, 16) + value + "\n";
  text += "\n" + render_history(actor, width);
  if (const std::string file = newest_post_mortem(actor); !file.empty()) text += "\npost-mortem     " + file + "\n";
  return actor.heard.empty() ? text : text + "\n" + render_heard(actor, width);
}

nlohmann::ordered_json actor_json(const ActorView& actor) {
  nlohmann::ordered_json json = summary_json(actor);
  json["history"] = nlohmann::ordered_json::array();
  for (const Incarnation& each : actor.history) {
    json["history"].push_back({{"incarnation", each.number},
                               {"pid", each.process},
                               {"node", each.node},
                               {"up_seconds", optional_json(each.up)},
                               {"down_seconds", optional_json(each.down)},
                               {"cause", each.cause},
                               {"post_mortem", each.post_mortem}});
  }
  json["messages"] = nlohmann::ordered_json::array();
  for (const HeardMessage& each : actor.heard) {
    json["messages"].push_back({{"age_seconds", each.age_seconds},
                                {"message", each.name},
                                {"sender", each.sender},
                                {"step", each.step},
                                {"micro_batch", each.micro_batch}});
  }
  return json;
}

std::string render_event(const std::string& line) {
  const auto event = scheduler::parse_shallow_json<nlohmann::ordered_json>(line);
  if (!event.is_object()) return line;
  const nlohmann::json lookup = event;
  std::string text = print_seconds(number_of(lookup, "seconds")) + "  " + padded(text_of(lookup, "event", "?"), 16);
  std::string actor = text_of(lookup, "actor");
  if (lookup.contains("incarnation")) actor.append("#").append(std::to_string(integer_of(lookup, "incarnation")));
  if (!actor.empty()) text.append("  ").append(padded(actor, 14));
  std::string fields;
  for (const auto& [name, value] : event.items()) {
    if (!is_shown_already(name)) fields.append("  ").append(name).append("=").append(plain(value));
  }
  return text + fields;
}

void print_json(const nlohmann::ordered_json& json) {
  std::cout << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

}  // namespace troupe::console
