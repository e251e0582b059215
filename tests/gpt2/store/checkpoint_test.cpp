#include "gpt2/store/checkpoint.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace troupe::gpt2 {
namespace {

namespace fs = std::filesystem;

const std::string kModel = R"({"layers":1,"heads":1,"width":2,"context":4,"vocabulary":3,"head":"tied"})";

std::vector<float> values_of(std::uint32_t step, float mark) {
  return {static_cast<float>(step), mark, 3, 4, 5, 6};
}

CheckpointHead head_of(std::uint32_t step) {
  return {step, 1, 10ULL * step, 7, kModel, "1 stage"};
}

/// One or two shards of the same two parameters, written but not published.
std::vector<std::string> write_parts(const fs::path& folder, std::uint32_t step, int shards) {
  const std::vector<float> first = values_of(step, 1);
  const std::vector<float> second = values_of(step, 2);
  const std::vector<NamedTensor> weights{{"a", {2, 3}, first}, {"b", {6}, second}};
  const std::vector<NamedTensor> moments{{"m.a", {2, 3}, second}, {"m.b", {6}, first}};
  std::vector<std::string> reports;
  const std::span<const NamedTensor> all(weights);
  const std::span<const NamedTensor> all_moments(moments);
  for (int i = 0; i < shards; ++i) {
    const std::size_t count = 2 / static_cast<std::size_t>(shards);
    const std::size_t begin = static_cast<std::size_t>(i) * count;
    WrittenShard shard = write_shard(folder, {i, shards}, all.subspan(begin, count), all_moments.subspan(begin, count));
    EXPECT_EQ(shard.error, "");
    reports.push_back(std::move(shard.report));
  }
  return reports;
}

std::string save(const fs::path& root, std::uint32_t step, int shards = 1) {
  const fs::path temporary = begin_checkpoint(root, head_of(step));
  return publish_checkpoint(temporary, head_of(step), write_parts(temporary, step, shards));
}

void flip(const fs::path& file, std::size_t offset) {
  std::string content = test::read_all(file);
  content.at(offset) = static_cast<char>(content.at(offset) ^ 1);
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

TEST(Checkpoint, CP1_WhatIsPublishedVerifies) {
  const test::TemporaryFolder folder;
  ASSERT_EQ(save(folder.path(), 5, 2), "");
  EXPECT_EQ(verify_checkpoint(folder.path() / "step-5"), "");
  EXPECT_EQ(test::read_all(folder.path() / "LATEST"), "step-5\n");
  const NewestCheckpoint newest = find_newest_checkpoint(folder.path());
  EXPECT_EQ(newest.head.step, 5U);
  EXPECT_EQ(newest.head.next_position, 50U);
  EXPECT_EQ(newest.head.seed, 7U);
}

TEST(Checkpoint, CP1_AByteChangedAnywhereIsFound) {
  const test::TemporaryFolder folder;
  ASSERT_EQ(save(folder.path(), 5), "");
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.path() / "step-5")) {
    const std::size_t size = fs::file_size(entry.path());
    for (const std::size_t offset : {std::size_t{0}, size / 2, size - 1}) {
      flip(entry.path(), offset);
      const std::string problem = verify_checkpoint(folder.path() / "step-5");
      EXPECT_NE(problem.find(entry.path().filename().string()), std::string::npos) << problem;
      flip(entry.path(), offset);
    }
    ASSERT_EQ(verify_checkpoint(folder.path() / "step-5"), "");
  }
}

TEST(Checkpoint, CP1_AShardThatReadsBackDifferentlyIsNotPublished) {
  const test::TemporaryFolder folder;
  const fs::path temporary = begin_checkpoint(folder.path(), head_of(3));
  const std::vector<std::string> reports = write_parts(temporary, 3, 1);
  const fs::path weights = temporary / "model-00001-of-00001.safetensors";
  flip(weights, fs::file_size(weights) - 1);
  EXPECT_NE(publish_checkpoint(temporary, head_of(3), reports), "");
  EXPECT_FALSE(fs::exists(folder.path() / "step-3"));
}

TEST(Checkpoint, CP2_WhatWasCutOffLeavesTheEarlierOneAlone) {
  const test::TemporaryFolder folder;
  ASSERT_EQ(save(folder.path(), 1), "");
  const std::string before = CheckpointReader(folder.path() / "step-1").digest();
  const fs::path temporary = begin_checkpoint(folder.path(), head_of(2));
  (void)write_parts(temporary, 2, 1);  // and then the process is gone
  EXPECT_EQ(find_newest_checkpoint(folder.path()).head.step, 1U);
  EXPECT_EQ(CheckpointReader(folder.path() / "step-1").digest(), before);
  remove_unfinished(folder.path());
  EXPECT_FALSE(fs::exists(temporary));
  EXPECT_TRUE(fs::exists(folder.path() / "step-1"));
}

TEST(Checkpoint, CP2_AStepThatIsSavedAgainReplacesItself) {
  const test::TemporaryFolder folder;
  ASSERT_EQ(save(folder.path(), 1, 2), "");
  ASSERT_EQ(save(folder.path(), 1, 1), "");
  EXPECT_EQ(verify_checkpoint(folder.path() / "step-1"), "");
  EXPECT_FALSE(fs::exists(folder.path() / "step-1" / "model-00002-of-00002.safetensors"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 2) << "and LATEST";
}

TEST(Checkpoint, CP3_ADamagedOneIsPassedOverWithTheReason) {
  const test::TemporaryFolder folder;
  for (const std::uint32_t step : {9U, 10U, 11U}) ASSERT_EQ(save(folder.path(), step), "");
  flip(folder.path() / "step-11" / "model-00001-of-00001.safetensors", 100);
  fs::remove(folder.path() / "step-10" / "MANIFEST.json");
  const NewestCheckpoint newest = find_newest_checkpoint(folder.path());
  EXPECT_EQ(newest.head.step, 9U);
  ASSERT_EQ(newest.rejections.size(), 2U);
  EXPECT_NE(newest.rejections[0].find("step-11"), std::string::npos);
  EXPECT_NE(newest.rejections[0].find("offset 0"), std::string::npos) << newest.rejections[0];
  EXPECT_NE(newest.rejections[1].find("never finished"), std::string::npos) << newest.rejections[1];
}

TEST(Checkpoint, CP3_AManifestOfBracketsIsPassedOverWithItsOffset) {
  const test::TemporaryFolder folder;
  ASSERT_EQ(save(folder.path(), 5), "");
  ASSERT_EQ(save(folder.path(), 6), "");
  std::ofstream(folder.path() / "step-6" / "MANIFEST.json", std::ios::trunc)
      << R"({"self":"x","a":)" << std::string(200'000, '[') << std::string(200'000, ']') << "}";
  const NewestCheckpoint newest = find_newest_checkpoint(folder.path());
  EXPECT_EQ(newest.head.step, 5U);
  ASSERT_EQ(newest.rejections.size(), 1U);
  EXPECT_NE(newest.rejections[0].find("MANIFEST.json: at offset 23: more than 8 levels"), std::string::npos)
      << newest.rejections[0];
  fs::resize_file(folder.path() / "step-6" / "MANIFEST.json", 80'000'000);
  EXPECT_NE(verify_checkpoint(folder.path() / "step-6").find("80000000 bytes"), std::string::npos);
}

TEST(Checkpoint, AReportOfBracketsIsNotPublished) {
  const test::TemporaryFolder folder;
  const fs::path temporary = begin_checkpoint(folder.path(), head_of(3));
  const std::vector<std::string> reports{std::string(200'000, '[') + std::string(200'000, ']')};
  EXPECT_NE(publish_checkpoint(temporary, head_of(3), reports), "");
}

TEST(Checkpoint, CP4_TheNewestStayAndNothingIsDeletedWhileTheNewestIsDamaged) {
  const test::TemporaryFolder folder;
  for (std::uint32_t step = 1; step <= 6; ++step) ASSERT_EQ(save(folder.path(), step), "");
  flip(folder.path() / "step-6" / "config.json", 3);
  prune_checkpoints(folder.path(), 2, {});
  for (std::uint32_t step = 1; step <= 6; ++step) {
    EXPECT_TRUE(fs::exists(folder.path() / ("step-" + std::to_string(step))));
  }
  flip(folder.path() / "step-6" / "config.json", 3);
  prune_checkpoints(folder.path(), 0, {1});
  std::vector<std::string> left;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder.path())) {
    if (entry.is_directory()) left.push_back(entry.path().filename().string());
  }
  std::sort(left.begin(), left.end());
  EXPECT_EQ(left, (std::vector<std::string>{"step-1", "step-5", "step-6"}));
}

TEST(Checkpoint, CP5_AnyLayoutReadsWhatAnotherWrote) {
  const test::TemporaryFolder one;
  const test::TemporaryFolder two;
  ASSERT_EQ(save(one.path(), 4, 1), "");
  ASSERT_EQ(save(two.path(), 4, 2), "");
  const CheckpointReader whole(one.path() / "step-4");
  const CheckpointReader cut(two.path() / "step-4");
  EXPECT_EQ(whole.digest(), cut.digest());
  for (const std::string name : {"a", "b", "m.a", "m.b"}) {
    std::vector<float> from_one(6);
    std::vector<float> from_two(6);
    whole.read(name, from_one);
    cut.read(name, from_two);
    EXPECT_EQ(from_one, from_two) << name;
  }
  std::vector<float> few(2);
  EXPECT_THROW(whole.read("a", few), StorageError);
  EXPECT_THROW(whole.read("c", few), StorageError);
}

TEST(Checkpoint, DigestsTellStepsAndValuesApart) {
  const test::TemporaryFolder folder;
  ASSERT_EQ(save(folder.path(), 4), "");
  ASSERT_EQ(save(folder.path(), 5), "");
  EXPECT_NE(CheckpointReader(folder.path() / "step-4").digest(), CheckpointReader(folder.path() / "step-5").digest());
}

TEST(Checkpoint, ModelsThatDifferAreNamedByKey) {
  EXPECT_EQ(model_difference(kModel, kModel), "");
  const std::string other = R"({"layers":1,"heads":1,"width":8,"context":4,"vocabulary":3,"head":"tied"})";
  const std::string difference = model_difference(kModel, other);
  EXPECT_NE(difference.find("width is 2 in the checkpoint and 8 in the job"), std::string::npos) << difference;
}

}  // namespace
}  // namespace troupe::gpt2
