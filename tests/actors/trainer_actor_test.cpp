#include "actors/trainer_actor.hpp"

#include "tests/actors/played_training.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>

namespace troupe::actors {
namespace {

using test::kTrainingSamples;
using test::Training;
using test::two_replicas;
using test::votes_of;

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
  training.answer_loads_of(1);
  EXPECT_EQ(training.runs.count(), 0U) << "those were of epoch 1";
  training.answer_loads_of(2);
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
  EXPECT_EQ(names, (std::vector<std::string>{"rollback", "recovered", "step_divergence"}));
  // The first time stays, each step once.
  EXPECT_EQ(test::read_all(training.folder.path() / "metrics.jsonl"), metrics);
  EXPECT_EQ(test::read_all(training.folder.path() / "ledger.jsonl"), ledger);
}

TEST(TrainerActor, ANewTrainerGoesOnWithTheFilesOfTheRunFolder) {
  const JobConfig job = two_replicas();
  Training training(job);
  training.all_up();
  training.tell_all(votes_of(job, 1, 0));
  RunRecorder recorder(training.folder.path(), RunRecorder::Repeats::equal);
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

TEST(TrainerActor, AStopThatIsAskedOfAnEndedJobIsNoNews) {
  Training training(two_replicas());
  training.tell(runtime::JobFailed{"the job cannot go on"});
  ASSERT_EQ(training.ends.size(), 1U);
  const std::size_t news = training.news.size();
  training.tell(StopTraining{"Ctrl-C"});
  EXPECT_EQ(training.news.size(), news);
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
