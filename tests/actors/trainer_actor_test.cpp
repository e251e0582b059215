#include "actors/trainer_actor.hpp"

#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/tiny_job.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace troupe::actors {
namespace {

using nlohmann::ordered_json;
using runtime::Context;

constexpr std::uint64_t kTrainingSamples = 40;
constexpr std::uint64_t kValidationSamples = 4;  // two batches

/// What every stage of a job votes for a step: losses and squares differ from step to step.
std::vector<StepVote> votes_of(const JobConfig& job, std::uint32_t epoch, std::uint32_t step, double loss = 4.0) {
  std::vector<StepVote> votes;
  for (std::uint32_t replica = 0; replica < job.layout.replicas; ++replica) {
    StepVote vote{epoch, step, replica, 0, {}, {}, 0.1};
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
  explicit Training(const JobConfig& what) : job(what) {
    node_.spawn<test::ScriptedActor>("head", runtime::Behavior{test::hears(events)});
    node_.spawn<test::ScriptedActor>("ps", runtime::Behavior{loads(), test::hears(commits), saves()});
    for (std::uint32_t replica = 0; replica < 2; ++replica) {
      node_.spawn<test::ScriptedActor>(stage_name(replica, 0),
                                       runtime::Behavior{loads(), test::hears(runs), test::hears(commits), saves()});
      node_.spawn<test::ScriptedActor>(data_name(replica),
                                       runtime::Behavior{test::hears(served), test::hears(evaluations)});
    }
    const JobPlan plan(job, kTrainingSamples, kValidationSamples);
    const TrainerParts parts{job, plan, {kTrainingSamples, job.data.seed}, folder.path(), FaultPlan({})};
    const TrainingListener listener{[this](const TrainingProgress& progress) { news.push_back(progress.news); },
                                    [this](const TrainingEnd& end) { ends.push_back(end); }};
    (void)node_.try_spawn("trainer", std::make_unique<TrainerActor>(parts, listener), 1).value();
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
    for (const std::string& name : JobPlan::names_of(job.layout)) up.actors.push_back({name, 1});
    tell(up);
  }
  void lose(const std::string& name) {
    tell(runtime::ActorLost{{name, 1}, {runtime::FailureKind::faulted, "killed by SIGKILL"}});
  }
  /// The stages leave LoadState unanswered from now on, until answer_loads() of that epoch.
  void hold_loads() { holding_ = true; }
  void answer_loads(std::uint32_t epoch) {
    const auto answer = [this, epoch](Context& context) {
      for (const auto& [asker, done] : held_) {
        if (done.epoch == epoch) context.reply_to(asker, done);
      }
    };
    node_.spawn<test::ScriptedActor>("answerer" + std::to_string(epoch), runtime::Behavior{}, answer);
    network_.run_turns();
  }
  [[nodiscard]] std::vector<ordered_json> lines(const std::string& name) const {
    std::vector<ordered_json> lines;
    for (const std::string& line : test::read_lines(folder.path() / name)) lines.push_back(ordered_json::parse(line));
    return lines;
  }
  /// Steps of the commits heard, in order; each of them goes to both replicas.
  [[nodiscard]] std::vector<std::uint32_t> committed() const {
    std::vector<std::uint32_t> steps;
    for (const Commit& commit : commits.all()) steps.push_back(commit.step);
    return steps;
  }
  [[nodiscard]] bool has_news(const std::string& text) const {
    return std::ranges::any_of(news, [&text](const std::string& line) { return line.find(text) != std::string::npos; });
  }

  const JobConfig job;
  test::TemporaryFolder folder;
  test::Heard<LoadState> loaded;
  test::Heard<RunSteps> runs;
  test::Heard<Commit> commits;
  test::Heard<SaveShard> saved;
  test::Heard<ServeSteps> served;
  test::Heard<ServeEvaluation> evaluations;
  test::Heard<runtime::RecordEvent> events;
  std::vector<std::string> news;
  std::vector<TrainingEnd> ends;

private:
  runtime::Behavior::Entry loads() {
    return test::hears<LoadState>(loaded, [this](const LoadState& message, Context& context) {
      const StateLoaded done{message.epoch, message.step};
      if (!holding_) return context.reply(done);
      held_.emplace_back(context.defer_reply(), done);
    });
  }
  /// The disk is full, always: training goes on without checkpoints.
  runtime::Behavior::Entry saves() {
    return test::hears<SaveShard>(saved, [](const SaveShard&, Context& context) {
      context.reply_failure({runtime::FailureKind::faulted, "No space left on device"});
    });
  }

  bool holding_ = false;
  std::vector<std::pair<runtime::ReplyTo, StateLoaded>> held_;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& node_ = network_.add_node("node");
};

JobConfig two_replicas(Exchange exchange = Exchange::allreduce) {
  JobConfig job = test::tiny_job(1, 2);
  job.train.steps = 4;
  job.layout.exchange = exchange;
  return job;
}

using Steps = std::vector<std::uint32_t>;

TEST(TrainerActor, TA1_AStepIsCommittedWhenEveryVoteIsInAndOnce) {
  Training training(two_replicas());
  training.all_up();
  ASSERT_EQ(training.loaded.count(), 2U);
  ASSERT_EQ(training.runs.count(), 2U);
  const std::vector<StepVote> votes = votes_of(training.job, 1, 0);
  training.tell(votes[0]);
  training.tell(votes[0]);
  EXPECT_EQ(training.committed(), Steps{}) << "one voted twice, the other not at all";
  training.tell(votes[1]);
  EXPECT_EQ(training.committed(), (Steps{0, 0}));
  EXPECT_EQ(training.commits.last().gradient_scale, 1.0 / (3.0 + 1e-6)) << "squares of 9 in all, clipped to 1";
  training.tell_all(votes);
  EXPECT_EQ(training.committed(), (Steps{0, 0})) << "late copies";
  // The votes of step 2 are complete before those of step 1.
  training.tell_all(votes_of(training.job, 1, 2));
  EXPECT_EQ(training.committed(), (Steps{0, 0}));
  training.tell_all(votes_of(training.job, 1, 1));
  EXPECT_EQ(training.committed(), (Steps{0, 0, 1, 1, 2, 2}));
  ASSERT_EQ(training.lines("metrics.jsonl").size(), 3U);
  EXPECT_EQ(training.lines("metrics.jsonl")[0]["loss"], 4 * 4.0 / 64);
}

TEST(TrainerActor, TA1_TheParameterServersVoteCountsToo) {
  Training training(two_replicas(Exchange::ps_sync));
  training.all_up();
  ASSERT_EQ(training.loaded.count(), 3U);
  training.tell_all(votes_of(training.job, 1, 0));
  EXPECT_EQ(training.committed(), Steps{});
  training.tell(ServerVote{1, 0, {{0, 4.0}, {1, 5.0}}});
  EXPECT_EQ(training.committed(), Steps{0}) << "to the server alone";
}

TEST(TrainerActor, TA2_VotesOfOtherEpochsAreIgnored) {
  Training training(two_replicas());
  training.all_up();
  training.tell(votes_of(training.job, 1, 0)[1]);
  training.lose("stage/r0.s0");
  training.all_up();
  EXPECT_EQ(training.loaded.last().epoch, 2U);
  training.tell(votes_of(training.job, 2, 0)[0]);
  EXPECT_EQ(training.committed(), Steps{}) << "the other's vote was of epoch 1";
  for (const std::uint32_t epoch : {0U, 1U, 3U}) training.tell_all(votes_of(training.job, epoch, 0));
  EXPECT_EQ(training.committed(), Steps{});
  training.tell(votes_of(training.job, 2, 0)[1]);
  EXPECT_EQ(training.committed(), (Steps{0, 0}));
  EXPECT_EQ(training.commits.last().epoch, 2U);
}

TEST(TrainerActor, TA2_VotesBetweenALossAndTheNextEpochAreIgnored) {
  Training training(two_replicas());
  training.all_up();
  training.lose("data/r0");
  training.tell_all(votes_of(training.job, 1, 0));
  EXPECT_EQ(training.committed(), Steps{});
  EXPECT_EQ(training.lines("metrics.jsonl").size(), 0U);
}

TEST(TrainerActor, TA2_AnswersToAnOlderLoadStateDoNotCount) {
  Training training(two_replicas());
  training.hold_loads();
  training.all_up();
  training.lose("stage/r1.s0");
  training.all_up();
  EXPECT_EQ(training.loaded.count(), 4U);
  EXPECT_EQ(training.runs.count(), 0U);
  training.answer_loads(1);
  EXPECT_EQ(training.runs.count(), 0U) << "those were of epoch 1";
  training.answer_loads(2);
  ASSERT_EQ(training.runs.count(), 2U);
  for (const RunSteps& run : training.runs.all()) EXPECT_EQ(run.epoch, 2U);
}

TEST(TrainerActor, TA2_PartsOfAnotherEpochOrBorderAreIgnored) {
  JobConfig job = two_replicas();
  job.train.eval_every = 1;
  Training training(job);
  training.all_up();
  training.tell(EvaluationPart{1, 0, {0, 1.0, 1, 16}});  // nobody asked
  training.tell_all(votes_of(job, 1, 0));
  ASSERT_EQ(training.evaluations.count(), 2U);
  const auto tell_parts = [&training](std::uint32_t epoch, std::uint32_t step, double loss) {
    for (std::uint32_t i = 0; i < 2; ++i) training.tell(EvaluationPart{epoch, step, {i, loss, 1, 16}});
  };
  tell_parts(0, 1, 1.0);
  tell_parts(2, 1, 1.0);
  tell_parts(1, 0, 1.0);
  EXPECT_EQ(training.lines("validation.jsonl").size(), 0U);
  tell_parts(1, 1, 8.0);
  ASSERT_EQ(training.lines("validation.jsonl").size(), 1U);
  EXPECT_EQ(training.lines("validation.jsonl")[0]["loss"], 0.5);
  // It is the best so far, so a checkpoint is asked of the owners; it fails, and training goes on.
  EXPECT_EQ(training.saved.count(), 1U);
  EXPECT_TRUE(training.has_news("checkpoint of step 1 failed: stage/r0.s0: No space left on device"));
  EXPECT_EQ(training.runs.last().step, 1U);
}

TEST(TrainerActor, TA3_AfterALossTheSameStepsAreRepeatedAndCompared) {
  Training training(two_replicas());
  training.all_up();
  for (std::uint32_t step = 0; step < 3; ++step) training.tell_all(votes_of(training.job, 1, step));
  const std::string metrics = test::read_all(training.folder.path() / "metrics.jsonl");
  const std::string ledger = test::read_all(training.folder.path() / "ledger.jsonl");
  ASSERT_EQ(training.lines("ledger.jsonl").size(), 3U);
  EXPECT_EQ(training.lines("ledger.jsonl")[2]["samples"],
            (gpt2::DataOrder(kTrainingSamples, training.job.data.seed).samples(16, 8)));
  training.lose("stage/r1.s0");
  training.all_up();
  EXPECT_EQ(training.loaded.last().step, 0U) << "there is no checkpoint";
  EXPECT_EQ(training.served.last().step, 0U) << "the data comes again from the same step";
  EXPECT_EQ(training.served.last().epoch, 2U);
  EXPECT_TRUE(training.has_news("going back from step 3 to step 0"));
  for (std::uint32_t step = 0; step < 2; ++step) training.tell_all(votes_of(training.job, 2, step));
  EXPECT_EQ(training.committed(), (Steps{0, 0, 1, 1, 2, 2, 0, 0, 1, 1}));
  EXPECT_FALSE(training.has_news("came out different"));
  training.tell_all(votes_of(training.job, 2, 2, 4.5));
  EXPECT_TRUE(training.has_news("step 3 came out different when repeated: "));
  std::vector<std::string> names;
  for (const runtime::RecordEvent& event : training.events.all()) names.push_back(event.event);
  EXPECT_EQ(names, (std::vector<std::string>{"rollback", "step_divergence"}));
  // The first time stays, each step once.
  EXPECT_EQ(test::read_all(training.folder.path() / "metrics.jsonl"), metrics);
  EXPECT_EQ(test::read_all(training.folder.path() / "ledger.jsonl"), ledger);
}

TEST(TrainerActor, ANewTrainerGoesOnWithTheFilesOfTheRunFolder) {
  const JobConfig job = two_replicas();
  Training training(job);
  training.all_up();
  training.tell_all(votes_of(job, 1, 0));
  RunRecorder recorder(training.folder.path(), 5, RunRecorder::Repeats::equal);
  StepLine line{1, {}, 0.0, 0.0, 0.0};
  EXPECT_NE(recorder.record_step(line, {1, 0, 0, {}}), "") << "step 1 is remembered";
}

TEST(TrainerActor, ALossThatIsNotFiniteEndsTheRunWithTheReason) {
  for (const double loss : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Training training(two_replicas());
    training.all_up();
    training.tell_all(votes_of(training.job, 1, 0, loss));
    ASSERT_EQ(training.ends.size(), 1U);
    EXPECT_EQ(training.ends[0].kind, TrainingEnd::Kind::failed);
    EXPECT_EQ(training.ends[0].text.find("step 1: loss"), 0U) << training.ends[0].text;
    EXPECT_NE(training.ends[0].text.find("train.lr"), std::string::npos);
    EXPECT_EQ(training.committed(), Steps{});
    EXPECT_EQ(training.lines("metrics.jsonl").size(), 0U);
  }
}

TEST(TrainerActor, ALastCheckpointThatCannotBeWrittenFailsTheRun) {
  JobConfig job = two_replicas();
  Training training(job);
  training.all_up();
  for (std::uint32_t step = 0; step < 4; ++step) training.tell_all(votes_of(job, 1, step));
  for (std::uint32_t i = 0; i < 2; ++i) training.tell(EvaluationPart{1, 4, {i, 8.0, 1, 16}});
  ASSERT_EQ(training.ends.size(), 1U);
  EXPECT_EQ(training.ends[0].kind, TrainingEnd::Kind::failed);
  EXPECT_NE(training.ends[0].text.find("No space left on device"), std::string::npos) << training.ends[0].text;
}

TEST(TrainerActor, AStopWaitsForTheStepUnderWay) {
  Training training(two_replicas());
  training.all_up();
  training.tell(StopTraining{"Ctrl-C"});
  EXPECT_EQ(training.ends.size(), 0U);
  training.tell_all(votes_of(training.job, 1, 0));
  EXPECT_EQ(training.commits.last().until, 1U) << "the stages are told to stop there";
  EXPECT_EQ(training.saved.count(), 1U);
  EXPECT_EQ(training.saved.last().step, 1U);
}

TEST(TrainerActor, AStopOutOfStepWaitsForTheEndOfTheRange) {
  JobConfig job = two_replicas(Exchange::ps_async);
  job.train.steps = 3;
  Training training(job);
  training.all_up();
  ASSERT_EQ(training.runs.last().until, 3U);
  training.tell(StopTraining{"Ctrl-C"});
  for (std::uint32_t step = 0; step < 3; ++step) {
    EXPECT_EQ(training.saved.count(), 0U) << "replicas that run free do not hear of it: the server's weights move on";
    training.tell_all(votes_of(job, 1, step));
    for (std::uint32_t replica = 0; replica < 2; ++replica) training.tell(AsyncApplied{1, step, replica, 1, 3.0, 1e-2});
  }
  for (std::uint32_t i = 0; i < 2; ++i) training.tell(EvaluationPart{1, 3, {i, 8.0, 1, 16}});
  EXPECT_EQ(training.lines("metrics.jsonl").size(), 3U);
  EXPECT_EQ(training.saved.count(), 1U);
}

}  // namespace
}  // namespace troupe::actors
