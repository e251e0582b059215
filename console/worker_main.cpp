#include "actors/actor_types.hpp"
#include "actors/fault/message_faults.hpp"
#include "actors/fault_plan.hpp"
#include "console/commands.hpp"
#include "console/job_key.hpp"
#include "console/worker_processes.hpp"
#include "runtime/node.hpp"
#include "runtime/observe/log.hpp"
#include "runtime/transport/shm_arena.hpp"
#include "runtime/transport/zmq_transport.hpp"
#include "scheduler/member_actor.hpp"
#include "scheduler/worker_input.hpp"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <iostream>
#include <iterator>
#include <thread>

/// A worker process: one actor of the job, and the member actor that keeps its directory.
namespace troupe::console {
namespace {

constexpr int kActorFailedStatus = 70;  // EX_SOFTWARE of sysexits.h: the actor failed, its process ends
constexpr runtime::Duration kReadyDeadline = std::chrono::seconds(10);
constexpr std::chrono::milliseconds kReadyAgain{50};
constexpr runtime::Duration kWorkerStopDeadline = std::chrono::seconds(2);

/// Waits for SIGTERM in a thread of its own, so that no code runs inside a signal handler.
void end_on_sigterm(std::promise<runtime::Failure>& ended, std::atomic_flag& told) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals, &ended, &told] {
    int received = 0;
    sigwait(&signals, &received);
    if (!told.test_and_set()) ended.set_value({runtime::FailureKind::disconnected, "stopped"});
  }).detach();
}

std::unique_ptr<runtime::Transport> transport_of(const scheduler::WorkerInput& input) {
  runtime::ZmqTransportOptions options;
  options.listen = input.listen_address();
  options.node_name = input.actor.name;
  options.incarnation = input.actor.incarnation;
  options.job = input.job;
  options.key = key_for(options.listen);
  options.faults = actors::faults_of_messages(actors::FaultPlan::from_environment(), input.actor);
  return runtime::make_zmq_transport(std::move(options));
}

/// A head that dies before it has answered comes back, and knows what it has started.
runtime::Result<scheduler::Ack> say_ready(runtime::Node& node, const scheduler::WorkerReady& ready) {
  const runtime::TimePoint patience = node.now() + scheduler::kHeadLease;
  while (true) {
    auto answer = node.request<scheduler::Ack>(runtime::kHeadName, ready, kReadyDeadline);
    const bool is_refused = !answer && answer.failure().kind == runtime::FailureKind::faulted;
    if (answer || is_refused || node.now() >= patience) return answer;
    std::this_thread::sleep_for(kReadyAgain);
  }
}

}  // namespace

std::unique_ptr<scheduler::ForkServer> make_fork_server() {
  runtime::Result<std::unique_ptr<scheduler::ForkServer>> server = scheduler::ForkServer::create(run_program);
  if (server) return std::move(server).value();
  std::cerr << "troupe: warning: workers will start more slowly: " << server.failure().text << "\n";
  return nullptr;
}

int run_worker(const ParsedCommand&) {
  runtime::log_to_stderr("info");
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const scheduler::WorkerInput input = scheduler::parse_worker_input(text);
  static std::promise<runtime::Failure> ended;  // outlives every thread that may still fulfil it
  static std::atomic_flag told = ATOMIC_FLAG_INIT;
  end_on_sigterm(ended, told);
  actors::prepare_process(input.job_text);
  actors::note_faults_in(input.run_directory);

  runtime::NodeOptions options;
  options.name = input.actor.name;
  options.job = input.job;
  options.term = input.term;
  options.status_directory = std::filesystem::path(input.run_directory) / "actors";
  runtime::Node node(options, runtime::make_threaded_parts(1, transport_of(input)));
  const auto started = node.start();
  if (!started) throw std::runtime_error(started.failure().describe());
  // Both are known by name before anything is sent; the other actors follow by the head's updates.
  node.announce({{std::string(runtime::kHeadName), input.head_incarnation}, input.head_endpoint});
  node.announce({{std::string(actors::kTrainerName), input.head_incarnation}, input.head_endpoint});

  runtime::SpawnOptions spawn;
  spawn.incarnation = input.actor.incarnation;
  spawn.placement = runtime::Placement::pinned;
  const auto actor =
      node.spawn(input.actor.name, actors::make_actor(input.actor.name, input.job_text, input.memory), spawn);
  if (!actor) {
    std::cerr << input.actor.describe() << ": " << actor.failure().describe() << "\n";
    return kActorFailedStatus;
  }
  spawn.placement = runtime::Placement::shared;
  const std::string member = scheduler::member_name(input.actor.name);
  const auto on_end = [](const runtime::Failure& why) {
    if (!told.test_and_set()) ended.set_value(why);
  };
  const auto ear = node.spawn(member, std::make_unique<scheduler::MemberActor>(*actor, input.term, on_end), spawn);
  if (!ear) throw std::runtime_error(ear.failure().describe());
  const scheduler::WorkerReady ready{{*actor, node.endpoint()}, {*ear, node.endpoint()}, getpid(), input.term};
  const auto accepted = say_ready(node, ready);
  if (!accepted) throw std::runtime_error(accepted.failure().within("the head did not take this worker").describe());

  const runtime::Failure why = ended.get_future().get();
  const bool orderly = why.text == "stopped";
  if (!orderly) std::cerr << input.actor.describe() << " ends: " << why.describe() << "\n";
  node.shutdown(kWorkerStopDeadline);
  std::cout.flush();
  std::cerr.flush();
  // LibTorch's own threads must not meet the destructors of its statics.
  _exit(orderly ? 0 : kActorFailedStatus);
}

}  // namespace troupe::console
