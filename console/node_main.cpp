#include "console/commands.hpp"
#include "console/job_key.hpp"
#include "console/worker_processes.hpp"
#include "runtime/node.hpp"
#include "runtime/observe/log.hpp"
#include "runtime/transport/shm_arena.hpp"
#include "runtime/transport/zmq_transport.hpp"
#include "scheduler/node_agent.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <future>
#include <iostream>
#include <thread>

/// A machine that lends itself to a head: `troupe node --join ADDR`.
namespace troupe::console {
namespace {

constexpr runtime::Duration kNodeStopDeadline = std::chrono::seconds(8);

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

/// "tcp://10.0.0.2:*" -> "tcp://10.0.0.2": workers choose ports of their own.
std::string without_port(const std::string& endpoint) {
  return endpoint.substr(0, endpoint.rfind(':'));
}

/// Ends this process when its agent fails: a node without one is of no use, and nobody could tell from outside.
class AgentGuard final : public runtime::Actor {
public:
  AgentGuard(runtime::ActorId agent, std::promise<std::string>& end) : agent_(std::move(agent)), end_(end) {}
  runtime::Behavior behavior() override { return {runtime::on(this, &AgentGuard::agent_down)}; }
  void on_start(runtime::Context& context) override { context.watch(agent_); }

private:
  void agent_down(const runtime::ActorDown& message, runtime::Context&) {
    end_.set_value(message.cause.text);
    kill(getpid(), SIGTERM);  // wakes the main thread, which waits for it
  }

  const runtime::ActorId agent_;
  std::promise<std::string>& end_;  // outlives the node
};

}  // namespace

int run_agent(const AgentSetup& setup) {
  const auto server = make_fork_server();
  runtime::log_to_stderr("info");
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  runtime::ZmqTransportOptions transport;
  transport.listen = setup.listen;
  transport.key = key_for(setup.listen);
  transport.node_name = scheduler::agent_name(setup.name);
  transport.incarnation = setup.incarnation;
  transport.job = setup.job;
  std::promise<std::string> agent_end;  // before the node, whose guard writes to it
  std::future<std::string> agent_ended = agent_end.get_future();
  runtime::NodeOptions options;
  options.name = setup.name;
  options.status_directory = setup.pages;
  runtime::Node node(options, runtime::make_threaded_parts(1, runtime::make_zmq_transport(transport)));
  const auto started = node.start();
  if (!started) throw CommandError(ExitCode::unreachable, started.failure().describe());
  node.announce({{std::string(runtime::kHeadName), runtime::kHeadIncarnation}, setup.head});

  scheduler::NodeAgentOptions agent;
  agent.node = setup.name;
  agent.slots = setup.slots;
  agent.program = std::filesystem::read_symlink("/proc/self/exe");
  agent.server = server.get();
  agent.listen = setup.workers;
  agent.hangs = scheduler::parse_hang_limits(std::getenv("TROUPE_HANG_SECONDS"));
  const auto sweep = [job = setup.job] {
    const auto folder = runtime::shared_memory_directory();
    job == 0 ? runtime::sweep_all_arenas(folder) : runtime::sweep_arenas(folder, job);
  };
  const auto spawned =
      node.spawn(scheduler::agent_name(setup.name), std::make_unique<scheduler::NodeAgent>(agent, node, sweep),
                 {.incarnation = setup.incarnation});
  if (!spawned) throw std::runtime_error(spawned.failure().describe());
  const auto guarded =
      node.spawn(scheduler::agent_name(setup.name) + "/guard", std::make_unique<AgentGuard>(*spawned, agent_end));
  if (!guarded) throw std::runtime_error(guarded.failure().describe());
  std::cerr << "node " << setup.name << " at " << node.endpoint() << " looks for a head at " << setup.head << "\n";
  int received = 0;
  sigwait(&signals, &received);
  // Before the shutdown, which ends the agent too.
  const bool failed = agent_ended.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  if (failed) std::cerr << "the agent of node " << setup.name << " failed: " << agent_ended.get() << "\n";
  node.shutdown(kNodeStopDeadline);
  return to_int(failed ? ExitCode::failed : ExitCode::ok);
}

int run_node(const ParsedCommand& command) {
  using Address = ParsedCommand::Address;
  AgentSetup setup;
  setup.name = command.node_name("name", host_name());
  setup.listen = command.address("listen", "tcp://127.0.0.1:*", Address::listen);
  setup.head = command.address("join", "", Address::connect);
  use_key(command, MissingKey::refuse);
  warn_when_open(setup.listen);
  setup.workers = without_port(setup.listen);
  setup.slots = static_cast<std::uint32_t>(command.integer("slots", 0, 0, 10'000));
  setup.incarnation = scheduler::node_incarnation(std::chrono::system_clock::now());
  // Whoever starts after this process has ended gets a number of its own, however short this life is.
  std::this_thread::sleep_for(scheduler::kNodeIncarnationTick);
  return run_agent(setup);
}

}  // namespace troupe::console
