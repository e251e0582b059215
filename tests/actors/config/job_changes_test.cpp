#include "actors/config/job_changes.hpp"

#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

constexpr const char* kJob = R"([model]
layers = 2
heads = 2
width = 16
context = 16
[data]
path = "text"
[train]
steps = 10
global_batch = 8
micro_batch = 2
)";

std::vector<JobChange> changes(const std::vector<std::string>& overrides, const std::vector<std::string>& before = {}) {
  return find_changes(parse_job_config(kJob, before, "job"), parse_job_config(kJob, overrides, "job"));
}

TEST(JobChanges, AJobIsLikeItself) {
  EXPECT_TRUE(changes({}).empty());
}

TEST(JobChanges, SaysWhatWasAndWhatIsNow) {
  const auto found = changes({"train.steps=20", "data.path=other"});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].describe(), "data.path = \"other\" (was \"text\")");
  EXPECT_EQ(found[1].describe(), "train.steps = 20 (was 10)");
}

TEST(JobChanges, LayoutAndBordersLeaveTheNumbersAsTheyAre) {
  for (const JobChange& change :
       changes({"layout.stages=2", "layout.replicas=2", "layout.schedule=gpipe", "layout.exchange=ps_sync",
                "train.eval_every=5", "train.checkpoint_every=5", "layout.memory_per_device_gb=4"})) {
    EXPECT_EQ(change.steps, JobChange::Steps::same) << change.describe();
  }
}

TEST(JobChanges, JG1_EverythingElseAltersThem) {
  const auto found = changes({"train.steps=20", "train.lr=1", "train.clip=2", "train.warmup_steps=1",
                              "train.micro_batch=4", "layout.threads_per_stage=2", "layout.devices=auto"});
  EXPECT_EQ(found.size(), 7U);
  for (const JobChange& change : found) EXPECT_EQ(change.steps, JobChange::Steps::altered) << change.describe();
}

TEST(JobChanges, OutOfStepEveryLayoutHasNumbersOfItsOwn) {
  for (const auto& found : {changes({"layout.exchange=ps_async", "layout.replicas=2"}),
                            changes({"layout.replicas=4"}, {"layout.exchange=ps_async", "layout.replicas=2"})}) {
    for (const JobChange& change : found) EXPECT_EQ(change.steps, JobChange::Steps::altered) << change.describe();
  }
}

}  // namespace
}  // namespace troupe::actors
