#include "runtime/transport/zmq_office_duty.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace troupe::runtime {
namespace {

TEST(ZmqOfficeDuty, WhereNobodyStandsInItIsKept) {
  OfficeDuty duty;
  EXPECT_FALSE(duty.lend());
  duty.close();
  EXPECT_FALSE(duty.wait_for());
  EXPECT_FALSE(duty.lend()) << "who was refused does not stand in any more";
}

/// Waits for a stand-in.
std::uint64_t lend_to_somebody(OfficeDuty& duty) {
  for (;;) {
    if (const std::optional<std::uint64_t> loan = duty.lend()) return *loan;
    std::this_thread::yield();
  }
}

TEST(ZmqOfficeDuty, OD1_OneThreadAtATimeHasItAndSeesAllThatWasDoneBefore) {
  constexpr int kHandOvers = 20;
  OfficeDuty duty;
  int count = 0;                    // of who has the duty
  std::atomic<int> hand_overs = 0;  // the same, for who has lent it
  const auto serve = [&](bool has_duty) {
    while (has_duty || duty.wait_for()) {
      has_duty = true;
      const int now = ++count;
      hand_overs = now;
      if (now == kHandOvers) return duty.close();
      // A short absence: mostly it has not been noticed.
      has_duty = duty.take_back(lend_to_somebody(duty));
      if (!has_duty) continue;
      const std::uint64_t loan = lend_to_somebody(duty);
      while (hand_overs == now) std::this_thread::yield();
      has_duty = duty.take_back(loan);
      EXPECT_FALSE(has_duty) << "the other has it";
    }
  };
  std::thread other([&serve] { serve(false); });
  serve(true);
  other.join();
  EXPECT_EQ(count, kHandOvers);
}

TEST(ZmqOfficeDuty, OD2_WhatIsNotTakenBackGoesToTheStandInAlsoWhenNothingWasLentForLong) {
  OfficeDuty duty;
  std::atomic<bool> has_it = false;
  std::thread stand_in([&] { has_it = duty.wait_for(); });
  // Loans of no length, with pauses in which the stand-in falls asleep.
  std::uint64_t loan = 0;
  bool is_mine = true;
  for (int i = 0; i < 5 && is_mine; ++i) {
    loan = lend_to_somebody(duty);
    is_mine = duty.take_back(loan);
    const auto until = std::chrono::steady_clock::now() + 3 * OfficeDuty::kStandInAfter;
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
  }
  if (is_mine) loan = lend_to_somebody(duty);
  stand_in.join();
  EXPECT_TRUE(has_it);
  EXPECT_FALSE(duty.take_back(loan));
}

}  // namespace
}  // namespace troupe::runtime
