#include "scheduler/node_agent.hpp"

#include "runtime/node.hpp"
#include "runtime/observe/status_page.hpp"
#include "runtime/transport/shm_directory.hpp"
#include "scheduler/worker_input.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace troupe::scheduler {
namespace {

using runtime::Failure;
using runtime::FailureKind;

constexpr runtime::Duration kAgentTick = std::chrono::milliseconds(50);
constexpr runtime::Duration kRegisterDeadline = std::chrono::seconds(5);
constexpr runtime::Duration kRegisterAgain = std::chrono::milliseconds(50);
// While actors wait for a head to come back, which takes one some 100 ms.
constexpr runtime::Duration kSeekAgain = std::chrono::milliseconds(50);
// Of a cause of death that is told with the registration, which must fit into one message.
constexpr std::size_t kMaxToldCause = 300;
constexpr std::chrono::seconds kYear2025{1'735'689'600};  // since 1970, the epoch of system_clock

std::string file_name(const std::string& actor) {
  std::string name = actor;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

/// What the actor itself said before its process ended: the text of the exception that stopped it, if it was one. A
/// page of another process is of an earlier run in the same folder.
runtime::Snapshot last_words(const std::filesystem::path& run_directory, const runtime::ActorId& actor,
                             std::int64_t process) {
  for (const runtime::Snapshot& page : runtime::read_status_pages(run_directory / "actors")) {
    if (page.actor == actor && page.process == process) return page;
  }
  return {};
}

}  // namespace

std::uint32_t node_incarnation(std::chrono::system_clock::time_point now) {
  return static_cast<std::uint32_t>((now.time_since_epoch() - kYear2025) / kNodeIncarnationTick);
}

NodeAgent::NodeAgent(NodeAgentOptions options, runtime::Node& node, Sweep sweep)
    : options_(std::move(options)), sweep_(std::move(sweep)), care_(options_.node, options_.hangs) {
  const std::string self = agent_name(options_.node);
  watch_ = std::make_unique<ProcessWatch>(
      [&node, self](pid_t pid, const Failure& cause) {
        (void)node.send(self, ProcessEnded{pid, cause});  // refused only when the agent itself is gone
      },
      options_.server);
}

runtime::Behavior NodeAgent::behavior() {
  using runtime::on;
  return {on(this, &NodeAgent::spawn),         on(this, &NodeAgent::kill_process), on(this, &NodeAgent::stop_all),
          on(this, &NodeAgent::process_ended), on(this, &NodeAgent::tick),         on(this, &NodeAgent::someone_down),
          on(this, &NodeAgent::join_again)};
}

void NodeAgent::on_start(runtime::Context& context) {
  tick({}, context);
}

void NodeAgent::on_stop(runtime::Context&) {
  watch_.reset();  // kills and reaps what still runs; nobody hears of these deaths any more
  states_.reset();
  sweep_();
}

void NodeAgent::register_with_head(runtime::Context& context) {
  link_ = Link::asked;
  RegisterNode registration{options_.node, {context.self(), context.node().endpoint()}, options_.slots, {}, {}};
  for (auto& [pid, running] : running_) {
    registration.held.push_back({running.actor, pid, running.term});
    running.offer = Running::Offer::made;
  }
  registration.ended = unreported_;
  context.request<Registered>(
      {std::string(kHeadName), 0}, registration, kRegisterDeadline,
      [this, told = registration.ended.size()](runtime::Result<Registered> answer, runtime::Context& turn) {
        if (answer) {
          unreported_.erase(unreported_.begin(), unreported_.begin() + static_cast<std::ptrdiff_t>(told));
          return registered(*answer, turn);
        }
        // Each reason once: while a head is not there yet, it stays the same.
        if (const std::string why = answer.failure().describe(); why != register_failure_) {
          const bool may_be_early = answer.failure().kind == FailureKind::disconnected;  // there is no head yet
          spdlog::log(
              may_be_early ? spdlog::level::info : spdlog::level::warn,
              "event=register_failed cause=\"{}\" next=\"it asks again; does a head listen where --join says?\"", why);
          register_failure_ = why;
        }
        seek_head(turn);  // it may have heard, and placed actors, and only its answer be lost
      });
}

void NodeAgent::registered(const Registered& answer, runtime::Context& context) {
  link_ = Link::joined;
  job_ = Job::running;
  lease_.reset();
  register_failure_.clear();
  beat_every_ = std::chrono::milliseconds(answer.heartbeat_ms);
  context.node().announce(answer.head);
  context.watch(answer.head.actor);
  for (auto& [pid, running] : running_) {
    const bool is_adopted = std::ranges::find(answer.adopted, running.actor) != answer.adopted.end();
    const bool is_known = std::exchange(running.offer, Running::Offer::unknown) == Running::Offer::unknown;
    if (is_adopted || is_known) continue;  // known: this head has placed it since
    spdlog::warn("event=not_adopted actor={}", running.actor.describe());
    watch_->signal(pid, SIGKILL);
  }
  spdlog::info("event=node_joined node={} term={} head={}", options_.node, answer.term, answer.head.actor.describe());
}

void NodeAgent::tick(const AgentTick&, runtime::Context& context) {
  const runtime::TimePoint now = context.now();
  if (lease_ && now >= *lease_) {
    spdlog::warn("event=lease_over running={}", running_.size());
    leave_head(context);
  }
  const bool may_register = lease_.has_value() || (running_.empty() && stops_.empty());
  if (link_ == Link::searching && may_register && now - last_beat_ >= (lease_ ? kSeekAgain : kRegisterAgain)) {
    last_beat_ = now;
    register_with_head(context);
  }
  if (link_ == Link::joined && now - last_beat_ >= beat_every_) {
    last_beat_ = now;
    (void)context.send(kHeadName, NodeHeartbeat{options_.node});  // a lost beat is what the head looks for
  }
  if (kill_at_ && now >= *kill_at_) {
    signal_all(SIGKILL);
    kill_at_.reset();
  }
  for (const pid_t hung : care_.look(now)) watch_->signal(hung, SIGKILL);
  answer_stops(context);
  context.after(kAgentTick, AgentTick{});
}

void NodeAgent::spawn(const SpawnActor& message, runtime::Context& context) {
  if (link_ == Link::searching) {
    context.reply_failure(
        {FailureKind::disconnected, "node " + options_.node + " has left the head and will join again"});
    return;
  }
  const std::filesystem::path run_directory = message.run_directory;
  ProcessSpec spec;
  spec.program = options_.program;
  spec.arguments = {"worker", message.actor.name};
  spec.input = spec.input = render_worker_input({message.actor, message.job, message.term, message.head_endpoint,
                                                 message.head_incarnation, message.run_directory, options_.listen,
                                                 message.job_text, state_folder(message.run_directory)});
  spec.log = run_directory / "logs" / (file_name(message.actor.name) + ".log");
  const runtime::Result<pid_t> pid = watch_->start(spec);
  if (!pid) {
    context.reply_failure(pid.failure().within("node " + options_.node));
    return;
  }
  running_[*pid] = Running{message.actor, run_directory, message.term, Running::Offer::unknown};
  care_.started(*pid, message.actor, run_directory, context.now());
  context.reply(Ack{});
}

/// Made with the first actor of a run; an agent has one run at a time.
std::string NodeAgent::state_folder(const std::string& run_directory) {
  if (run_ != run_directory) {
    run_ = run_directory;
    states_.reset();
    auto opened = StateFolder::open(runtime::shared_memory_directory(), run_directory, options_.node);
    if (opened) {
      states_ = std::move(opened).value();
    } else {
      spdlog::warn("event=no_state_folder cause=\"{}\" next=\"restarted stages get their state elsewhere\"",
                   opened.failure().text);
    }
  }
  return states_ ? states_->path().string() : std::string();
}

void NodeAgent::kill_process(const KillProcess& message, runtime::Context&) {
  for (const auto& [pid, running] : running_) {
    if (running.actor == message.actor) watch_->signal(pid, SIGKILL);
  }
}

void NodeAgent::signal_all(int signal_number) {
  for (const auto& [pid, running] : running_) watch_->signal(pid, signal_number);
}

void NodeAgent::stop_all(const StopAll&, runtime::Context& context) {
  job_ = Job::ended;
  stops_.push_back(context.defer_reply());
  if (!running_.empty()) {
    signal_all(SIGTERM);
    kill_at_ = context.now() + options_.grace;
  }
  answer_stops(context);
}

void NodeAgent::answer_stops(runtime::Context& context) {
  if (!running_.empty() || stops_.empty()) return;
  states_.reset();  // the job is over
  run_.clear();
  for (const runtime::ReplyTo& stop : stops_) context.reply_to(stop, Ack{});
  stops_.clear();
}

void NodeAgent::process_ended(const ProcessEnded& message, runtime::Context& context) {
  const auto found = running_.find(static_cast<pid_t>(message.process));
  if (found == running_.end()) return;
  const Running ended = found->second;
  running_.erase(found);
  if (running_.empty()) kill_at_.reset();  // or the processes of a later job would be killed with these
  sweep_();
  Failure cause = message.cause;
  const runtime::Snapshot last = last_words(ended.run_directory, ended.actor, message.process);
  if (!last.failure.empty()) cause.text = last.failure + " (" + cause.text + ")";
  cause = care_.whole_cause(static_cast<pid_t>(message.process), std::move(cause));
  const ActorExited report{ended.actor, cause, message.process, ended.term, {last.phase, last.step, last.micro_batch}};
  if (link_ == Link::joined) {
    (void)context.send(kHeadName, report);  // lost with the link: the next registration shows that it is gone
  } else {
    unreported_.push_back(report);
    std::string& told = unreported_.back().cause.text;
    if (told.size() > kMaxToldCause) told.resize(kMaxToldCause);
  }
  bury(static_cast<pid_t>(message.process), report, context);
  answer_stops(context);
}

/// After the report, which the actor's restart waits for.
void NodeAgent::bury(pid_t process, const ActorExited& report, runtime::Context& context) {
  if (job_ == Job::ended) return care_.forget(process);
  const auto file = care_.bury(process, report.cause, context.now());
  if (!file) return spdlog::warn("event=no_post_mortem cause=\"{}\"", file.failure().text);
  const nlohmann::ordered_json fields{
      {"actor", report.actor.name}, {"incarnation", report.actor.incarnation}, {"file", file->string()}};
  (void)context.send(kHeadName, RecordEvent{"post_mortem", fields.dump()});  // the file is there without the event too
}

void NodeAgent::someone_down(const runtime::ActorDown& message, runtime::Context& context) {
  if (message.actor.name != kHeadName) return;
  const bool is_over = job_ == Job::ended;  // then a head goes as it should
  spdlog::log(is_over ? spdlog::level::info : spdlog::level::warn, "event={} cause=\"{}\" running={}",
              is_over ? "head_gone" : "head_lost", message.cause.describe(), running_.size());
  // One that failed or ended does not come back; one to which the link is lost may have been killed, and does.
  const bool may_return = !is_over && message.cause.kind == FailureKind::disconnected && !is_orderly_end(message.cause);
  return may_return ? seek_head(context) : leave_head(context);
}

void NodeAgent::join_again(const JoinAgain&, runtime::Context& context) {
  if (link_ != Link::joined) return;  // on the way already
  spdlog::warn("event=given_up_by_head node={} running={}", options_.node, running_.size());
  seek_head(context);
}

void NodeAgent::seek_head(runtime::Context& context) {
  link_ = Link::searching;
  if (running_.empty() || lease_ || kill_at_) return;
  lease_ = context.now() + options_.lease;
  last_beat_ = {};  // at once
}

void NodeAgent::leave_head(runtime::Context& context) {
  link_ = Link::searching;
  lease_.reset();
  if (running_.empty()) return;
  signal_all(SIGTERM);
  kill_at_ = context.now() + options_.grace;
}

}  // namespace troupe::scheduler
