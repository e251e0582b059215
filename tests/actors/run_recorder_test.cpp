#include "actors/run_recorder.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace troupe::actors {
namespace {

using nlohmann::ordered_json;

StepLine step_line(std::uint32_t step, double loss_sum) {
  StepLine line{step, {}, 0.001, 1.0, 100.0};
  line.result.loss_sum = loss_sum;
  line.result.correct = 1;
  line.result.valid = 4;
  line.result.gradient_norm = 0.5;
  return line;
}

LedgerLine ledger_line(std::uint32_t step) {
  return {step, 0, 2ULL * (step - 1), {2ULL * (step - 1), 2ULL * step - 1}};
}

ValidationLine validation_line(std::uint32_t step, double loss_sum) {
  return {step, 0, 0, {0, loss_sum, 2, 4}, std::nullopt};
}

TEST(RunRecorder, RC1_EachStepAndEachValidationOnceHoweverOftenRepeated) {
  const test::TemporaryFolder folder;
  for (int life = 0; life < 3; ++life) {
    RunRecorder recorder(folder.path(), RunRecorder::Repeats::equal);
    for (std::uint32_t step = 1; step <= 2U + static_cast<std::uint32_t>(life); ++step) {
      EXPECT_EQ(recorder.record_step(step_line(step, 4.0 * step), ledger_line(step)), "");
    }
    (void)recorder.record_validation(validation_line(2, 8.0));
    (void)recorder.record_validation(validation_line(2, 8.0));
  }
  EXPECT_EQ(test::read_lines(folder.path() / "metrics.jsonl").size(), 4U);
  EXPECT_EQ(test::read_lines(folder.path() / "ledger.jsonl").size(), 4U);
  ASSERT_EQ(test::read_lines(folder.path() / "validation.jsonl").size(), 1U);
  const auto validation = ordered_json::parse(test::read_lines(folder.path() / "validation.jsonl").front());
  EXPECT_EQ(validation["loss"], 2.0);
  EXPECT_EQ(validation["accuracy"], 0.5);
  EXPECT_EQ(validation["train_loss"], (4.0 + 8.0) / 8.0);
}

TEST(RunRecorder, RC1_ACrashBetweenTheTwoFilesLeavesBothAtTheSameStep) {
  const test::TemporaryFolder folder;
  {
    RunRecorder recorder(folder.path(), RunRecorder::Repeats::equal);
    for (std::uint32_t step = 1; step <= 3; ++step) {
      (void)recorder.record_step(step_line(step, 4.0), ledger_line(step));
    }
  }
  const std::string ledger = test::read_all(folder.path() / "ledger.jsonl");
  folder.write("ledger.jsonl", ledger.substr(0, ledger.size() - 5));  // torn in step 3
  RunRecorder recorder(folder.path(), RunRecorder::Repeats::equal);
  EXPECT_EQ(test::read_lines(folder.path() / "metrics.jsonl").size(), 2U);
  EXPECT_EQ(recorder.record_step(step_line(3, 4.0), ledger_line(3)), "");
  EXPECT_EQ(test::read_all(folder.path() / "ledger.jsonl"), ledger);
}

TEST(RunRecorder, RC1_ADifferentRepeatIsReported) {
  const test::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), RunRecorder::Repeats::equal);
  (void)recorder.record_step(step_line(1, 4.0), ledger_line(1));
  EXPECT_NE(recorder.record_step(step_line(1, 5.0), ledger_line(1)).find("loss_hex"), std::string::npos);
  LedgerLine other = ledger_line(1);
  other.samples.back() = 77;
  EXPECT_NE(recorder.record_step(step_line(1, 4.0), other).find("samples"), std::string::npos);
}

TEST(RunRecorder, TrainingLossIsThatOfTheEpochsOwnSteps) {
  const test::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), RunRecorder::Repeats::equal);
  for (std::uint32_t step = 1; step <= 5; ++step) {
    (void)recorder.record_step(step_line(step, 4.0 * step), ledger_line(step));
  }
  (void)recorder.record_validation({5, 1, 3, {0, 8.0, 2, 4}, std::nullopt});
  const auto validation = ordered_json::parse(test::read_lines(folder.path() / "validation.jsonl").front());
  EXPECT_EQ(validation["epoch"], 1);
  EXPECT_EQ(validation["train_loss"], (16.0 + 20.0) / 8.0);
}

TEST(RunRecorder, RC2_TheBestSurvivesARestart) {
  const test::TemporaryFolder folder;
  {
    RunRecorder recorder(folder.path(), RunRecorder::Repeats::equal);
    EXPECT_TRUE(recorder.record_validation(validation_line(2, 8.0)));
    EXPECT_TRUE(recorder.record_validation(validation_line(4, 6.0)));
    EXPECT_FALSE(recorder.record_validation(validation_line(6, 7.0)));
  }
  RunRecorder recorder(folder.path(), RunRecorder::Repeats::equal);
  EXPECT_EQ(recorder.best_step(), 4U);
  EXPECT_EQ(recorder.best_loss(), 1.5);
  EXPECT_FALSE(recorder.record_validation(validation_line(8, 6.5)));
  EXPECT_TRUE(recorder.record_validation(validation_line(10, 5.0)));
}

TEST(RunRecorder, RC2_ALossThatIsNoNumberIsReadOver) {
  const test::TemporaryFolder folder;
  folder.write("validation.jsonl", "{\"step\":1,\"loss\":2.5}\n{\"step\":2,\"loss\":null}\n");
  RunRecorder recorder(folder.path(), RunRecorder::Repeats::equal);
  EXPECT_EQ(recorder.best_step(), 1U);
  EXPECT_EQ(recorder.best_loss(), 2.5);
  recorder.cut_validations_after(1);
  EXPECT_EQ(test::read_lines(folder.path() / "validation.jsonl").size(), 1U);
}

TEST(RunRecorder, RC2_StepsThatAreForgottenTakeTheirValidationsAlong) {
  const test::TemporaryFolder folder;
  RunRecorder recorder(folder.path(), RunRecorder::Repeats::free);
  for (std::uint32_t step = 1; step <= 6; ++step) {
    (void)recorder.record_step(step_line(step, 4.0), ledger_line(step));
    if (step % 2 == 0) (void)recorder.record_validation(validation_line(step, 10.0 - step));
  }
  EXPECT_EQ(recorder.best_step(), 6U);
  recorder.cut_after(5);
  EXPECT_EQ(recorder.best_step(), 4U);
  EXPECT_EQ(recorder.best_loss(), 1.5);
  EXPECT_EQ(test::read_lines(folder.path() / "validation.jsonl").size(), 2U);
  (void)recorder.record_step(step_line(6, 4.0), ledger_line(6));
  EXPECT_FALSE(recorder.record_validation(validation_line(6, 7.0)));
  ASSERT_EQ(test::read_lines(folder.path() / "validation.jsonl").size(), 3U);
  EXPECT_EQ(ordered_json::parse(test::read_lines(folder.path() / "validation.jsonl").back())["loss"], 1.75);
  recorder.cut_after(0);
  EXPECT_EQ(recorder.best_step(), 0U);
  EXPECT_EQ(test::read_all(folder.path() / "validation.jsonl"), "");
  EXPECT_TRUE(recorder.record_validation(validation_line(2, 9.0)));
}

}  // namespace
}  // namespace troupe::actors
