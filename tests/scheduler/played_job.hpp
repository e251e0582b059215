#pragma once

#include "runtime/clock.hpp"
#include "scheduler/event_log.hpp"
#include "scheduler/head_actor.hpp"
#include "scheduler/scheduler_protocol.hpp"
#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

/// Makes an actor run what the test wrote down, as a turn of its own.
struct Play {
  static constexpr std::string_view kName = "test.play";
  template <class Archive>
  void serialize(Archive&) {}
};

/// A node agent played by the test: obeys, and remembers what it was told. Its actor registers and beats as a real one.
class PlayedAgent final {
public:
  PlayedAgent(runtime::DeterministicNetwork& network, runtime::DeterministicNode& head, std::string node,
              std::uint32_t incarnation)
      : name(std::move(node)),
        id{scheduler::agent_name(name), incarnation},
        place(network.add_node(name + "#" + std::to_string(incarnation))) {
    place.node().announce({{"head", 1}, head.endpoint()});
    const auto spawn = [this](const scheduler::SpawnActor&, runtime::Context& context) {
      if (obeys == Obeys::never) return (void)context.defer_reply();
      if (refusal.empty()) return context.reply(scheduler::Ack{});
      context.reply_failure({runtime::FailureKind::faulted, refusal});
    };
    const auto stop = [](const scheduler::StopAll&, runtime::Context& context) { context.reply(scheduler::Ack{}); };
    const auto play = [this](const Play&, runtime::Context& context) { script(context); };
    (void)place
        .try_spawn(id.name,
                   std::make_unique<ScriptedActor>(
                       runtime::Behavior{hears<scheduler::SpawnActor>(spawns, spawn),
                                         hears<scheduler::KillProcess>(kills), hears<scheduler::JoinAgain>(join_agains),
                                         hears<scheduler::StopAll>(stops, stop), hears<Play>(plays, play)}),
                   incarnation)
        .value();
  }

  /// Runs `turn` as a turn of the agent's actor.
  void act(std::function<void(runtime::Context&)> turn) {
    script = std::move(turn);
    (void)place.node().send(id.name, Play{});
    place.turns().run_all();
  }
  void join(std::uint32_t slots = 0) {
    act([this, slots](runtime::Context& context) {
      context.request<scheduler::Registered>(
          {"head", 0}, scheduler::RegisterNode{name, {id, place.endpoint()}, slots, held, ended},
          std::chrono::seconds(5), [this](runtime::Result<scheduler::Registered> answer, runtime::Context&) {
            if (answer) joined.add(*answer);
          });
    });
  }
  void beat() {
    act([this](runtime::Context& context) { (void)context.send("head", scheduler::NodeHeartbeat{name}); });
  }
  /// Asks the head for something: heard in `taken`, or `refused` says why not.
  template <runtime::Message M>
  void ask(const M& message, Heard<scheduler::Ack>& taken) {
    act([this, message, &taken](runtime::Context& context) {
      context.request<scheduler::Ack>({"head", 0}, message, std::chrono::seconds(20),
                                      [this, &taken](const runtime::Result<scheduler::Ack>& answer, runtime::Context&) {
                                        if (answer) return taken.add(*answer);
                                        refused = answer.failure().text;
                                      });
    });
  }
  /// Reports the end of an actor's process.
  void exited(const runtime::ActorId& actor, const std::string& cause) {
    act([this, actor, cause](runtime::Context& context) {
      (void)context.send("head", scheduler::ActorExited{actor, {runtime::FailureKind::faulted, cause}, 1, term});
    });
  }
  /// The head has died, and another one has taken its place.
  void follow(const runtime::DirectoryEntry& head) { place.node().announce(head); }
  [[nodiscard]] std::vector<runtime::ActorId> spawned() const {
    std::vector<runtime::ActorId> ids;
    for (const scheduler::SpawnActor& order : spawns.all()) ids.push_back(order.actor);
    return ids;
  }

  const std::string name;
  const runtime::ActorId id;
  runtime::DeterministicNode& place;
  std::uint32_t term = 1;                           ///< of the head that its processes are of
  std::vector<scheduler::RegisterNode::Held> held;  ///< what it says that it runs, when it joins
  std::vector<scheduler::ActorExited> ended;        ///< what it says that has ended
  std::string refused;                              ///< why the head did not do what it was asked for
  std::string refusal;                              ///< when not empty, nothing can be started here, for this reason
  enum class Obeys { at_once, never } obeys = Obeys::at_once;
  enum class Pulse { beating, paused } pulse = Pulse::beating;
  Heard<scheduler::SpawnActor> spawns;
  Heard<scheduler::KillProcess> kills;
  Heard<scheduler::JoinAgain> join_agains;
  Heard<scheduler::StopAll> stops;
  Heard<scheduler::Registered> joined;

private:
  Heard<Play> plays;
  std::function<void(runtime::Context&)> script;
};

/// A worker process played by the test: says ready, and confirms what it is told about the others.
class PlayedWorker final {
public:
  PlayedWorker(runtime::DeterministicNetwork& network, runtime::DeterministicNode& head, runtime::ActorId actor)
      : id(std::move(actor)), place(network.add_node(id.describe())) {
    place.node().announce({{"head", 1}, head.endpoint()});
    const auto update = [this](const scheduler::DirectoryUpdate&, runtime::Context& context) {
      if (ear == Ear::deaf) return (void)context.defer_reply();
      context.reply(scheduler::Ack{});
    };
    const auto play = [this](const Play&, runtime::Context& context) { say_ready(context); };
    (void)place
        .try_spawn(scheduler::member_name(id.name),
                   std::make_unique<ScriptedActor>(
                       runtime::Behavior{hears<scheduler::DirectoryUpdate>(updates, update), hears<Play>(plays, play)}),
                   id.incarnation)
        .value();
  }
  void ready() {
    (void)place.node().send(scheduler::member_name(id.name), Play{});
    place.turns().run_all();
  }

  void follow(const runtime::DirectoryEntry& head) { place.node().announce(head); }

  const runtime::ActorId id;
  runtime::DeterministicNode& place;
  std::uint32_t term = 1;  ///< of the head that had it started
  enum class Ear { hears, deaf } ear = Ear::hears;
  Heard<scheduler::DirectoryUpdate> updates;
  std::string answer;  ///< "taken", or why the head did not take it

private:
  void say_ready(runtime::Context& context) {
    const scheduler::WorkerReady message{{id, place.endpoint()}, {context.self(), place.endpoint()}, 4711, term};
    context.request<scheduler::Ack>({"head", 0}, message, std::chrono::seconds(10),
                                    [this](const runtime::Result<scheduler::Ack>& taken, runtime::Context&) {
                                      answer = taken ? "taken" : taken.failure().text;
                                    });
  }

  Heard<Play> plays;
};

/// A job led by a real head: its agents, workers and driver are played, its time and its mail are the test's.
class PlayedJob : public testing::Test {
protected:
  /// Starts the head; `change` may change the job before.
  void lead(std::vector<std::string> actors, const std::function<void(scheduler::JobSpec&)>& change = {}) {
    spec_.job = 7;
    spec_.actors = std::move(actors);
    spec_.driver = "driver";
    spec_.run_directory = folder_.path();
    spec_.job_text = "the job";
    if (change) change(spec_);
    start_head(head_, 1);
  }
  /// The head dies, and another one returns with what that has written, at a place of its own. Who lives hears of it.
  runtime::DeterministicNode& return_head() {
    runtime::DeterministicNode& before = leader();
    const std::uint32_t incarnation = ++returns_ + 1;
    leader_ = &network_.add_node("head-" + std::to_string(incarnation));
    before.shutdown();
    log_.reset();
    start_head(*leader_, incarnation);
    const runtime::DirectoryEntry entry{{"head", incarnation}, leader_->endpoint()};
    for (PlayedAgent& each : agents_) each.follow(entry);
    for (PlayedWorker& each : workers_) each.follow(entry);
    return *leader_;
  }
  PlayedAgent& agent(const std::string& node, std::uint32_t incarnation = 1) {
    return agents_.emplace_back(network_, head_, node, incarnation);
  }
  /// An agent that has joined.
  PlayedAgent& joined_agent(const std::string& node, std::uint32_t incarnation = 1) {
    PlayedAgent& made = agent(node, incarnation);
    made.join();
    network_.deliver_all();
    return made;
  }
  PlayedWorker& worker(const runtime::ActorId& actor) {
    PlayedWorker& made = workers_.emplace_back(network_, head_, actor);
    if (leader_ != nullptr) made.follow({{"head", returns_ + 1}, leader_->endpoint()});
    return made;
  }
  /// A worker that has said ready.
  PlayedWorker& ready_worker(const runtime::ActorId& actor) {
    PlayedWorker& made = worker(actor);
    made.ready();
    network_.deliver_all();
    return made;
  }

  /// Runs `turn` as a turn of the driver.
  void drive(std::function<void(runtime::Context&)> turn) {
    script_ = std::move(turn);
    (void)leader().node().send("driver", Play{});
    leader().turns().run_all();
  }

  /// Time passes in steps of a heartbeat; the agents that are not paused beat, and all mail arrives.
  void pass(runtime::Duration time) {
    constexpr runtime::Duration kBeat = std::chrono::milliseconds(300);
    for (runtime::Duration left = time; left.count() > 0; left -= kBeat) {
      network_.advance(std::min(left, kBeat));
      for (PlayedAgent& each : agents_) {
        if (each.pulse == PlayedAgent::Pulse::beating) each.beat();
      }
      network_.deliver_all();
    }
  }
  /// Only what is due now: the head looks after its actors every 20 ms.
  void tick() {
    network_.advance(std::chrono::milliseconds(20));
    network_.deliver_all();
  }

  [[nodiscard]] runtime::DeterministicNode& leader() { return leader_ == nullptr ? head_ : *leader_; }

  [[nodiscard]] std::size_t count_events(const std::string& event) const {
    std::size_t count = 0;
    for (const std::string& line : read_lines(folder_.path() / "events.jsonl")) {
      if (line.find("\"event\":\"" + event + "\"") != std::string::npos) ++count;
    }
    return count;
  }

  void start_head(runtime::DeterministicNode& place, std::uint32_t incarnation) {
    log_.emplace(folder_.path() / "head.log");
    (void)place
        .try_spawn("driver",
                   std::make_unique<ScriptedActor>(runtime::Behavior{
                       hears<scheduler::AllUp>(all_up_), hears<scheduler::ActorLost>(lost_),
                       hears<scheduler::JobFailed>(failed_), hears<runtime::PlacementWaits>(waits_),
                       hears<Play>(plays_, [this](const Play&, runtime::Context& context) { script_(context); })}),
                   incarnation)
        .value();
    (void)place.try_spawn("head", std::make_unique<scheduler::HeadActor>(spec_, events_, *log_), incarnation).value();
  }

  const TemporaryFolder folder_;
  scheduler::JobSpec spec_;
  const runtime::SteadyClock clock_;
  scheduler::EventLog events_{folder_.path() / "events.jsonl", clock_};
  std::optional<scheduler::HeadLog> log_;  // of the head that leads
  std::uint32_t returns_ = 0;
  Heard<scheduler::AllUp> all_up_;
  Heard<scheduler::ActorLost> lost_;
  Heard<scheduler::JobFailed> failed_;
  Heard<runtime::PlacementWaits> waits_;
  Heard<Play> plays_;
  std::function<void(runtime::Context&)> script_;
  std::deque<PlayedAgent> agents_;  // before the network: they are heard of until its nodes are gone
  std::deque<PlayedWorker> workers_;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& head_ = network_.add_node("head");
  runtime::DeterministicNode* leader_ = nullptr;  // where the head is that has returned
};

}  // namespace troupe::test
