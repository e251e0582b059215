#include "console/job_runner.hpp"

#include "actors/actor_types.hpp"
#include "actors/fault/message_faults.hpp"
#include "actors/fault/random_killer.hpp"
#include "actors/sample_source.hpp"
#include "actors/trainer_actor.hpp"
#include "console/job/job_end.hpp"
#include "console/job_key.hpp"
#include "console/progress.hpp"
#include "runtime/node.hpp"
#include "runtime/observe/log.hpp"
#include "runtime/transport/zmq_transport.hpp"
#include "runtime/watch.hpp"
#include "scheduler/event_log.hpp"
#include "scheduler/head_actor.hpp"

#include <signal.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <future>
#include <iostream>
#include <thread>

/// Where the layers meet: head and trainer in one node, a progress line, and one clean end.
namespace troupe::console {
namespace {

using actors::TrainingEnd;
using actors::TrainingProgress;

constexpr runtime::Duration kEndDeadline = std::chrono::seconds(20);
constexpr runtime::Duration kShutdownDeadline = std::chrono::seconds(5);

/// Of a job's processes: nodes outlive a job, and tell what its processes did apart from what those of the next do.
std::uint32_t term_of(std::uint64_t job) {
  return static_cast<std::uint32_t>(job);
}

/// Ctrl-C and SIGTERM, which the process that started this one passes on, mean: stop at the step border. Blocked before
/// any thread starts and waited for in a thread of its own, so that nothing runs inside a signal handler.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal_number : {SIGINT, SIGTERM, SIGUSR2}) sigaddset(&signals, signal_number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

/// The one end of a job, whoever is first to know it.
class Ending final {
public:
  void say(const TrainingEnd& end) {
    if (!said_.test_and_set()) end_.set_value(end);
  }
  TrainingEnd wait() { return end_.get_future().get(); }

private:
  std::promise<TrainingEnd> end_;
  std::atomic_flag said_ = ATOMIC_FLAG_INIT;
};

/// The first asks the trainer; the second does not wait for it any more.
class SignalThread final {
public:
  SignalThread(const sigset_t& signals, runtime::Node& node, Ending& ending)
      : thread_([this, signals, &node, &ending] {
          int received = 0;
          for (int count = 1; sigwait(&signals, &received) == 0 && !ending_; ++count) {
            const std::string name = received == SIGINT ? "Ctrl-C" : "SIGTERM";
            if (count == 1) {
              (void)node.send(actors::kTrainerName, actors::StopTraining{name});
            } else {
              ending.say({TrainingEnd::Kind::stopped, 0,
                          name + " again: ended at once, what came after the newest complete checkpoint is lost"});
            }
          }
        }) {}
  ~SignalThread() {
    ending_ = true;
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
  }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

private:
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

ProgressState to_state(const TrainingProgress& progress, double elapsed) {
  ProgressState state;
  state.step = progress.step;
  state.steps = progress.total_steps;
  state.epoch = progress.epoch;
  if (progress.tokens_per_second > 0) {  // a step was done since the start
    state.loss = progress.loss;
    state.accuracy = progress.accuracy;
    state.tokens_per_second = progress.tokens_per_second;
    state.eta_seconds = progress.seconds_left;
  }
  state.validation_loss = progress.validation_loss;
  state.elapsed = elapsed;
  for (const auto& [name, up] : progress.actors) {
    if (name.starts_with("stage/")) state.stages.push_back({name, up ? "running" : "down", ""});
  }
  return state;
}

/// Where this head listens. One that returns must be found where the one before it was, also when any port would do.
std::string listen_of(const JobOptions& options, const Lead& lead) {
  if (options.listen.empty()) return local_head_endpoint(lead.sockets);
  const auto before = lead.incarnation > 1 ? read_head_info(options.folder) : std::nullopt;
  if (!before || !options.listen.ends_with(":*")) return options.listen;
  return options.listen.substr(0, options.listen.size() - 2) + before->endpoint.substr(before->endpoint.rfind(':'));
}

std::unique_ptr<runtime::Transport> make_transport(const JobOptions& options, const Lead& lead) {
  runtime::ZmqTransportOptions transport;
  transport.listen = listen_of(options, lead);
  transport.key = key_for(transport.listen);
  transport.node_name = "head";
  transport.incarnation = lead.incarnation;
  transport.job = options.listen.empty() ? lead.job : 0;
  const runtime::ActorId trainer{std::string(actors::kTrainerName), lead.incarnation};
  transport.faults = actors::faults_of_messages(actors::FaultPlan::from_environment(), trainer);
  return runtime::make_zmq_transport(std::move(transport));
}

scheduler::JobSpec job_spec(const JobOptions& options, const Lead& lead) {
  scheduler::JobSpec spec;
  spec.job = options.listen.empty() ? lead.job : 0;
  spec.term = term_of(lead.job);
  spec.actors = lead.plan.actor_names();
  spec.driver = std::string(actors::kTrainerName);
  spec.nodes_wanted = options.nodes_wanted;
  spec.run_directory = options.folder.root;
  spec.job_text = actors::render_job_config(options.job);
  return spec;
}

runtime::ActorId spawn_or_throw(runtime::Node& node, std::string name, std::unique_ptr<runtime::Actor> actor,
                                std::uint32_t incarnation) {
  const auto spawned = node.spawn(std::move(name), std::move(actor), {.incarnation = incarnation});
  if (!spawned) throw std::runtime_error(spawned.failure().describe());
  return *spawned;
}

/// The trainer's words, shown as they come. Called from the trainer's turn only.
struct Screen {
  explicit Screen(const JobOptions& options)
      : printer(options.talk == JobOptions::Talk::quiet ? ProgressPrinter::Mode::quiet : progress_mode_for_stderr()) {}

  void show(const TrainingProgress& progress) {
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    step = progress.step;
    if (!progress.news.empty()) printer.say(progress.news);
    printer.show(to_state(progress, elapsed));
  }

  ProgressPrinter printer;
  std::atomic<std::uint32_t> step = 0;  // the last that was shown; a dead trainer cannot be asked
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
};

/// Ends the job when an actor of this process fails: what it could not do, it cannot do the next time either.
class JobGuard final : public runtime::Actor {
public:
  JobGuard(Ending& ending, std::vector<runtime::ActorId> guarded) : ending_(ending), guarded_(std::move(guarded)) {}
  runtime::Behavior behavior() override { return {runtime::on(this, &JobGuard::someone_down)}; }
  void on_start(runtime::Context& context) override {
    for (const runtime::ActorId& actor : guarded_) context.watch(actor);
  }

private:
  void someone_down(const runtime::ActorDown& message, runtime::Context&) {
    ending_.say({TrainingEnd::Kind::failed, 0, message.actor.name + ": " + message.cause.text});
  }

  Ending& ending_;  // outlives the node
  const std::vector<runtime::ActorId> guarded_;
};

/// One for each rule of random kills.
void spawn_random_killers(runtime::Node& node, const actors::FaultPlan& faults, const Lead& lead) {
  std::uint32_t count = 0;
  for (const actors::FaultRule& rule : faults.rules()) {
    if (!rule.is_random()) continue;
    const std::string name = std::string(actors::kRandomKillerName) + "/" + std::to_string(++count);
    spawn_or_throw(node, name, std::make_unique<actors::RandomKiller>(rule, faults.journal(), lead.plan.actor_names()),
                   lead.incarnation);
  }
}

nlohmann::ordered_json describe_start(const JobOptions& options, const actors::JobPlan& plan) {
  return {{"run_directory", options.folder.root.string()}, {"pid", getpid()}, {"actors", plan.actor_names()}};
}

std::string command_that_joins(const std::string& head, const std::string& key) {
  return "troupe node --join " + head + " --listen 'tcp://OWN_ADDRESS:*'" + (key.empty() ? "" : " --key " + key);
}

}  // namespace

std::string local_head_endpoint(const std::filesystem::path& sockets) {
  return "ipc://" + (sockets / "head").string();
}

TrainingEnd lead_job(const JobOptions& options, const Lead& lead) {
  const sigset_t signals = block_stop_signals();
  // The progress line tells of deaths and restarts itself.
  runtime::log_to_stderr("err");
  const actors::FaultPlan faults = actors::FaultPlan::from_environment();
  Ending ending;
  Screen screen(options);  // as all the trainer borrows: it ends with the node
  const runtime::SteadyClock clock;
  scheduler::EventLog events(options.folder.events(), clock);
  scheduler::HeadLog log(options.folder.head_log());

  runtime::NodeOptions node_options;
  node_options.name = "head";
  node_options.term = term_of(lead.job);
  node_options.status_directory = options.folder.status_pages();
  runtime::Node node(node_options, runtime::make_threaded_parts(2, make_transport(options, lead)));
  const auto started = node.start();
  if (!started) throw std::runtime_error(started.failure().describe());
  write_head_info(options.folder, {node.endpoint(), static_cast<int>(getpid()), "running", scheduler::wall_time(),
                                   options.listen.empty() ? lead.job : 0, options.key});

  if (options.agent == JobOptions::Agent::remote && lead.incarnation == 1) {
    screen.printer.say("waiting for " + std::to_string(options.nodes_wanted) +
                       " node(s); on each: " + command_that_joins(node.endpoint(), options.key));
  }
  const actors::TrainingListener listener{[&screen](const TrainingProgress& progress) { screen.show(progress); },
                                          [&ending](const TrainingEnd& end) { ending.say(end); }};
  if (lead.incarnation == 1) events.record("job_started", describe_start(options, lead.plan));
  std::vector<runtime::ActorId> guarded;
  guarded.push_back(spawn_or_throw(
      node, std::string(actors::kTrainerName),
      std::make_unique<actors::TrainerActor>(
          actors::TrainerParts{options.job, lead.plan, lead.order, options.folder.root, faults, lead.job}, listener),
      lead.incarnation));
  const SignalThread signal_thread(signals, node, ending);  // the trainer must be there to hear of a signal
  guarded.push_back(spawn_or_throw(node, std::string(runtime::kHeadName),
                                   std::make_unique<scheduler::HeadActor>(job_spec(options, lead), events, log),
                                   lead.incarnation));
  spawn_random_killers(node, faults, lead);
  spawn_or_throw(node, "guard", std::make_unique<JobGuard>(ending, std::move(guarded)), lead.incarnation);

  TrainingEnd end = ending.wait();
  const auto stopped =
      node.request<scheduler::Ack>(runtime::kHeadName, scheduler::EndJob{state_word(end.kind)}, kEndDeadline);
  node.shutdown(kShutdownDeadline);
  screen.printer.finish();  // the trainer may show something until here
  if (end.step == 0) end.step = screen.step;
  if (!stopped) std::cerr << "troupe: " << stopped.failure().within("ending the job's processes").describe() << "\n";
  return end;
}

}  // namespace troupe::console
