#pragma once

#include "actors/trainer_actor.hpp"
#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/tiny_job.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

inline constexpr std::uint64_t kTrainingSamples = 40;
inline constexpr std::uint64_t kValidationSamples = 4;  // two batches

/// What every stage of a job votes for a step: losses and squares differ from step to step.
[[nodiscard]] inline std::vector<actors::StepVote> votes_of(const actors::JobConfig& job, std::uint32_t epoch,
                                                            std::uint32_t step, double loss = 4.0) {
  std::vector<actors::StepVote> votes;
  for (std::uint32_t replica = 0; replica < job.layout.replicas; ++replica) {
    actors::StepVote vote{epoch, step, replica, 0, {}, {}, 0.1};
    for (std::uint32_t i = 0; i < job.micro_batches_per_replica(); ++i) {
      vote.losses.push_back({replica * job.micro_batches_per_replica() + i, loss + 0.01 * step, 1, 16});
    }
    if (replica == 0) vote.squares = {{0, 4.0}, {1, 5.0}};
    votes.push_back(vote);
  }
  return votes;
}

/// A real trainer, and ears in the place of two replicas of one stage, their data actors, the server and the head.
class Training {
public:
  explicit Training(const actors::JobConfig& what) : job(what) {
    node_.spawn<ScriptedActor>("head", runtime::Behavior{hears(events), hears(kills)});
    node_.spawn<ScriptedActor>("ps", runtime::Behavior{loads(), hears(commits), saves()});
    for (std::uint32_t replica = 0; replica < 2; ++replica) {
      start_stage(replica, 1);
      node_.spawn<ScriptedActor>(actors::data_name(replica), runtime::Behavior{hears(served), hears(evaluations)});
    }
    const actors::JobPlan plan(job, kTrainingSamples, kValidationSamples);
    const actors::TrainerParts parts{
        job, plan, {kTrainingSamples, job.data.seed}, folder.path(), actors::FaultPlan({})};
    const actors::TrainingListener listener{[this](const actors::TrainingProgress& heard) {
                                              progress = heard;
                                              news.push_back(heard.news);
                                            },
                                            [this](const actors::TrainingEnd& end) { ends.push_back(end); }};
    (void)node_.try_spawn("trainer", std::make_unique<actors::TrainerActor>(parts, listener), 1).value();
  }

  template <class M>
  void tell(const M& message) {
    (void)node_.node().send("trainer", message).value();
    network_.run_turns();
  }
  template <class M>
  void tell_all(const std::vector<M>& messages) {
    for (const M& message : messages) tell(message);
  }
  void all_up() {
    runtime::AllUp up;
    for (const std::string& name : actors::JobPlan::names_of(job.layout)) {
      up.actors.push_back({name, name == actors::stage_name(0, 0) ? first_stage_ : 1});
    }
    tell(up);
  }
  /// The process of the first stage ends; the head has not said so yet.
  void end_first_stage() {
    (void)node_.stop(actors::stage_name(0, 0)).value();
    network_.run_turns();
  }
  /// It runs again; the head has not said so yet.
  void start_first_stage_again() { start_stage(0, ++first_stage_); }
  void let_time_pass(runtime::Duration time) { network_.advance(time); }
  void lose(const std::string& name) {
    tell(runtime::ActorLost{{name, 1}, {runtime::FailureKind::faulted, "killed by SIGKILL"}});
  }
  /// The stages leave LoadState unanswered from now on, until answer_loads() or answer_loads_of().
  void hold_loads() { loads_ = Loads::held; }
  void answer_loads() {
    loads_ = Loads::answered;
    answer_held([](const actors::StateLoaded&) { return true; });
  }
  /// Those of that epoch only; the others, and what comes, are left unanswered.
  void answer_loads_of(std::uint32_t epoch) {
    answer_held([epoch](const actors::StateLoaded& done) { return done.epoch == epoch; });
  }
  void fail_loads() { loads_ = Loads::failing; }
  /// The stages leave SaveShard unanswered from now on.
  void hold_saves() { saves_ = Saves::held; }
  [[nodiscard]] std::vector<nlohmann::ordered_json> lines(const std::string& name) const {
    std::vector<nlohmann::ordered_json> lines;
    for (const std::string& line : read_lines(folder.path() / name))
      lines.push_back(nlohmann::ordered_json::parse(line));
    return lines;
  }
  /// Steps of the commits heard, in order; each of them goes to both replicas.
  [[nodiscard]] std::vector<std::uint32_t> committed() const {
    std::vector<std::uint32_t> steps;
    for (const actors::Commit& commit : commits.all()) steps.push_back(commit.step);
    return steps;
  }
  [[nodiscard]] bool has_news(const std::string& text) const {
    return std::ranges::any_of(news, [&text](const std::string& line) { return line.find(text) != std::string::npos; });
  }

  const actors::JobConfig job;
  TemporaryFolder folder;
  Heard<actors::LoadState> loaded;
  Heard<actors::RunSteps> runs;
  Heard<actors::Commit> commits;
  Heard<actors::SaveShard> saved;
  Heard<actors::ServeSteps> served;
  Heard<actors::ServeEvaluation> evaluations;
  Heard<runtime::RecordEvent> events;
  Heard<runtime::KillActor> kills;
  actors::TrainingProgress progress;  // heard last
  std::vector<std::string> news;
  std::vector<actors::TrainingEnd> ends;

private:
  void start_stage(std::uint32_t replica, std::uint32_t incarnation) {
    runtime::Behavior behavior{loads(), hears(runs), hears(commits), saves()};
    auto stage = std::make_unique<ScriptedActor>(std::move(behavior));
    (void)node_.try_spawn(actors::stage_name(replica, 0), std::move(stage), incarnation).value();
  }
  runtime::Behavior::Entry loads() {
    return hears<actors::LoadState>(loaded, [this](const actors::LoadState& message, runtime::Context& context) {
      const actors::StateLoaded done{message.epoch, message.step};
      if (loads_ == Loads::failing) throw std::runtime_error("the checkpoint is of another world");
      if (loads_ == Loads::answered) return context.reply(done);
      held_.emplace_back(context.defer_reply(), done);
    });
  }
  /// The disk is full, always: training goes on without checkpoints.
  runtime::Behavior::Entry saves() {
    return hears<actors::SaveShard>(saved, [this](const actors::SaveShard&, runtime::Context& context) {
      if (saves_ == Saves::held) return (void)context.defer_reply();
      context.reply_failure({runtime::FailureKind::unknown, "No space left on device"});
    });
  }
  void answer_held(const std::function<bool(const actors::StateLoaded&)>& meant) {
    const auto answer = [this, &meant](runtime::Context& context) {
      for (const auto& [asker, done] : held_) {
        if (meant(done)) context.reply_to(asker, done);
      }
      std::erase_if(held_, [&meant](const auto& held) { return meant(held.second); });
    };
    node_.spawn<ScriptedActor>("answerer" + std::to_string(++answerers_), runtime::Behavior{}, answer);
    network_.run_turns();
  }

  enum class Loads { answered, held, failing } loads_ = Loads::answered;
  enum class Saves { refused, held } saves_ = Saves::refused;
  std::uint32_t first_stage_ = 1;  // its incarnation
  int answerers_ = 0;
  std::vector<std::pair<runtime::ReplyTo, actors::StateLoaded>> held_;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& node_ = network_.add_node("node");
};

[[nodiscard]] inline actors::JobConfig two_replicas(actors::Exchange exchange = actors::Exchange::allreduce) {
  actors::JobConfig job = tiny_job(1, 2);
  job.train.steps = 4;
  job.layout.exchange = exchange;
  job.layout.recovery = actors::Recovery::checkpoint;  // the stages played here keep nothing
  return job;
}

}  // namespace troupe::test
