#pragma once

#include "scheduler/fork_server.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace troupe::console {

/// Workers as forks of this process, which has LibTorch loaded: to be called before the first thread starts. Nothing,
/// with a warning on stderr, where that cannot be; workers are then started by exec(), which takes longer.
[[nodiscard]] std::unique_ptr<scheduler::ForkServer> make_fork_server();

/// A node agent in a process of its own.
struct AgentSetup {
  std::string name;                  ///< of the node
  std::string listen;                ///< where the agent listens
  std::string workers;               ///< where its workers do: "ipc:///folder" or "tcp://host"
  std::string head;                  ///< where the head does
  std::uint32_t incarnation = 1;     ///< higher than that of any agent of this name before
  std::uint32_t slots = 0;           ///< actors it can hold; 0 = any number
  std::uint64_t job = 0;             ///< it is there for this one alone; 0 = for any that the head leads
  std::filesystem::path pages = {};  ///< folder of its actors' status pages; empty = none
};

/// The life of a node agent: until SIGINT or SIGTERM, or until the agent fails. Returns the exit status; throws
/// std::runtime_error or CommandError when it cannot begin. Called while there is one thread.
[[nodiscard]] int run_agent(const AgentSetup& setup);

}  // namespace troupe::console
