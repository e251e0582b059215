#pragma once

#include "runtime/placing/node_host.hpp"
#include "runtime/placing/place.hpp"
#include "runtime/placing/placer.hpp"
#include "tests/runtime/test_actors.hpp"
#include "tests/support/deterministic_node.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// A job on deterministic nodes: a placer on "head", nodes that join it, and users who place actors. Its classes are
/// "worker" (writes its starts and orderly ends to log, dies of a Number, answers an Ask), "broken" (its on_start()
/// throws), "unmade" (its factory throws) and "sized" (made with a Number).
///
/// Thread-safety: the test's thread only.
/// Ownership:     owns network and nodes.
/// Errors:        what cannot be spawned or sent ends or fails the test.
/// Restart:       lives for one test.
class PlacingJob {
public:
  using Texts = std::vector<std::string>;
  using Action = std::function<void(Context&)>;

  Texts log;       // +worker#1@a when it starts, -worker#1@a when it ends in good order
  Texts outcomes;  // of place(), place_group(), and what users ask
  DeterministicNetwork network;
  DeterministicNode& head = network.add_node("head");

  /// `first_incarnation`: of what the placer starts.
  explicit PlacingJob(std::uint32_t first_incarnation = 1) {
    head.spawn<Placer>(std::string(kPlacerName), first_incarnation);
  }
  PlacingJob(const PlacingJob&) = delete;
  PlacingJob& operator=(const PlacingJob&) = delete;

  /// A node that has joined.
  DeterministicNode& add(const std::string& name, const std::string& resources) {
    DeterministicNode& node = network.add_node(name);
    host(node, resources);
    return node;
  }
  void host(DeterministicNode& node, const std::string& resources) {
    HostOptions options;
    options.resources = Resources::of(resources);
    const DirectoryEntry placer{{std::string(kPlacerName), 1}, head.endpoint()};
    (void)node.turns()
        .while_running([&] { return spawn_host(node.node(), classes_on(node), options, placer); })
        .value();
    network.deliver_all();
  }

  /// Runs `action` as a turn of the user of that name, who is made when he is not there, and all that follows.
  void act(DeterministicNode& node, const std::string& user, Action action) {
    begin(node, user, std::move(action));
    network.deliver_all();
  }
  /// The same without what follows.
  void begin(DeterministicNode& node, const std::string& user, Action action) {
    if (users_.emplace(user, std::deque<Action>()).second) {
      HookedActor::Hooks hooks;
      hooks.number = [this, user](const Number&, Context& context) {
        const Action next = std::move(users_[user].front());
        users_[user].pop_front();
        next(context);
      };
      hooks.down = [this](const ActorDown& down, Context&) {
        outcomes.push_back(down.actor.describe() + " is down: " + down.cause.text);
      };
      (void)node.try_spawn(user, hooked(std::move(hooks)), 1).value();
    }
    users_[user].push_back(std::move(action));
    ASSERT_TRUE(node.node().send(user, Number{}));
    network.run_turns();
  }

  /// What place_all() says comes to outcomes: "g: w/1#1 w/2#1", or "g: kind: text".
  [[nodiscard]] Action placing(const std::string& group, std::vector<WantedActor> actors, GroupOptions options = {},
                               Duration deadline = std::chrono::seconds(10)) {
    return
        [this, group, wanted = PlaceGroup{group, std::move(actors), std::move(options)}, deadline](Context& context) {
          place_all(context, wanted, deadline, [this, group](const Result<std::vector<ActorId>>& ids, Context&) {
            std::string text = group + ":";
            if (ids) {
              for (const ActorId& each : *ids) text += " " + each.describe();
            } else {
              text += " " + ids.failure().describe();
            }
            outcomes.push_back(text);
          });
        };
  }
  /// One worker, in a group of its name.
  [[nodiscard]] Action placing_worker(const std::string& name, const std::string& resources, GroupOptions options = {},
                                      Duration deadline = std::chrono::seconds(10)) {
    return placing(name, {{"worker", name, Resources::of(resources)}}, std::move(options), deadline);
  }
  /// What the placer answers to a why().
  std::string ask_why(const std::string& name) {
    const auto answer = head.request<Explanation>(kPlacerName, Why{name});
    return answer ? answer->text : answer.failure().describe();
  }
  Texts take_outcomes() { return std::exchange(outcomes, {}); }
  Texts take_log() { return std::exchange(log, {}); }
  /// In the order of the alphabet: of what happens on several nodes.
  Texts take_sorted_log() {
    Texts texts = take_log();
    std::ranges::sort(texts);
    return texts;
  }
  /// How many actors of user code live on a node.
  [[nodiscard]] static std::size_t living_on(DeterministicNode& node) {
    return static_cast<std::size_t>(std::ranges::count_if(node.node().snapshots(), [](const Snapshot& each) {
      return each.status == ActorStatus::running && each.actor.name.starts_with("w/");
    }));
  }

private:
  [[nodiscard]] ActorClasses classes_on(DeterministicNode& node) {
    const std::string at = "@" + node.node().options().name;
    ActorClasses classes;
    classes.add("worker", [this, at](const Arguments&) {
      HookedActor::Hooks hooks = answering();
      hooks.start = [this, at](Context& context) { log.push_back("+" + context.self().describe() + at); };
      hooks.stop = [this, at](Context& context) { log.push_back("-" + context.self().describe() + at); };
      hooks.number = [](const Number& number, Context&) {
        throw std::runtime_error("number " + std::to_string(number.value));
      };
      return hooked(std::move(hooks));
    });
    classes.add("broken", [](const Arguments&) {
      HookedActor::Hooks hooks;
      hooks.start = [](Context&) { throw std::runtime_error("no such device"); };
      return hooked(std::move(hooks));
    });
    classes.add("unmade", [](const Arguments&) -> std::unique_ptr<Actor> { throw std::runtime_error("no room"); });
    classes.add("sized", [](const Arguments& arguments) -> Result<std::unique_ptr<Actor>> {
      const Result<Number> number = arguments.as<Number>();
      if (!number) return number.failure();
      return hooked(answering());
    });
    return classes;
  }

  std::map<std::string, std::deque<Action>> users_;
};

}  // namespace troupe::runtime
