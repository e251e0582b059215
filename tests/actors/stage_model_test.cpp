#include "actors/stage_model.hpp"

#include "gpt2/numerics.hpp"
#include "gpt2/stage_plan.hpp"
#include "gpt2/store/checkpoint.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/tiny_job.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace troupe::actors {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMicroBatches = 4;

at::Tensor total_of(const Contribution& contribution) {
  std::vector<at::Tensor> sums;
  for (const auto& sum : contribution.sums) sums.push_back(*sum);
  return sum_blocks(contribution.blocks, sums, kMicroBatches);
}

/// The stages of one replica, driven by hand as stage actors would.
class Pipeline {
public:
  explicit Pipeline(std::uint32_t stages, gpt2::HeadWeights head = gpt2::HeadWeights::tied)
      : job_(test::tiny_job(stages, 1)) {
    gpt2::fix_numerics(1);
    job_.model.head = head;
    for (std::uint32_t stage = 0; stage < stages; ++stage) {
      stages_.push_back(std::make_unique<StageModel>(job_, stage));
    }
  }
  void load(const fs::path& checkpoint) {
    for (const auto& stage : stages_) stage->load(checkpoint.string());
  }
  void train(std::uint32_t from, std::uint32_t until) {
    for (std::uint32_t step = from; step < until; ++step) train_step(step);
  }
  /// As a checkpoint of the border before `step`; its folder.
  [[nodiscard]] fs::path save(const fs::path& root, std::uint32_t step) const {
    const gpt2::CheckpointHead head{step, 1, 0, job_.train.seed, model_json(job_), "by hand", "{}", step};
    const fs::path temporary = gpt2::begin_checkpoint(root, head);
    std::vector<std::string> reports;
    for (const auto& stage : stages_) {
      const StageModel::Saved saved = stage->save(temporary.string());
      EXPECT_EQ(saved.error, "");
      reports.push_back(saved.report);
    }
    EXPECT_EQ(gpt2::publish_checkpoint(temporary, head, reports), "");
    return root / ("step-" + std::to_string(step));
  }
  /// Over weights and moments, whatever the layout.
  [[nodiscard]] std::string digest(const fs::path& root, std::uint32_t step) const {
    return gpt2::CheckpointReader(save(root, step)).digest();
  }
  /// A parameter as the stage holds it, flat.
  [[nodiscard]] at::Tensor parameter(std::uint32_t stage, const std::string& name) const {
    const auto slices = gpt2::plan_stages(job_.model, static_cast<int>(stages_.size()));
    const gpt2::ParameterTable table = gpt2::parameters_of(job_.model, slices.at(stage));
    const gpt2::ParameterInfo& info = table.find(name);
    return to_tensor(stages_.at(stage)->weights()).slice(0, info.offset, info.offset + info.size).clone();
  }
  [[nodiscard]] StageModel& stage(std::uint32_t index) { return *stages_.at(index); }

private:
  void train_step(std::uint32_t step) {
    for (const auto& stage : stages_) stage->begin_step({step, 0, kMicroBatches, kMicroBatches});
    for (std::uint32_t i = 0; i < kMicroBatches; ++i) {
      const BatchTargets targets = test::targets_of(job_, {1, step, i});
      TensorBytes forward = test::inputs_of(job_, {1, step, i}).tokens;
      for (std::size_t at = 0; at + 1 < stages_.size(); ++at) forward = stages_[at]->forward(i, {forward, targets});
      (void)stages_.back()->forward_loss(i, {forward, targets});
      std::optional<TensorBytes> backward;
      for (std::size_t at = stages_.size(); at-- > 0;) backward = stages_[at]->backward(i, backward);
    }
    for (const auto& stage : stages_) stage->set_gradient(total_of(stage->take_contribution(1)));
    fold();
    for (const auto& stage : stages_) stage->apply(1e-2, 0.5);
  }
  void fold() {
    std::optional<TensorBytes> lookup;
    std::optional<TensorBytes> head;
    if (stages_.front()->is_tied_elsewhere()) {
      lookup = stages_.front()->tied_part();
      head = stages_.back()->tied_part();
    }
    for (const auto& stage : stages_) {
      if (!stage->is_tied_elsewhere()) {
        stage->fold_tied(std::nullopt);
      } else {
        stage->fold_tied(stage == stages_.front() ? head : lookup);
      }
    }
  }

  JobConfig job_;
  std::vector<std::unique_ptr<StageModel>> stages_;
};

TEST(StageModel, SM1_OneCheckpointGivesEveryLayoutTheSameParametersAndMoments) {
  for (const auto head : {gpt2::HeadWeights::tied, gpt2::HeadWeights::untied}) {
    const test::TemporaryFolder folder;
    Pipeline writer(2, head);
    writer.load("");
    const std::string initial = writer.digest(folder.path() / "initial", 3);
    writer.train(0, 3);
    const fs::path checkpoint = writer.save(folder.path() / "writer", 3);
    const std::string expected = gpt2::CheckpointReader(checkpoint).digest();
    EXPECT_NE(expected, initial) << "a training that moves nothing proves nothing";
    writer.train(3, 5);
    const std::string two_steps_later = writer.digest(folder.path() / "later", 5);
    for (const std::uint32_t stages : {1U, 2U, 3U}) {
      SCOPED_TRACE(std::to_string(stages) + " stages");
      const fs::path root = folder.path() / std::to_string(stages);
      Pipeline reader(stages, head);
      reader.load("");
      reader.train(7, 8);  // what it holds before does not matter
      reader.load(checkpoint);
      EXPECT_EQ(reader.digest(root, 3), expected);
      // Adam's time came along too: it goes on as the writer did.
      reader.train(3, 5);
      EXPECT_EQ(reader.digest(root, 5), two_steps_later);
    }
  }
}

TEST(StageModel, SM1_WithoutACheckpointEveryLayoutStartsFromTheSeed) {
  const test::TemporaryFolder folder;
  std::vector<std::string> digests;
  for (const std::uint32_t stages : {1U, 2U, 3U}) {
    Pipeline pipeline(stages);
    pipeline.load("");
    digests.push_back(pipeline.digest(folder.path() / std::to_string(stages), 0));
  }
  EXPECT_EQ(digests[1], digests[0]);
  EXPECT_EQ(digests[2], digests[0]);
}

TEST(StageModel, SM2_TheTiedCopiesStayEqualAndAreThoseOfOneStage) {
  const test::TemporaryFolder folder;
  Pipeline one(1);
  Pipeline two(2);
  Pipeline three(3);
  for (Pipeline* pipeline : {&one, &two, &three}) {
    pipeline->load("");
    const at::Tensor before = pipeline->parameter(0, "wte.weight");
    pipeline->train(0, 4);
    EXPECT_FALSE(at::equal(pipeline->parameter(0, "wte.weight"), before));
  }
  EXPECT_TRUE(at::equal(two.parameter(0, "wte.weight"), two.parameter(1, "wte.weight")));
  EXPECT_TRUE(at::equal(three.parameter(0, "wte.weight"), three.parameter(2, "wte.weight")));
  EXPECT_TRUE(at::equal(two.parameter(0, "wte.weight"), one.parameter(0, "wte.weight")));
  EXPECT_TRUE(at::equal(three.parameter(0, "wte.weight"), one.parameter(0, "wte.weight")));
}

TEST(StageModel, SM2_BothPartsArriveInEachCopy) {
  Pipeline pipeline(2);
  pipeline.load("");
  // Gradients of ones and twos: the sum of both parts is three at both ends, and each square is counted once.
  for (std::uint32_t stage = 0; stage < 2; ++stage) {
    const std::int64_t size = to_tensor(pipeline.stage(stage).weights()).numel();
    pipeline.stage(stage).set_gradient(at::full({size}, static_cast<float>(stage + 1)));
  }
  const TensorBytes lookup = pipeline.stage(0).tied_part();
  const TensorBytes head = pipeline.stage(1).tied_part();
  EXPECT_TRUE(at::equal(to_tensor(lookup), at::full_like(to_tensor(lookup), 1.0F)));
  EXPECT_TRUE(at::equal(to_tensor(head), at::full_like(to_tensor(head), 2.0F)));
  pipeline.stage(0).fold_tied(head);
  pipeline.stage(1).fold_tied(lookup);
  std::map<std::int64_t, double> squares;
  for (std::uint32_t stage = 0; stage < 2; ++stage) {
    for (const ParameterSquare& square : pipeline.stage(stage).squares()) {
      EXPECT_TRUE(squares.emplace(square.canonical, square.square).second) << square.canonical << " is counted twice";
    }
  }
  EXPECT_EQ(squares.at(0), 9.0 * 256 * 8);
  for (std::uint32_t stage = 0; stage < 2; ++stage) pipeline.stage(stage).apply(1e-2, 1.0);
  EXPECT_TRUE(at::equal(pipeline.parameter(0, "wte.weight"), pipeline.parameter(1, "wte.weight")));
}

TEST(StageModel, WhatDoesNotFitThrowsInWords) {
  const test::TemporaryFolder folder;
  JobConfig job = test::tiny_job(2, 1);
  StageModel model(job, 0);
  model.load("");
  EXPECT_THROW(model.set_gradient(at::zeros({5})), std::runtime_error);
  EXPECT_THROW(model.load((folder.path() / "nowhere").string()), std::runtime_error);
  job.layout.devices = {"cuda:77"};
  EXPECT_THROW(StageModel(job, 0), std::runtime_error);
  Pipeline narrow(1);
  narrow.load("");
  const fs::path checkpoint = narrow.save(folder.path(), 1);
  job = test::tiny_job(1, 1);
  job.model.width = 16;
  StageModel wider(job, 0);
  EXPECT_THROW(wider.load(checkpoint.string()), std::runtime_error);
}

TEST(StageModel, AShardThatCannotBeWrittenIsAnErrorAsAValue) {
  const test::TemporaryFolder folder;
  Pipeline pipeline(1);
  pipeline.load("");
  const StageModel::Saved saved = pipeline.stage(0).save((folder.path() / "nowhere").string());
  EXPECT_NE(saved.error.find("nowhere"), std::string::npos) << saved.error;
  EXPECT_EQ(saved.report, "");
}

}  // namespace
}  // namespace troupe::actors
