#include "actors/fault_plan.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <signal.h>
#include <stdlib.h>

#include <string>

namespace troupe::actors {
namespace {

using runtime::Phase;

FaultRule plan_rule(std::string_view text) {
  return parse_fault_rule(text).value();
}

/// Whether reaching this point throws, as a "throw" rule makes it do.
bool fires(const FaultPlan& plan, const std::string& actor, std::uint32_t incarnation, std::uint32_t step, Phase phase,
           std::uint32_t micro_batch = 0) {
  try {
    plan.reached(actor, incarnation, step, phase, micro_batch);
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("fault on purpose at step " + std::to_string(step)), std::string::npos);
    return true;
  }
  return false;
}

TEST(FaultPlan, FP1_FiresAtItsActorIncarnationStepAndPhaseOnly) {
  const FaultPlan plan({plan_rule("throw stage/r0.s1 @step=4,phase=reduce,incarnation=2")});
  EXPECT_FALSE(fires(plan, "stage/r0.s0", 2, 4, Phase::reduce));
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 1, 4, Phase::reduce));
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 2, 5, Phase::reduce));
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 2, 4, Phase::forward));
  EXPECT_TRUE(fires(plan, "stage/r0.s1", 2, 4, Phase::reduce));
}

TEST(FaultPlan, FP1_FiresAtItsMicroBatchWhenItNamesOne) {
  const FaultPlan plan({plan_rule("throw stage/r0.s1 @step=4,phase=forward,mb=2")});
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 1, 4, Phase::forward, 1));
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 1, 4, Phase::backward, 2));
  EXPECT_TRUE(fires(plan, "stage/r0.s1", 1, 4, Phase::forward, 2));
}

TEST(FaultPlan, FP1_FiresAtItsPointOnly) {
  const FaultPlan plan({plan_rule("throw stage/r0.s1 @step=4,point=applied")});
  EXPECT_EQ(plan.at(FaultPoint::committed, "stage/r0.s1", 1, 4), FaultDuty::none);
  EXPECT_EQ(plan.at(FaultPoint::applied, "stage/r0.s1", 1, 3), FaultDuty::none);
  EXPECT_EQ(plan.at(FaultPoint::applied, "stage/r0.s0", 1, 4), FaultDuty::none);
  EXPECT_EQ(plan.at(FaultPoint::none, "stage/r0.s1", 1, 4), FaultDuty::none);
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 1, 4, Phase::none));
  EXPECT_THROW(plan.at(FaultPoint::applied, "stage/r0.s1", 1, 4), std::runtime_error);
}

TEST(FaultPlan, FP1_ARuleWithoutAStepFiresAtTheFirst) {
  const FaultPlan plan({plan_rule("throw stage/r0.s1 @point=replay,incarnation=2")});
  EXPECT_EQ(plan.at(FaultPoint::replay, "stage/r0.s1", 1, 4), FaultDuty::none);
  EXPECT_THROW(plan.at(FaultPoint::replay, "stage/r0.s1", 2, 9), std::runtime_error);
}

TEST(FaultPlan, FP1_EndsTheProcessWhenTheRuleSaysSo) {
  const FaultPlan exits({plan_rule("exit stage/r0.s0 @step=1,phase=idle")});
  EXPECT_EXIT(exits.reached("stage/r0.s0", 1, 1, Phase::idle), testing::ExitedWithCode(3), "");
  const FaultPlan kills({plan_rule("kill9 stage/r0.s0 @step=1,phase=idle")});
  EXPECT_EXIT(kills.reached("stage/r0.s0", 1, 1, Phase::idle), testing::KilledBySignal(SIGKILL), "");
}

TEST(FaultPlan, SaysWhatTheCallerHasToDo) {
  const FaultPlan plan({plan_rule("nan stage/r0.s0 @step=1,phase=backward"),
                        plan_rule("flip stage/r0.s0 @step=2,phase=backward"),
                        plan_rule("fail stage/r0.s0 @step=3,point=snapshot")});
  EXPECT_EQ(plan.reached("stage/r0.s0", 1, 1, Phase::backward), FaultDuty::poison);
  EXPECT_EQ(plan.reached("stage/r0.s0", 1, 2, Phase::backward), FaultDuty::flip_bit);
  EXPECT_EQ(plan.at(FaultPoint::snapshot, "stage/r0.s0", 1, 3), FaultDuty::fail);
}

TEST(FaultPlan, FP2_FiresOnceAndCopiesKnow) {
  const FaultPlan plan({plan_rule("nan stage/r0.s0 @step=1,phase=backward")});
  const FaultPlan copy = plan;
  EXPECT_EQ(plan.reached("stage/r0.s0", 1, 1, Phase::backward), FaultDuty::poison);
  EXPECT_EQ(plan.reached("stage/r0.s0", 1, 1, Phase::backward), FaultDuty::none);
  EXPECT_EQ(copy.reached("stage/r0.s0", 1, 1, Phase::backward), FaultDuty::none);
}

TEST(FaultPlan, FP2_SlowIsSlowEachTime) {
  const FaultPlan plan({plan_rule("slow(5) stage/r0.s0 @phase=forward")});
  for (std::uint32_t step = 1; step <= 3; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    plan.reached("stage/r0.s0", 1, step, Phase::forward);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(5));
  }
}

TEST(FaultPlan, FP2_AnotherProcessOfTheRunKnowsWhatHasFired) {
  const test::TemporaryFolder folder;
  const FaultJournal journal{folder.path() / "faults.jsonl", 0};
  const std::vector<FaultRule> rules = {plan_rule("kill9 trainer @step=3,point=commit_written")};
  const FaultPlan dies(rules, journal);
  EXPECT_EXIT(dies.at(FaultPoint::commit_written, "trainer", 1, 3), testing::KilledBySignal(SIGKILL), "");
  const FaultPlan comes_back(rules, journal);
  EXPECT_EQ(comes_back.at(FaultPoint::commit_written, "trainer", 1, 3), FaultDuty::none);
}

TEST(FaultPlan, FP1_VictimsOfAWitnessAreThoseThatLiveNow) {
  const FaultPlan plan(
      {plan_rule("kill9 data/r1 @step=3,phase=reduce"), plan_rule("kill9 stage/r0.s0 @step=3,phase=reduce")});
  EXPECT_TRUE(plan.victims(3, Phase::reduce, {{"data/r1", 2}}).empty());
  EXPECT_TRUE(plan.victims(2, Phase::reduce, {{"data/r1", 1}}).empty());
  EXPECT_TRUE(plan.victims(3, Phase::forward, {{"data/r1", 1}}).empty());
  EXPECT_EQ(plan.victims(3, Phase::reduce, {{"data/r1", 1}, {"stage/r0.s0", 1}}), std::vector<std::string>{"data/r1"});
}

TEST(FaultPlan, ReadsTheEnvironment) {
  setenv("TROUPE_INJECT", "throw trainer @step=1,phase=idle;kill9 ps @step=2,phase=reduce", 1);
  EXPECT_EQ(FaultPlan::from_environment().rules().size(), 2U);
  setenv("TROUPE_INJECT", "nonsense", 1);
  EXPECT_THROW((void)FaultPlan::from_environment(), std::runtime_error);
  unsetenv("TROUPE_INJECT");
  EXPECT_TRUE(FaultPlan::from_environment().rules().empty());
}

TEST(FaultPlan, FP2_AHeadThatComesBackKeepsTheBeginning) {
  const test::TemporaryFolder folder;
  const std::vector<std::string> rules = {"nan stage/r0.s0 @step=1,phase=backward"};
  set_fault_environment(rules, folder.path());
  const FaultPlan first = FaultPlan::from_environment();
  EXPECT_EQ(first.reached("stage/r0.s0", 1, 1, Phase::backward), FaultDuty::poison);
  set_fault_environment(rules, folder.path());  // as the process does that takes the place of a dead one
  note_faults_in("/nowhere");                   // and its workers: the run folder is known already
  const FaultPlan second = FaultPlan::from_environment();
  EXPECT_EQ(second.journal().file, folder.path() / "faults.jsonl");
  EXPECT_EQ(second.reached("stage/r0.s0", 1, 1, Phase::backward), FaultDuty::none);
  for (const char* name : {"TROUPE_INJECT", "TROUPE_INJECT_FILE", "TROUPE_INJECT_BEGIN"}) unsetenv(name);
}

}  // namespace
}  // namespace troupe::actors
