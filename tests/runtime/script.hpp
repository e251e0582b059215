#pragma once

#include "tests/runtime/test_actors.hpp"
#include "tests/support/deterministic_node.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <functional>
#include <string>
#include <vector>

namespace troupe::runtime {

/// A node whose actors' mailboxes hold that many envelopes.
inline DeterministicNode& add_small_node(DeterministicNetwork& network, std::size_t mailbox_capacity) {
  NodeOptions options;
  options.name = "small";
  options.mailbox_capacity = mailbox_capacity;
  return network.add_node(options);
}

/// Two deterministic nodes, and actors that act when the test says so.
///
/// Thread-safety: the test's thread only.
/// Ownership:     owns network and nodes.
/// Errors:        what cannot be spawned or sent ends or fails the test.
/// Restart:       lives for one test.
class Script {
public:
  using Action = std::function<void(Context&)>;

  std::vector<std::string> outcomes;  // of ask()
  std::vector<std::string> downs;     // of spawn_watcher()

  DeterministicNetwork network;  // after what its actors write to
  DeterministicNode& left = network.add_node("left");
  DeterministicNode& right = network.add_node("right");

  ActorId spawn(DeterministicNode& node, const std::string& name, HookedActor::Hooks hooks,
                std::uint32_t incarnation = 1) {
    const ActorId id = node.try_spawn(name, hooked(std::move(hooks)), incarnation).value();
    network.announce_all();
    return id;
  }
  /// An actor that runs the actions given to act(), one a Number.
  ActorId spawn_puppet(DeterministicNode& node, const std::string& name, HookedActor::Hooks hooks = {}) {
    hooks.number = [this](const Number&, Context& context) {
      const Action action = std::move(actions_.front());
      actions_.pop_front();
      action(context);
    };
    return spawn(node, name, std::move(hooks));
  }
  /// A puppet that writes every ActorDown to downs.
  ActorId spawn_watcher(DeterministicNode& node, const std::string& name) {
    return spawn_puppet(node, name, recording_downs(downs));
  }
  void watch(DeterministicNode& node, std::string_view puppet, const ActorId& target) {
    act(node, puppet, [target](Context& context) { context.watch(target); });
  }
  /// Runs `action` as a turn of the puppet, and the turns that follow from it.
  void act(DeterministicNode& node, std::string_view puppet, Action action) {
    actions_.push_back(std::move(action));
    ASSERT_TRUE(node.node().send(puppet, Number{}));
    network.run_turns();
  }
  /// The puppet asks; its outcome is written to outcomes: "1: 5" or "1: kind: text".
  void ask(DeterministicNode& node, std::string_view puppet, const ActorId& to, std::uint32_t value,
           Duration deadline = std::chrono::milliseconds(100)) {
    act(node, puppet, [this, to, value, deadline](Context& context) {
      context.request<Answer>(to, Ask{value}, deadline, [this, value](const Result<Answer>& answer, Context&) {
        outcomes.push_back(std::to_string(value) + ": " +
                           (answer ? std::to_string(answer->value) : answer.failure().describe()));
      });
    });
  }

  Script() = default;
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

private:
  std::deque<Action> actions_;
};

}  // namespace troupe::runtime
