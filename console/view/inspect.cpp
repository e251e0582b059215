#include "console/view/inspect.hpp"

#include "console/exit_codes.hpp"
#include "console/view/json_lines.hpp"
#include "runtime/observe/nearest_word.hpp"
#include "runtime/observe/status_page.hpp"

#include <algorithm>
#include <ctime>
#include <map>
#include <set>
#include <tuple>

namespace troupe::console {
namespace {

using runtime::ActorStatus;
using runtime::Snapshot;

constexpr std::string_view kLocalNode = "local";

bool is_local(const ActorView& actor) {
  return actor.history.empty() || actor.history.back().node.empty() || actor.history.back().node == kLocalNode;
}

std::set<std::string> texts_of(const nlohmann::json& event, const char* name) {
  std::set<std::string> texts;
  const auto found = event.find(name);
  if (found == event.end() || !found->is_array()) return texts;
  for (const nlohmann::json& text : *found) {
    if (text.is_string()) texts.insert(text.get<std::string>());
  }
  return texts;
}

void add_event(std::vector<Incarnation>& history, const nlohmann::json& event) {
  const auto number = static_cast<std::uint32_t>(integer_of(event, "incarnation"));
  const std::string kind = text_of(event, "event");
  const double seconds = number_of(event, "seconds");
  if (kind == "actor_up") {
    history.push_back({number, text_of(event, "node"), integer_of(event, "pid"), seconds, std::nullopt, ""});
  } else if (kind == "actor_down") {
    const bool is_new = history.empty() || history.back().number != number || history.back().down.has_value();
    if (is_new) history.push_back({number, text_of(event, "node"), integer_of(event, "pid"), std::nullopt, {}, ""});
    history.back().down = seconds;
    history.back().cause = text_of(event, "cause");
  } else {  // of the one that went down last under that number; its successor may be up already
    const auto dead = std::find_if(history.rbegin(), history.rend(), [number](const Incarnation& each) {
      return each.number == number && each.down.has_value();
    });
    if (dead != history.rend()) dead->post_mortem = text_of(event, "file");
  }
}

/// How much a page says about the present: one of a living process first, then the newest.
std::tuple<int, std::int64_t> rank(const Snapshot& page, const Observer& observer) {
  const ProcessState state = observer.process_state(page.process, page.updated_ns);
  const int liveness = state == ProcessState::alive ? 2 : state == ProcessState::frozen ? 1 : 0;
  return {liveness, page.updated_ns};
}

std::string judge_without_page(const ActorView& actor, const Observer& observer) {
  const bool is_down = actor.history.empty() || actor.history.back().down.has_value();
  if (is_down) return "dead";
  return observer.head == Observer::Head::alive ? "up" : "dead";
}

std::string judge(const ActorView& actor, const Observer& observer) {
  if (!actor.page) return judge_without_page(actor, observer);
  const Snapshot& page = *actor.page;
  if (page.status == ActorStatus::stopped || page.status == ActorStatus::failed) {
    return std::string(runtime::to_string(page.status));
  }
  if (!is_local(actor)) {
    return judge_without_page(actor, observer) == "dead" ? "dead" : std::string(runtime::to_string(page.status));
  }
  switch (observer.process_state(page.process, page.updated_ns)) {
    case ProcessState::gone:
      return "dead";
    case ProcessState::frozen:
      return "frozen";
    case ProcessState::alive:
      break;
  }
  return std::string(runtime::to_string(page.status));
}

double seconds_since(std::int64_t then_ns, const Observer& observer) {
  return then_ns == 0 ? -1.0 : std::max(0.0, static_cast<double>(observer.now_ns - then_ns) * 1e-9);
}

std::int64_t monotonic_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::vector<ActorView> assemble_actors(const std::vector<Snapshot>& pages, const std::vector<nlohmann::json>& events,
                                       const Observer& observer) {
  std::map<std::string, ActorView> actors;
  for (const Snapshot& page : pages) {
    ActorView& actor = actors[page.actor.name];
    if (!actor.page || rank(page, observer) > rank(*actor.page, observer)) actor.page = page;
  }
  std::set<std::string> members;  // of the job as it was started last
  for (const nlohmann::json& event : events) {
    const std::string kind = text_of(event, "event");
    if (kind == "job_started") members = texts_of(event, "actors");
    if (kind == "actor_up" || kind == "actor_down" || kind == "post_mortem")
      add_event(actors[text_of(event, "actor")].history, event);
  }
  std::vector<ActorView> sorted;
  for (auto& [name, actor] : actors) {
    actor.name = name;
    actor.status = judge(actor, observer);
    actor.is_former = !members.empty() && !actor.history.empty() && !members.contains(name);
    if (actor.page) {
      actor.age_seconds = seconds_since(actor.page->updated_ns, observer);
      // A dead actor is busy with nothing.
      if (actor.status != "dead") actor.busy_seconds = seconds_since(actor.page->busy_since_ns, observer);
    }
    sorted.push_back(std::move(actor));
  }
  return sorted;
}

std::vector<ActorView> look_at_run(const RunFolder& folder) {
  Observer observer;
  observer.now_ns = monotonic_now();
  observer.head = is_run_alive(folder) ? Observer::Head::alive : Observer::Head::gone;
  observer.process_state = process_state;
  return assemble_actors(runtime::read_status_pages(folder.status_pages()), read_json_lines(folder.events()), observer);
}

void look_at_messages(const RunFolder& folder, const std::vector<ActorView>& all, std::vector<ActorView>& actors) {
  std::map<std::uint64_t, std::string> names;
  for (const ActorView& actor : all) names.emplace(runtime::name_hash(actor.name), actor.name);
  const std::int64_t now = monotonic_now();
  for (ActorView& actor : actors) {
    if (!actor.page) continue;
    for (const runtime::FlightRecord& record : runtime::read_flight(folder.status_pages(), actor.page->actor)) {
      const auto sender = names.find(record.sender);
      actor.heard.push_back({static_cast<double>(now - record.began_ns) / 1e9, record.message,
                             sender == names.end() ? "" : sender->second, record.step, record.micro_batch});
    }
  }
}

const ActorView& find_actor(const std::vector<ActorView>& actors, const std::string& name) {
  std::vector<std::string> names;
  std::string listed;
  for (const ActorView& actor : actors) {
    if (actor.name == name) return actor;
    names.push_back(actor.name);
    listed += (listed.empty() ? "" : ", ") + actor.name;
  }
  const std::string known = actors.empty() ? "the run has no actors yet" : "actors are " + listed;
  throw CommandError(ExitCode::not_found, "no actor named " + name + runtime::did_you_mean(names, name) + "; " + known);
}

std::vector<ActorView> only_job_actors(std::vector<ActorView> actors) {
  std::erase_if(actors, [](const ActorView& actor) {
    return actor.is_former || actor.name == "head" || actor.name == "guard" || actor.name.starts_with("node/") ||
           actor.name.starts_with("member/") || actor.name.starts_with("faults/");
  });
  return actors;
}

}  // namespace troupe::console
