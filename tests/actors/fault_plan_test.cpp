#include "actors/fault_plan.hpp"

#include "actors/job_plan.hpp"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <string>

namespace troupe::actors {
namespace {

using runtime::Phase;

FaultRule rule(std::string_view text) {
  return parse_fault_rule(text).value();
}

std::string plan_refusal(std::string_view text) {
  const auto parsed = parse_fault_rule(text);
  return parsed ? "accepted" : parsed.failure().text;
}

/// Whether reaching this point throws, as a "throw" rule makes it do.
bool fires(const FaultPlan& plan, const std::string& actor, std::uint32_t incarnation, std::uint32_t step,
           Phase phase) {
  try {
    plan.reached(actor, incarnation, step, phase);
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("fault on purpose at step " + std::to_string(step)), std::string::npos);
    return true;
  }
  return false;
}

TEST(FaultPlan, ReadsARule) {
  const FaultRule plain = rule("kill9 stage/r0.s1 @step=20,phase=backward");
  EXPECT_EQ(plain.action, FaultAction::kill9);
  EXPECT_EQ(plain.actor, "stage/r0.s1");
  EXPECT_EQ(plain.step, 20U);
  EXPECT_EQ(plain.phase, Phase::backward);
  EXPECT_EQ(plain.incarnation, 1U);
  EXPECT_EQ(rule("exit data/r0 @phase=forward,step=3,incarnation=2").incarnation, 2U);
}

TEST(FaultPlan, SaysWhatIsWrongWithARule) {
  EXPECT_NE(plan_refusal("kill stage/r0.s0 @step=1,phase=idle").find("unknown action \"kill\""), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 nobody @step=1,phase=idle").find("no actor is called \"nobody\""), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 @step=x,phase=idle").find("step is not a number"), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 @step=1,phase=sleep").find("sleep"), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 @step=1").find("phase is missing"), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 step=1,phase=idle").find("the last with @"), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 @step=1,where=idle").find("unknown key \"where\""), std::string::npos);
  EXPECT_NE(plan_refusal("throw data/r0 @step=1,phase=reduce").find("has no phase reduce of its own"),
            std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 @step=0,phase=idle").find("steps count from 1"), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 @phase=idle").find("step is missing"), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 ps @step=1,phase=idle,incarnation=0").find("incarnations count from 1"),
            std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 @step=1,phase=vote").find("nothing is made to fail in phase vote"),
            std::string::npos);
  EXPECT_NE(plan_refusal("kill9 stage/r0.s0 @step=1,phase=load").find("phase load"), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 data/r0 @step=1,phase=evaluate").find("phase evaluate"), std::string::npos);
  EXPECT_NE(plan_refusal("kill9 trainer @step=1,phase=backward").find("trainer has no phase backward"),
            std::string::npos);
  EXPECT_NE(plan_refusal("").find("a rule reads: kill9|exit|throw"), std::string::npos);
}

/// Two replicas of two stages, 12 steps, checkpoints at 4, 8 and 12, validations at 6 and 12.
std::string impossible(std::string_view text, Exchange exchange, std::uint64_t held_out = 20) {
  JobConfig job;
  job.train.steps = 12;
  job.train.global_batch = 16;
  job.train.micro_batch = 2;
  job.train.checkpoint_every = 4;
  job.train.eval_every = 6;
  job.layout.replicas = 2;
  job.layout.stages = 2;
  job.layout.exchange = exchange;
  return find_impossible(rule(text), JobPlan(job, 1000, held_out));
}

TEST(FaultPlan, SaysWhyARuleCanNeverFireInThisJob) {
  const auto reduced = Exchange::allreduce;
  const auto served = Exchange::ps_sync;
  EXPECT_EQ(impossible("kill9 stage/r2.s0 @step=1,phase=idle", reduced),
            "this job has no actor \"stage/r2.s0\": it has trainer, stage/r0.s0 to stage/r1.s1, data/r0 to data/r1");
  EXPECT_EQ(impossible("kill9 data/r2 @step=1,phase=idle", served),
            "this job has no actor \"data/r2\": it has trainer, stage/r0.s0 to stage/r1.s1, data/r0 to data/r1, ps");
  EXPECT_NE(impossible("kill9 ps @step=1,phase=idle", reduced), "");
  EXPECT_EQ(impossible("kill9 data/r0 @step=13,phase=idle", reduced), "the job ends with step 12");
  EXPECT_NE(impossible("kill9 stage/r0.s0 @step=4,phase=checkpoint", served).find("only trainer and ps"),
            std::string::npos);
  EXPECT_NE(impossible("kill9 data/r1 @step=4,phase=checkpoint", served), "");
  EXPECT_EQ(impossible("kill9 stage/r0.s0 @step=9,phase=checkpoint", reduced),
            "no checkpoint is due at step 9, the next one is at step 12");
  EXPECT_EQ(impossible("kill9 stage/r0.s0 @step=6,phase=checkpoint", reduced, 0),
            "no checkpoint is due at step 6, the next one is at step 8");
}

TEST(FaultPlan, TakesARuleThatCanFireInThisJob) {
  for (const std::string actor : {"stage/r0.s0", "stage/r1.s1", "data/r1"}) {
    for (const std::string point : {"1,phase=idle", "12,phase=forward", "3,phase=backward", "5,phase=reduce",
                                    "7,phase=optimizer", "4,phase=checkpoint", "6,phase=checkpoint"}) {
      EXPECT_EQ(impossible("kill9 " + actor + " @step=" + point, Exchange::allreduce), "") << actor << " " << point;
    }
  }
  for (const auto exchange : {Exchange::ps_sync, Exchange::ps_async}) {
    EXPECT_EQ(impossible("kill9 ps @step=12,phase=checkpoint", exchange), "");
    EXPECT_EQ(impossible("kill9 trainer @step=12,phase=checkpoint", exchange), "");
    EXPECT_EQ(impossible("kill9 ps @step=3,phase=reduce", exchange), "");
  }
}

TEST(FaultPlan, FP1_FiresAtItsActorIncarnationStepAndPhaseOnly) {
  const FaultPlan plan({rule("throw stage/r0.s1 @step=4,phase=reduce,incarnation=2")});
  EXPECT_TRUE(fires(plan, "stage/r0.s1", 2, 4, Phase::reduce));
  EXPECT_FALSE(fires(plan, "stage/r0.s0", 2, 4, Phase::reduce));
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 1, 4, Phase::reduce));
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 2, 5, Phase::reduce));
  EXPECT_FALSE(fires(plan, "stage/r0.s1", 2, 4, Phase::forward));
}

TEST(FaultPlan, FP1_EndsTheProcessWhenTheRuleSaysSo) {
  const FaultPlan exits({rule("exit stage/r0.s0 @step=1,phase=idle")});
  EXPECT_EXIT(exits.reached("stage/r0.s0", 1, 1, Phase::idle), testing::ExitedWithCode(3), "");
  const FaultPlan kills({rule("kill9 stage/r0.s0 @step=1,phase=idle")});
  EXPECT_EXIT(kills.reached("stage/r0.s0", 1, 1, Phase::idle), testing::KilledBySignal(SIGKILL), "");
}

TEST(FaultPlan, FP1_VictimsOfAWitnessAreThoseThatLiveNow) {
  const FaultPlan plan({rule("kill9 data/r1 @step=3,phase=reduce"), rule("kill9 stage/r0.s0 @step=3,phase=reduce")});
  EXPECT_EQ(plan.victims(3, Phase::reduce, {{"data/r1", 1}, {"stage/r0.s0", 1}}), std::vector<std::string>{"data/r1"});
  EXPECT_TRUE(plan.victims(3, Phase::reduce, {{"data/r1", 2}}).empty());
  EXPECT_TRUE(plan.victims(2, Phase::reduce, {{"data/r1", 1}}).empty());
  EXPECT_TRUE(plan.victims(3, Phase::forward, {{"data/r1", 1}}).empty());
}

TEST(FaultPlan, ReadsTheEnvironment) {
  setenv("TROUPE_INJECT", "throw trainer @step=1,phase=idle;kill9 ps @step=2,phase=reduce", 1);
  EXPECT_EQ(FaultPlan::from_environment().rules().size(), 2U);
  setenv("TROUPE_INJECT", "nonsense", 1);
  EXPECT_THROW((void)FaultPlan::from_environment(), std::runtime_error);
  unsetenv("TROUPE_INJECT");
  EXPECT_TRUE(FaultPlan::from_environment().rules().empty());
}

}  // namespace
}  // namespace troupe::actors
