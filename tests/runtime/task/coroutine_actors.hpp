#pragma once

#include "runtime/task/asking.hpp"
#include "tests/runtime/script.hpp"
#include "tests/support/scripted_actor.hpp"

#include <memory>
#include <string>
#include <utility>

namespace troupe::runtime {

/// Counts how many of it live: one in each coroutine that must not leak.
class Alive {
public:
  explicit Alive(int& count) : count_(count) { ++count_; }
  ~Alive() { --count_; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;

private:
  int& count_;
};

/// An actor with that behavior, known to all nodes of the script.
inline ActorId spawn_with(Script& script, DeterministicNode& node, const std::string& name, Behavior behavior,
                          std::uint32_t incarnation = 1) {
  auto actor = std::make_unique<test::ScriptedActor>(std::move(behavior));
  const ActorId id = node.try_spawn(name, std::move(actor), incarnation).value();
  script.network.announce_all();
  return id;
}

/// A Number to it, and the turns that follow.
inline void tell(Script& script, DeterministicNode& node, const std::string& name, std::uint32_t value) {
  ASSERT_TRUE(node.node().send(name, Number{value}));
  script.network.run_turns();
}

[[nodiscard]] inline std::string words(const Result<Answer>& answer) {
  return answer ? std::to_string(answer->value) : answer.failure().describe();
}

}  // namespace troupe::runtime
