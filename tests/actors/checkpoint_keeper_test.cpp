#include "actors/checkpoint_keeper.hpp"

#include "gpt2/store/checkpoint.hpp"
#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tiny_job.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <set>

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;
using runtime::Context;

constexpr std::uint64_t kTrainingSamples = 40;
constexpr std::uint32_t kRecorded = 1000;  // the run's record goes beyond every checkpoint

using Ids = std::vector<runtime::ActorId>;

/// Tells the keeper's actor to take a checkpoint, or an owner to answer now.
struct Act {
  static constexpr std::string_view kName = "test.act";
  std::uint32_t step = 0;
  std::uint32_t best_step = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(step, best_step);
  }
};

using Answer = std::function<void(const SaveShard&, Context&)>;

gpt2::WrittenShard write_part(const SaveShard& order, int part) {
  const std::vector<float> values(50, static_cast<float>(order.step) + 0.25F * static_cast<float>(part));
  const gpt2::NamedTensor weight{"w" + std::to_string(part), {50}, values};
  const gpt2::NamedTensor moment{"m.w" + std::to_string(part), {50}, values};
  return gpt2::write_shard(order.directory, {part, 2}, std::span(&weight, 1), std::span(&moment, 1));
}

ShardSaved reporting(const SaveShard& order, const std::string& report) {
  return {order.epoch, order.step, runtime::Payload::copy_of(std::as_bytes(std::span(report)))};
}

Answer writes(int part) {
  return [part](const SaveShard& order, Context& context) {
    context.reply(reporting(order, write_part(order, part).report));
  };
}

/// Writes its part, and then reports something else.
Answer writes_and_reports(int part, const std::string& report) {
  return [part, report](const SaveShard& order, Context& context) {
    (void)write_part(order, part);
    context.reply(reporting(order, report));
  };
}

/// What a stage does when the disk refuses.
Answer cannot_write(int part) {
  return [part](const SaveShard& order, Context& context) {
    fs::create_directory(fs::path(order.directory) / "optimizer-00002-of-00002.safetensors");
    const gpt2::WrittenShard shard = write_part(order, part);
    EXPECT_NE(shard.error, "");
    context.reply_failure({runtime::FailureKind::unknown, shard.error});
  };
}

/// A keeper in an actor's hands, and two owners of parameters who answer as told.
class Keeping {
public:
  Keeping() {
    start({"trainer", runtime::Behavior{test::hears<Act>(heard_, [this](const Act& act, Context& context) {
             const SaveRequest request{1, act.step, act.best_step, 8ULL * act.step, 3ULL * act.step, owners, is_wanted};
             keeper().save(
                 request, [this](const SaveOutcome& result, Context&) { outcomes.push_back(result); }, context);
           })}});
  }

  [[nodiscard]] fs::path root() const { return folder_.path() / "checkpoints"; }
  [[nodiscard]] CheckpointKeeper& keeper() {
    if (!keeper_) keeper_.emplace(root(), test::tiny_job(2, 1), kTrainingSamples);
    return *keeper_;
  }
  /// From now on the owner of part 0 or 1 answers so.
  void owner(std::size_t part, const Answer& answer) {
    if (!answers_.contains(part)) {
      start({owners.at(part).name,
             runtime::Behavior{
                 test::hears<SaveShard>(orders_, [this, part](const SaveShard& order,
                                                              Context& context) { answers_.at(part)(order, context); }),
                 test::hears<Act>(heard_, [this](const Act&, Context& context) { late_(context); })}});
    }
    answers_[part] = answer;
  }
  /// Part 1 is written and reported only when say_late() is called.
  void owner_who_takes_its_time() {
    owner(1, [this](const SaveShard& order, Context& context) {
      late_ = [order, asker = context.defer_reply()](Context& later) {
        later.reply_to(asker, reporting(order, write_part(order, 1).report));
      };
    });
  }
  void say_late() {
    (void)node_.node().send(owners.at(1).name, Act{}).value();
    network_.run_turns();
  }
  /// The error of a checkpoint of that step; nothing while it is under way.
  std::optional<std::string> take(std::uint32_t step, std::uint32_t best_step = 0) {
    const std::size_t before = outcomes.size();
    (void)node_.node().send("trainer", Act{step, best_step}).value();
    network_.run_turns();
    if (outcomes.size() == before) return std::nullopt;
    EXPECT_EQ(outcomes.back().step, step);
    return outcomes.back().error;
  }
  /// Names in the folder of checkpoints.
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(root())) names.insert(entry.path().filename());
    return names;
  }
  void let_time_pass(runtime::Duration time) { network_.advance(time); }

  std::vector<runtime::ActorId> owners{{"stage/r0.s0", 1}, {"stage/r0.s1", 1}};
  std::vector<SaveOutcome> outcomes;
  std::function<bool()> is_wanted;

private:
  void start(const std::pair<std::string, runtime::Behavior>& actor) {
    node_.spawn<test::ScriptedActor>(actor.first, actor.second);
  }

  test::TemporaryFolder folder_;
  std::optional<CheckpointKeeper> keeper_;
  std::map<std::size_t, Answer> answers_;
  std::function<void(Context&)> late_;
  test::Heard<Act> heard_;
  test::Heard<SaveShard> orders_;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& node_ = network_.add_node("node");
};

const std::set<std::string> kOnlyStep1{"step-1", "LATEST"};

/// The checkpoint of step 1 is there, and it is all there is.
void expect_only_step_1(Keeping& keeping) {
  EXPECT_EQ(keeping.names(), kOnlyStep1);
  EXPECT_EQ(keeping.keeper().find_newest(kRecorded).step, 1U);
  EXPECT_EQ(gpt2::verify_checkpoint(keeping.root() / "step-1"), "");
}

/// Step 1 was saved well, step 2 is saved with part 1 as told: its error.
std::string error_after_step_1(Keeping& keeping, const Answer& part_1) {
  keeping.owner(0, writes(0));
  keeping.owner(1, writes(1));
  EXPECT_EQ(keeping.take(1), "");
  keeping.owner(1, part_1);
  return keeping.take(2).value_or("no outcome");
}

TEST(CheckpointKeeper, CK1_NothingIsPublishedBeforeTheLastReport) {
  Keeping keeping;
  keeping.owner(0, writes(0));
  keeping.owner_who_takes_its_time();
  EXPECT_EQ(keeping.take(4), std::nullopt);
  EXPECT_EQ(keeping.keeper().find_newest(kRecorded).step, 0U);
  EXPECT_EQ(keeping.names().count("step-4"), 0U);
  keeping.say_late();
  ASSERT_EQ(keeping.outcomes.size(), 1U);
  EXPECT_EQ(keeping.outcomes[0].error, "");
  EXPECT_EQ(keeping.outcomes[0].epoch, 1U);
  const FoundCheckpoint found = keeping.keeper().find_newest(kRecorded);
  EXPECT_EQ(found.step, 4U);
  EXPECT_EQ(found.rejections, std::vector<std::string>{});
  const gpt2::CheckpointReader reader(found.directory);
  EXPECT_EQ(reader.head().next_position, 32U);
  for (int part = 0; part < 2; ++part) {
    std::vector<float> values(50);
    reader.read("m.w" + std::to_string(part), values);
    EXPECT_EQ(values, std::vector<float>(50, 4.0F + 0.25F * static_cast<float>(part)));
  }
}

TEST(CheckpointKeeper, CK1_AFileThatReadsBackDifferentlyIsNotPublished) {
  Keeping keeping;
  const std::string error = error_after_step_1(keeping, [](const SaveShard& order, Context& context) {
    const std::string report = write_part(order, 1).report;
    const fs::path file = fs::path(order.directory) / "optimizer-00002-of-00002.safetensors";
    std::string content = test::read_all(file);
    content.back() = static_cast<char>(content.back() ^ 1);
    std::ofstream(file, std::ios::binary) << content;
    context.reply(reporting(order, report));
  });
  EXPECT_NE(error.find("optimizer-00002-of-00002.safetensors: damaged"), std::string::npos) << error;
  expect_only_step_1(keeping);
}

TEST(CheckpointKeeper, CK1_AReportOfNoFileIsNoReport) {
  for (const std::string report : {"", "[]", "{}", "written", "[[]]"}) {
    SCOPED_TRACE(report);
    Keeping keeping;
    const std::string error = error_after_step_1(keeping, writes_and_reports(1, report));
    EXPECT_NE(error.find("stage/r0.s1"), std::string::npos) << error;
    expect_only_step_1(keeping);
  }
}

TEST(CheckpointKeeper, CK1_AReportOfSeveralShardsCountsEachOfThem) {
  Keeping keeping;
  keeping.owners = {{"ps", 1}};
  keeping.owner(0, [](const SaveShard& order, Context& context) {
    context.reply(reporting(order, "[" + write_part(order, 0).report + "," + write_part(order, 1).report + "]"));
  });
  EXPECT_EQ(keeping.take(3), "");
  std::vector<float> values(50);
  gpt2::CheckpointReader(keeping.keeper().find_newest(kRecorded).directory).read("w1", values);
  EXPECT_EQ(values.front(), 3.25F);
}

TEST(CheckpointKeeper, CK3_WhatIsNotWantedAnyMoreIsNotPublished) {
  Keeping keeping;
  keeping.owner(0, writes(0));
  keeping.owner(1, writes(1));
  EXPECT_EQ(keeping.take(1), "");
  EXPECT_EQ(keeping.keeper().find_newest(kRecorded).updates, 3U);
  keeping.is_wanted = [] { return false; };
  EXPECT_EQ(keeping.take(2), "its epoch has ended");
  expect_only_step_1(keeping);
}

TEST(CheckpointKeeper, CK2_TheNewestAndTheBestAreKept) {
  Keeping keeping;
  keeping.owner(0, writes(0));
  keeping.owner(1, writes(1));
  for (std::uint32_t step = 1; step <= 7; ++step) EXPECT_EQ(keeping.take(step, step < 2 ? 0 : 2), "");
  EXPECT_EQ(keeping.names(), (std::set<std::string>{"step-2", "step-5", "step-6", "step-7", "LATEST"}));
  EXPECT_EQ(keeping.keeper().find_newest(kRecorded).step, 7U);
  EXPECT_EQ(gpt2::verify_checkpoint(keeping.root() / "step-2"), "");
  // A better one was found: the old best goes.
  EXPECT_EQ(keeping.take(8, 8), "");
  EXPECT_EQ(keeping.names(), (std::set<std::string>{"step-6", "step-7", "step-8", "LATEST"}));
}

TEST(CheckpointKeeper, AShardThatCannotBeWrittenLeavesThePreviousCheckpointAlone) {
  Keeping keeping;
  const std::string error = error_after_step_1(keeping, cannot_write(1));
  EXPECT_EQ(error.find("stage/r0.s1: "), 0U) << error;
  EXPECT_NE(error.find("optimizer-00002-of-00002.safetensors"), std::string::npos) << error;
  EXPECT_EQ(keeping.outcomes.back().gone, Ids{}) << "it lives, and its disk is full";
  expect_only_step_1(keeping);
  keeping.owner(1, writes(1));
  EXPECT_EQ(keeping.take(3), "") << "the next one is not disturbed";
}

TEST(CheckpointKeeper, AnOwnerThatIsNotThereEndsInAnError) {
  Keeping keeping;
  keeping.owner(0, writes(0));
  const std::string error = keeping.take(1).value_or("no outcome");
  EXPECT_NE(error.find("stage/r0.s1"), std::string::npos) << error;
  EXPECT_EQ(keeping.names(), std::set<std::string>{});
}

TEST(CheckpointKeeper, AnOwnerThatNeverAnswersEndsInAnError) {
  Keeping keeping;
  keeping.owner(0, writes(0));
  keeping.owner_who_takes_its_time();
  EXPECT_EQ(keeping.take(1), std::nullopt);
  keeping.let_time_pass(std::chrono::minutes(6));
  ASSERT_EQ(keeping.outcomes.size(), 1U);
  EXPECT_NE(keeping.outcomes[0].error.find("stage/r0.s1"), std::string::npos) << keeping.outcomes[0].error;
  EXPECT_EQ(keeping.outcomes[0].gone, (Ids{{"stage/r0.s1", 1}}));
  EXPECT_EQ(keeping.names(), std::set<std::string>{});
}

TEST(CheckpointKeeper, TemporaryFoldersOfEarlierProcessesAreRemovedAtTheStart) {
  const test::TemporaryFolder folder;
  folder.write("step-4.e2.tmp-123/model-00001-of-00001.safetensors", "half");
  folder.write("step-3/note", "kept");
  const CheckpointKeeper keeper(folder.path(), test::tiny_job(2, 1), kTrainingSamples);
  EXPECT_FALSE(fs::exists(folder.path() / "step-4.e2.tmp-123"));
  EXPECT_TRUE(fs::exists(folder.path() / "step-3" / "note"));
}

TEST(CheckpointKeeper, ADamagedCheckpointIsPassedOverWithTheReason) {
  Keeping keeping;
  keeping.owner(0, writes(0));
  keeping.owner(1, writes(1));
  EXPECT_EQ(keeping.take(1), "");
  EXPECT_EQ(keeping.take(2), "");
  fs::resize_file(keeping.root() / "step-2" / "model-00001-of-00002.safetensors", 40);
  const FoundCheckpoint found = keeping.keeper().find_newest(kRecorded);
  EXPECT_EQ(found.step, 1U);
  ASSERT_EQ(found.rejections.size(), 1U);
  EXPECT_NE(found.rejections[0].find("model-00001-of-00002.safetensors"), std::string::npos) << found.rejections[0];
}

TEST(CheckpointKeeper, ACheckpointOfAnotherModelIsRefusedInWords) {
  Keeping keeping;
  keeping.owner(0, writes(0));
  keeping.owner(1, writes(1));
  EXPECT_EQ(keeping.take(1), "");
  JobConfig wider = test::tiny_job(2, 1);
  wider.model.width = 16;
  try {
    (void)CheckpointKeeper(keeping.root(), wider, kTrainingSamples).find_newest(kRecorded);
    ADD_FAILURE() << "it was taken";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("width is 8 in the checkpoint and 16 in the job"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace troupe::actors
