#include "actors/run_record.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace troupe::actors {
namespace {

using nlohmann::ordered_json;

ordered_json line(std::uint32_t step, double loss, double seconds = 0.0) {
  return {{"step", step}, {"loss_hex", hex_float(loss)}, {"seconds", seconds}};
}

class RunRecord : public testing::Test {
protected:
  [[nodiscard]] StepLog open() const { return {file(), {"loss_hex"}}; }
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "metrics.jsonl"; }
  [[nodiscard]] std::vector<std::uint32_t> steps_in_file() const {
    std::vector<std::uint32_t> steps;
    for (const std::string& text : test::read_lines(file())) steps.push_back(ordered_json::parse(text)["step"]);
    return steps;
  }

private:
  test::TemporaryFolder folder_;
};

TEST_F(RunRecord, RR1_RepeatedStepsStayOnce) {
  StepLog log = open();
  for (std::uint32_t step = 1; step <= 3; ++step) EXPECT_EQ(log.record(step, line(step, step)), "");
  EXPECT_EQ(log.record(2, line(2, 2.0, 99.0)), "");  // other seconds are no difference
  EXPECT_EQ(log.record(3, line(3, 3.0)), "");
  EXPECT_EQ(log.record(4, line(4, 4.0)), "");
  EXPECT_EQ(steps_in_file(), (std::vector<std::uint32_t>{1, 2, 3, 4}));
}

TEST_F(RunRecord, RR1_ATornEndIsCutOffAtEveryByte) {
  const std::string whole = line(1, 1.0).dump() + "\n";
  const std::string second = line(2, 2.0).dump() + "\n";
  for (std::size_t cut = 0; cut < second.size(); ++cut) {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << whole << second.substr(0, cut);
    StepLog log = open();
    ASSERT_EQ(log.steps(), 1U) << "cut at " << cut;
    EXPECT_EQ(log.record(2, line(2, 2.0)), "");
    ASSERT_EQ(test::read_all(file()), whole + second);
  }
}

TEST_F(RunRecord, RR1_AStepCannotBeLeftOut) {
  StepLog log = open();
  (void)log.record(1, line(1, 1.0));
  EXPECT_THROW((void)log.record(3, line(3, 3.0)), std::runtime_error);
  EXPECT_EQ(steps_in_file(), std::vector<std::uint32_t>{1});
}

TEST_F(RunRecord, RR2_ADifferenceIsReportedAndTheFirstLineStays) {
  { (void)open().record(1, line(1, 1.0)); }
  StepLog log = open();
  const std::string difference = log.record(1, line(1, 1.5));
  EXPECT_NE(difference.find(hex_float(1.0)), std::string::npos) << difference;
  EXPECT_NE(difference.find(hex_float(1.5)), std::string::npos) << difference;
  EXPECT_EQ(test::read_all(file()), line(1, 1.0).dump() + "\n");
}

TEST_F(RunRecord, CutAfterForgetsLaterSteps) {
  StepLog log = open();
  for (std::uint32_t step = 1; step <= 4; ++step) (void)log.record(step, line(step, step));
  log.cut_after(2);
  EXPECT_EQ(log.steps(), 2U);
  EXPECT_EQ(log.record(3, line(3, 7.0)), "") << "a step that was forgotten may come out otherwise";
  EXPECT_EQ(steps_in_file(), (std::vector<std::uint32_t>{1, 2, 3}));
}

TEST_F(RunRecord, HexFloatsAreTheBits) {
  EXPECT_EQ(hex_float(1.5), "0x1.8p+0");
  EXPECT_NE(hex_float(0.1), hex_float(0.1 + 1e-17 + 1.4e-17));
}

}  // namespace
}  // namespace troupe::actors
