#pragma once

#include "actors/data_actor.hpp"
#include "actors/server_actor.hpp"
#include "actors/stage_actor.hpp"
#include "actors/trainer_actor.hpp"
#include "gpt2/numerics.hpp"
#include "gpt2/store/checkpoint.hpp"
#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/tiny_job.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

/// What a training leaves: equal text means equal bits.
struct Trained {
  std::vector<std::string> figures;  ///< loss and norm of each step
  std::vector<std::string> samples;  ///< of each step
  std::string digest;                ///< of the last checkpoint
  std::string end;                   ///< empty, or why it did not finish
};

/// A whole job in this thread: the real trainer, stages, data actors and server on one deterministic node, and the test
/// in the place of the head. Actors may be killed between any two turns; what they keep in their node's memory stays.
class TinyTraining final {
public:
  explicit TinyTraining(actors::JobConfig what) : job_(std::move(what)) {
    gpt2::fix_numerics(1);
    write_text(folder_, job_);
    const actors::SampleSource source(job_);
    plan_ = std::make_unique<actors::JobPlan>(job_, source.training_samples(), source.validation_samples());
    samples_ = source.training_samples();
    trained_.end = "it did not end";
    node_.spawn<ScriptedActor>("head", runtime::Behavior{hears(events_)});
    for (const std::string& name : plan_->actor_names()) incarnations_[name] = 0;
    for (const auto& [name, incarnation] : incarnations_) start(name);
    start_trainer();
    tell_all_up();
  }

  /// False when nothing is left to do.
  bool run_turn() { return node_.turns().run_one(); }
  void run() { network_.run_turns(); }

  /// The actor's process ends at its next turn, and the head tells the trainer. The trainer: the head's process ends.
  void kill(const std::string& name) {
    const runtime::ActorId victim{name, name == actors::kTrainerName ? trainers_ : incarnations_.at(name)};
    node_.node().stop_later(victim, runtime::StopMode::now);
    down_.insert(name);
    if (name == actors::kTrainerName || down_.contains(std::string(actors::kTrainerName))) return;
    (void)node_.node().send(actors::kTrainerName,
                            runtime::ActorLost{victim, {runtime::FailureKind::faulted, "killed by SIGKILL"}});
  }
  /// All that were killed run again, and the trainer hears so; until then the others have gone as far as they get.
  void restart() {
    run();  // those who were killed end before the next of their name begin
    for (const std::string& name : std::set<std::string>(down_)) {
      if (name != actors::kTrainerName) start(name);
    }
    if (down_.contains(std::string(actors::kTrainerName))) start_trainer();
    down_.clear();
    tell_all_up();
  }
  /// As Ctrl-C does.
  void stop() { (void)node_.node().send(actors::kTrainerName, actors::StopTraining{"Ctrl-C"}).value(); }
  /// What an actor keeps in its node's memory is gone: it comes back on another node.
  void lose_memory(const std::string& name) {
    std::string file = name;
    std::ranges::replace(file, '/', '_');
    std::filesystem::remove(memory_.path() / file);
  }

  [[nodiscard]] Trained result() const {
    Trained trained = trained_;
    for (const std::string& text : read_lines(folder_.path() / "metrics.jsonl")) {
      const auto line = nlohmann::ordered_json::parse(text);
      trained.figures.push_back(line["loss_hex"].dump() + " " + line["grad_norm_hex"].dump());
    }
    for (const std::string& text : read_lines(folder_.path() / "ledger.jsonl")) trained.samples.push_back(text);
    const gpt2::NewestCheckpoint newest = gpt2::find_newest_checkpoint(folder_.path() / "checkpoints");
    if (!newest.folder.empty()) trained.digest = gpt2::CheckpointReader(newest.folder).digest();
    return trained;
  }
  /// Steps in the record so far.
  [[nodiscard]] std::size_t steps() const { return read_lines(folder_.path() / "ledger.jsonl").size(); }
  /// Of the newest checkpoint; 0 = none.
  [[nodiscard]] std::uint32_t saved_step() const {
    const gpt2::NewestCheckpoint newest = gpt2::find_newest_checkpoint(folder_.path() / "checkpoints");
    return newest.folder.empty() ? 0 : newest.head.step;
  }
  [[nodiscard]] const std::set<std::string>& down() const { return down_; }
  [[nodiscard]] std::vector<std::string> names() const { return plan_->actor_names(); }
  [[nodiscard]] std::vector<nlohmann::ordered_json> events(const std::string& kind) const {
    std::vector<nlohmann::ordered_json> found;
    for (const runtime::RecordEvent& event : events_.all()) {
      if (event.event == kind) found.push_back(nlohmann::ordered_json::parse(event.fields));
    }
    return found;
  }

private:
  void start(const std::string& name) { (void)node_.try_spawn(name, make(name), ++incarnations_.at(name)).value(); }
  std::unique_ptr<runtime::Actor> make(const std::string& name) const {
    for (std::uint32_t replica = 0; replica < job_.layout.replicas; ++replica) {
      if (name == actors::data_name(replica)) {
        return std::make_unique<actors::DataActor>(job_, replica, actors::FaultPlan({}));
      }
      for (std::uint32_t stage = 0; stage < job_.layout.stages; ++stage) {
        if (name != actors::stage_name(replica, stage)) continue;
        const actors::StageRole role{job_, replica, stage, memory_.path()};
        return std::make_unique<actors::StageActor>(role, actors::FaultPlan({}));
      }
    }
    return std::make_unique<actors::ServerActor>(job_, plan_->total_steps(), actors::FaultPlan({}));
  }
  void start_trainer() {
    const actors::TrainingListener listener{
        [](const actors::TrainingProgress&) {},
        [this](const actors::TrainingEnd& end) {
          trained_.end = end.kind == actors::TrainingEnd::Kind::finished ? "" : "not finished: " + end.text;
        }};
    const actors::TrainerParts parts{job_, *plan_, {samples_, job_.data.seed}, folder_.path(), actors::FaultPlan({}),
                                     kJob};
    (void)node_
        .try_spawn(std::string(actors::kTrainerName), std::make_unique<actors::TrainerActor>(parts, listener),
                   ++trainers_)
        .value();
  }
  void tell_all_up() {
    runtime::AllUp up;
    for (const std::string& name : plan_->actor_names()) up.actors.push_back({name, incarnations_.at(name)});
    (void)node_.node().send(actors::kTrainerName, up).value();
  }

  static constexpr std::uint64_t kJob = 4711;
  actors::JobConfig job_;
  TemporaryFolder folder_;
  TemporaryFolder memory_;
  std::unique_ptr<actors::JobPlan> plan_;
  std::uint64_t samples_ = 0;
  Trained trained_;
  Heard<runtime::RecordEvent> events_;
  std::map<std::string, std::uint32_t> incarnations_;
  std::uint32_t trainers_ = 0;
  std::set<std::string> down_;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& node_ = network_.add_node("node");
};

/// Nobody dies.
[[nodiscard]] inline Trained train_tiny(const actors::JobConfig& job) {
  TinyTraining training(job);
  training.run();
  return training.result();
}

}  // namespace troupe::test
