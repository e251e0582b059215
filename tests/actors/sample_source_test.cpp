#include "actors/sample_source.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace troupe::actors {
namespace {

class SampleSourceOf {
public:
  SampleSourceOf() {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "word " + std::to_string(i) + " ";
    job_.data.path = folder_.write("text.txt", text).string();
    job_.data.validation_fraction = 0.2;
    job_.model.context = 8;
    job_.train.steps = 10;
    job_.train.global_batch = 16;
  }
  [[nodiscard]] SampleSource open(std::uint32_t micro_batch, std::uint32_t replicas = 1, std::uint32_t stages = 1) {
    job_.train.micro_batch = micro_batch;
    job_.layout.replicas = replicas;
    job_.layout.stages = stages;
    return SampleSource(job_);
  }

private:
  test::TemporaryFolder folder_;
  JobConfig job_;
};

TEST(SampleSource, SS1_TheSamplesOfAStepDoNotDependOnLayoutOrMicroBatch) {
  SampleSourceOf source;
  const SampleSource plain = source.open(16);
  const SampleSource cut = source.open(2, 4, 2);
  for (const std::uint32_t step : {0U, 1U, 7U, 1000U}) {
    const std::vector<std::uint64_t> expected = plain.samples(step, {0, 1});
    EXPECT_EQ(expected.size(), 16U);
    EXPECT_EQ(cut.samples(step, {0, 8}), expected);
    std::vector<std::uint64_t> parts;
    for (std::uint32_t micro_batch = 0; micro_batch < 8; ++micro_batch) {
      const SampleBatch batch = cut.training_batch(step, micro_batch);
      parts.insert(parts.end(), batch.samples.begin(), batch.samples.end());
    }
    EXPECT_EQ(parts, expected);
  }
  EXPECT_NE(plain.samples(0, {0, 1}), plain.samples(1, {0, 1}));
}

TEST(SampleSource, TargetsAreTheInputsShiftedByOne) {
  SampleSourceOf source;
  const SampleBatch batch = source.open(4).training_batch(3, 1);
  ASSERT_EQ(batch.inputs.size(), 4U * 8U);
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t i = 0; i + 1 < 8; ++i) EXPECT_EQ(batch.targets[8 * row + i], batch.inputs[8 * row + i + 1]);
  }
}

TEST(SampleSource, ValidTokensCountWhatIsNoPadding) {
  SampleSourceOf source;
  EXPECT_EQ(source.open(4).valid_tokens(0, {0, 4}), 16 * 8);
}

TEST(SampleSource, ValidationIsSpreadAndDoesNotRepeat) {
  SampleSourceOf source;
  const SampleSource samples = source.open(4);
  std::set<std::uint64_t> seen;
  const auto batches = static_cast<std::uint32_t>(std::min<std::uint64_t>(5, samples.validation_samples() / 4));
  ASSERT_EQ(batches, 5U);
  for (std::uint32_t i = 0; i < batches; ++i) {
    const SampleBatch batch = samples.validation_batch(i, batches);
    EXPECT_EQ(batch.purpose, Purpose::evaluate);
    EXPECT_EQ(batch.valid_tokens, 4 * 8);
    seen.insert(batch.samples.begin(), batch.samples.end());
  }
  EXPECT_EQ(seen.size(), 20U);
  EXPECT_LT(*seen.rbegin(), samples.validation_samples());
}

TEST(SampleSource, FewHeldOutSamplesMakeOneShorterBatch) {
  SampleSourceOf source;
  const SampleSource samples = source.open(1024);
  const std::uint64_t held_out = samples.validation_samples();
  ASSERT_GT(held_out, 0U);
  ASSERT_LT(held_out, 1024U);
  const SampleBatch batch = samples.validation_batch(0, 1);
  EXPECT_EQ(std::set<std::uint64_t>(batch.samples.begin(), batch.samples.end()).size(), held_out);
  EXPECT_LT(*std::max_element(batch.samples.begin(), batch.samples.end()), held_out);
  EXPECT_EQ(batch.inputs.size(), held_out * 8U);
  EXPECT_EQ(batch.valid_tokens, static_cast<std::int64_t>(held_out) * 8);
}

}  // namespace
}  // namespace troupe::actors
