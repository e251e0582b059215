#include "gpt2/schedule.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

std::string text(const std::vector<Action>& order) {
  std::string words;
  for (const Action& action : order) {
    words += action.kind == ActionKind::forward ? 'F' : 'B';
    words += std::to_string(action.micro_batch);
    words += ' ';
  }
  return words;
}

std::vector<std::vector<Action>> orders_of(Schedule schedule, int stages, MicroBatchRange range) {
  std::vector<std::vector<Action>> orders;
  for (int stage = 0; stage < stages; ++stage) orders.push_back(compile_schedule(schedule, {stage, stages}, range));
  return orders;
}

TEST(Schedule, SC1_GpipeDoesAllForwardsFirst) {
  EXPECT_EQ(text(compile_schedule(Schedule::gpipe, {0, 2}, {4, 3})), "F4 F5 F6 B4 B5 B6 ");
}

TEST(Schedule, SC2_OneForwardOneBackwardHasItsPublishedOrder) {
  EXPECT_EQ(text(compile_schedule(Schedule::one_f_one_b, {0, 3}, {0, 4})), "F0 F1 F2 B0 F3 B1 B2 B3 ");
  EXPECT_EQ(text(compile_schedule(Schedule::one_f_one_b, {1, 3}, {0, 4})), "F0 F1 B0 F2 B1 F3 B2 B3 ");
  EXPECT_EQ(text(compile_schedule(Schedule::one_f_one_b, {2, 3}, {0, 4})), "F0 B0 F1 B1 F2 B2 F3 B3 ");
  EXPECT_EQ(text(compile_schedule(Schedule::one_f_one_b, {0, 4}, {8, 2})), "F8 F9 B8 B9 ");
}

TEST(Schedule, SC2_KeepsAtMostOneMicroBatchAStageBehind) {
  for (int stages = 1; stages <= 6; ++stages) {
    for (int stage = 0; stage < stages; ++stage) {
      const auto order = compile_schedule(Schedule::one_f_one_b, {stage, stages}, {0, 16});
      EXPECT_EQ(most_in_flight(order), stages - stage);
    }
  }
}

TEST(Schedule, SC3_SC4_EveryCompiledScheduleFinishes) {
  for (const Schedule schedule : {Schedule::gpipe, Schedule::one_f_one_b}) {
    for (int stages = 1; stages <= 6; ++stages) {
      for (std::uint32_t count = 0; count <= 9; ++count) {
        EXPECT_EQ(check_schedule(orders_of(schedule, stages, {5, count}), {5, count}), "");
      }
    }
  }
}

TEST(Schedule, SC3_AMissingDoubledOrForeignActionIsReported) {
  const MicroBatchRange range{0, 3};
  auto orders = orders_of(Schedule::one_f_one_b, 2, range);
  orders[1].pop_back();
  EXPECT_NE(check_schedule(orders, range).find("stage 1: 5 actions"), std::string::npos);
  orders[1].push_back({ActionKind::forward, 0});
  EXPECT_NE(check_schedule(orders, range).find("forward 0 is there twice"), std::string::npos);
  orders[1].back() = {ActionKind::backward, 3};
  EXPECT_NE(check_schedule(orders, range).find("outside"), std::string::npos);
}

TEST(Schedule, SC4_AnOrderThatWaitsForItselfIsReported) {
  const MicroBatchRange range{0, 2};
  auto orders = orders_of(Schedule::one_f_one_b, 2, range);
  std::swap(orders[0][1], orders[0][2]);  // F0 B0 F1 B1 on stage 0 is fine
  EXPECT_EQ(check_schedule(orders, range), "");
  orders[1] = {
      {ActionKind::forward, 1}, {ActionKind::backward, 1}, {ActionKind::forward, 0}, {ActionKind::backward, 0}};
  EXPECT_NE(check_schedule(orders, range).find("deadlock"), std::string::npos);
}

TEST(Schedule, AStageThatIsNotThereIsRefused) {
  EXPECT_THROW(compile_schedule(Schedule::gpipe, {2, 2}, {0, 1}), std::runtime_error);
}

}  // namespace
}  // namespace troupe::gpt2
