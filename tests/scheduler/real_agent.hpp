#pragma once

#include "runtime/node.hpp"
#include "runtime/transport/memory_transport.hpp"
#include "scheduler/node_agent.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

/// The workers of these tests: what one does is its actor's name. Each writes its pid, and what it reads, to its log.
inline constexpr const char* kWorker = R"(#!/bin/sh
echo $$
case "$2" in
  exit/*) exit "${2#exit/}" ;;
  signal/*) kill -"${2#signal/}" $$ ;;
  reads/*) cat ;;
  stubborn/*) trap '' TERM; echo ready; while :; do sleep 0.02; done ;;
  *) exec sleep 1000 ;;
esac
)";

/// Makes the scripted head refuse the registration that waits.
struct Refuse {
  static constexpr std::string_view kName = "test.refuse";
  template <class Archive>
  void serialize(Archive&) {}
};

inline bool is_there(pid_t pid) {
  return kill(pid, 0) == 0;
}

/// A real agent with real processes; the head is scripted.
class RealAgent : public testing::Test {
protected:
  RealAgent() {
    const auto worker = folder_.write("worker", kWorker);
    std::filesystem::permissions(worker, std::filesystem::perms::owner_all);
    std::filesystem::create_directories(folder_.path() / "logs");
    std::filesystem::create_directories(folder_.path() / "actors");
    EXPECT_TRUE(head_.start());
    EXPECT_TRUE(place_.start());
    const auto welcome = [this](const scheduler::RegisterNode& message, runtime::Context& context) {
      for (const pid_t pid : pids_) {
        const bool is_named =
            std::ranges::any_of(message.held, [pid](const auto& held) { return held.process == pid; });
        EXPECT_TRUE(is_named || !is_there(pid)) << "NA-3: it registers and does not name process " << pid;
      }
      head_.announce(message.agent);
      scheduler::Registered answer = registered_;
      answer.head = {{"head", 1}, head_.endpoint()};
      if (adopts_ == Adopts::all) {
        for (const auto& held : message.held) answer.adopted.push_back(held.actor);
      }
      if (welcomes_ == Welcomes::at_once) context.reply(answer);
      if (welcomes_ == Welcomes::later) waiting_ = context.defer_reply();
    };
    const auto refuse = [this](const Refuse&, runtime::Context& context) {
      welcomes_ = Welcomes::at_once;
      context.fail_to(waiting_, {runtime::FailureKind::overloaded, "too many"});
    };
    EXPECT_TRUE(head_.spawn("head", std::make_unique<ScriptedActor>(runtime::Behavior{
                                        hears<scheduler::RegisterNode>(registrations_, welcome),
                                        hears<scheduler::ActorExited>(exits_), hears<scheduler::NodeHeartbeat>(beats_),
                                        hears<Refuse>(refusals_, refuse), hears<scheduler::RecordEvent>(events_)})));
    place_.announce({{"head", 1}, head_.endpoint()});
  }

  void start_agent() {
    scheduler::NodeAgentOptions options;
    options.node = "n";
    options.slots = 5;
    options.program = folder_.path() / "worker";
    options.listen = "ipc:///somewhere";
    options.grace = grace_;
    options.lease = lease_;
    options.hangs = {.floor = std::chrono::milliseconds(200),
                     .first = std::chrono::milliseconds(400),
                     .stopped = std::chrono::milliseconds(300),
                     .every = std::chrono::milliseconds(20)};
    ASSERT_TRUE(place_.spawn("node/n", std::make_unique<scheduler::NodeAgent>(options, place_, [this] { sweep(); })));
    ASSERT_TRUE(registrations_.wait_for(1));
  }

  void sweep() {
    ++sweeps_;
    newest_was_there_ = is_there(newest_);
  }
  [[nodiscard]] scheduler::SpawnActor order(const runtime::ActorId& actor) const {
    return {actor, 7, 3, head_.endpoint(), folder_.path().string(), "the job", 6};
  }
  runtime::Result<scheduler::Ack> spawn(const runtime::ActorId& actor) {
    return head_.request<scheduler::Ack>("node/n", order(actor), kPatience);
  }
  /// The pid of an actor's process that has written `lines` lines.
  pid_t pid_of(const std::string& log, std::size_t lines = 1) const {
    std::vector<std::string> said;
    while (said.size() < lines) {
      std::this_thread::yield();
      said = read_lines(folder_.path() / "logs" / (log + ".log"));
    }
    return std::stoi(said.at(0));
  }
  /// Starts an actor that runs until it is ended.
  pid_t runs(const runtime::ActorId& actor) {
    EXPECT_TRUE(spawn(actor));
    std::string log = actor.name;
    std::replace(log.begin(), log.end(), '/', '_');
    pids_.push_back(pid_of(log, actor.name.starts_with("stubborn") ? 2 : 1));
    newest_ = pids_.back();
    return newest_;
  }
  [[nodiscard]] std::map<std::string, std::string> causes() const {
    std::map<std::string, std::string> causes;
    for (const scheduler::ActorExited& exit : exits_.all()) causes[exit.actor.describe()] = exit.cause.text;
    return causes;
  }

  const TemporaryFolder folder_;
  runtime::Duration grace_ = kPatience;
  runtime::Duration lease_ = kPatience;
  scheduler::Registered registered_{1, 7, 20, {}, {}};
  enum class Adopts { all, none };
  std::atomic<Adopts> adopts_ = Adopts::all;
  enum class Welcomes { at_once, later };
  std::atomic<Welcomes> welcomes_ = Welcomes::at_once;  // read by the head's turn
  runtime::ReplyTo waiting_;                            // the registration that is not answered yet
  std::vector<pid_t> pids_;                             // started before a registration
  std::atomic<int> sweeps_ = 0;
  std::atomic<pid_t> newest_ = 0;               // of the processes of runs()
  std::atomic<bool> newest_was_there_ = false;  // at the last sweep
  Heard<scheduler::RegisterNode> registrations_;
  Heard<scheduler::ActorExited> exits_;
  Heard<scheduler::NodeHeartbeat> beats_;
  Heard<Refuse> refusals_;
  Heard<scheduler::RecordEvent> events_;
  runtime::MemoryNetwork network_;
  runtime::Node head_{{.name = "head"},
                      runtime::make_threaded_parts(1, runtime::make_memory_transport(network_, "head"))};
  runtime::Node place_{{.name = "n"}, runtime::make_threaded_parts(1, runtime::make_memory_transport(network_, "n"))};
};

}  // namespace troupe::test
