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

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

/// What a training leaves: equal text means equal bits.
struct Trained {
  std::vector<std::string> figures;  ///< loss and norm of each step
  std::string digest;                ///< of the last checkpoint
  std::string end;                   ///< empty, or why it did not finish
};

/// Runs a whole job in this thread: the real trainer, stages, data actors and server on one deterministic node.
[[nodiscard]] inline Trained train_tiny(actors::JobConfig job) {
  gpt2::fix_numerics(1);
  const TemporaryFolder folder;
  write_text(folder, job);
  const actors::SampleSource source(job);
  const actors::JobPlan plan(job, source.training_samples(), source.validation_samples());
  Trained trained;
  trained.end = "it did not end";
  Heard<runtime::RecordEvent> events;
  runtime::DeterministicNetwork network;
  runtime::DeterministicNode& node = network.add_node("node");
  node.spawn<ScriptedActor>("head", runtime::Behavior{hears(events)});
  const auto spawn = [&node](std::string_view name, std::unique_ptr<runtime::Actor> actor) {
    (void)node.try_spawn(std::string(name), std::move(actor), 1).value();
  };
  for (std::uint32_t replica = 0; replica < job.layout.replicas; ++replica) {
    spawn(actors::data_name(replica), std::make_unique<actors::DataActor>(job, replica, actors::FaultPlan({})));
    for (std::uint32_t stage = 0; stage < job.layout.stages; ++stage) {
      const actors::StageRole role{job, replica, stage};
      spawn(actors::stage_name(replica, stage), std::make_unique<actors::StageActor>(role, actors::FaultPlan({})));
    }
  }
  if (job.layout.exchange != actors::Exchange::allreduce) {
    spawn(actors::kServerName, std::make_unique<actors::ServerActor>(job, plan.total_steps(), actors::FaultPlan({})));
  }
  const actors::TrainingListener listener{
      [](const actors::TrainingProgress&) {},
      [&trained](const actors::TrainingEnd& end) {
        trained.end = end.kind == actors::TrainingEnd::Kind::finished ? "" : "not finished: " + end.text;
      }};
  const gpt2::DataOrder order(source.training_samples(), job.data.seed);
  const actors::TrainerParts parts{job, plan, order, folder.path(), actors::FaultPlan({})};
  spawn(actors::kTrainerName, std::make_unique<actors::TrainerActor>(parts, listener));

  runtime::AllUp up;
  for (const std::string& name : plan.actor_names()) up.actors.push_back({name, 1});
  (void)node.node().send(actors::kTrainerName, up).value();
  network.run_turns();
  for (const std::string& text : read_lines(folder.path() / "metrics.jsonl")) {
    const auto line = nlohmann::ordered_json::parse(text);
    trained.figures.push_back(line["loss_hex"].dump() + " " + line["grad_norm_hex"].dump());
  }
  const gpt2::NewestCheckpoint newest = gpt2::find_newest_checkpoint(folder.path() / "checkpoints");
  if (!newest.folder.empty()) trained.digest = gpt2::CheckpointReader(newest.folder).digest();
  return trained;
}

}  // namespace troupe::test
