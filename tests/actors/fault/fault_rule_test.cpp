#include "actors/fault/fault_rule.hpp"

#include "actors/job_plan.hpp"

#include <gtest/gtest.h>

#include <string>

namespace troupe::actors {
namespace {

using runtime::Phase;
using std::chrono::milliseconds;

FaultRule read_rule(std::string_view text) {
  return parse_fault_rule(text).value();
}

std::string rule_refusal(std::string_view text) {
  const auto parsed = parse_fault_rule(text);
  return parsed ? "accepted" : parsed.failure().text;
}

/// Whether the refusal says so.
void expect_refused(std::string_view rule, std::string_view says) {
  const std::string refusal = rule_refusal(rule);
  EXPECT_NE(refusal.find(says), std::string::npos) << rule << " -> " << refusal;
}

TEST(FaultRule, ReadsARuleOfAPhase) {
  const FaultRule plain = read_rule("kill9 stage/r0.s1 @step=20,phase=backward");
  EXPECT_EQ(plain.action, FaultAction::kill9);
  EXPECT_EQ(plain.actor, "stage/r0.s1");
  EXPECT_EQ(plain.step, 20U);
  EXPECT_EQ(plain.phase, Phase::backward);
  EXPECT_EQ(plain.point, FaultPoint::none);
  EXPECT_EQ(plain.incarnation, 1U);
  EXPECT_FALSE(plain.micro_batch);
  EXPECT_EQ(plain.text, "kill9 stage/r0.s1 @step=20,phase=backward");
  EXPECT_EQ(read_rule("exit data/r0 @phase=forward,step=3,incarnation=2").incarnation, 2U);
  EXPECT_EQ(read_rule("kill9 stage/r0.s1 @step=2,phase=forward,mb=3").micro_batch, 3U);
}

TEST(FaultRule, ReadsEveryActionOfAProcess) {
  const std::pair<std::string_view, FaultAction> actions[] = {
      {"kill9", FaultAction::kill9}, {"exit", FaultAction::exit},     {"throw", FaultAction::raise},
      {"abort", FaultAction::abort}, {"segv", FaultAction::segv},     {"stop", FaultAction::stop},
      {"hang", FaultAction::hang},   {"slow(20)", FaultAction::slow}, {"oom", FaultAction::oom},
      {"nan", FaultAction::nan},     {"flip", FaultAction::flip}};
  for (const auto& [word, action] : actions) {
    const auto parsed = parse_fault_rule(std::string(word) + " stage/r0.s1 @step=2,phase=backward");
    ASSERT_TRUE(parsed) << parsed.failure().text;
    EXPECT_EQ(parsed->action, action);
    EXPECT_EQ(to_string(action), word.substr(0, word.find('(')));
  }
  EXPECT_EQ(read_rule("stop(300) stage/r0.s1 @step=2,phase=idle").duration, milliseconds(300));
  EXPECT_EQ(read_rule("stop(10s) stage/r0.s1 @step=2,phase=idle").duration, milliseconds(10'000));
  EXPECT_EQ(read_rule("stop stage/r0.s1 @step=2,phase=idle").duration, milliseconds(0));
  EXPECT_EQ(read_rule("slow(50ms) stage/r0.s1 @phase=forward").step, 0U);
}

TEST(FaultRule, ReadsEveryPoint) {
  for (const std::string_view stage : {"voted", "committed", "applied", "snapshot", "restore", "replay", "lend"}) {
    const FaultRule rule = read_rule("kill9 stage/r1.s0 @step=4,point=" + std::string(stage));
    EXPECT_EQ(to_string(rule.point), stage);
    EXPECT_EQ(rule.phase, Phase::none);
  }
  for (const std::string_view trainer : {"votes_in", "commit_written", "told", "before_rename", "renamed"}) {
    EXPECT_EQ(to_string(read_rule("kill9 trainer @step=4,point=" + std::string(trainer)).point), trainer);
  }
  EXPECT_EQ(read_rule("fail ps @step=4,point=shard_written").point, FaultPoint::shard_written);
  EXPECT_EQ(to_string(FaultPoint::none), "none");
  EXPECT_EQ(read_rule("kill9 stage/r0.s0 @point=replay,incarnation=2").step, 0U);
}

TEST(FaultRule, ReadsRulesOfMessagesAndOfRandomKills) {
  const FaultRule lossy = read_rule("drop stage/r0.s1 @rate=0.25,seed=9");
  EXPECT_TRUE(lossy.is_of_messages());
  EXPECT_EQ(lossy.rate, 0.25);
  EXPECT_EQ(lossy.seed, 9U);
  EXPECT_EQ(lossy.incarnation, 0U);
  EXPECT_EQ(read_rule("corrupt data/r0 @rate=1,incarnation=2").incarnation, 2U);
  EXPECT_EQ(read_rule("delay(20) trainer @rate=0.5").duration, milliseconds(20));
  for (const std::string_view action : {"dup", "reorder"}) {
    EXPECT_TRUE(read_rule(std::string(action) + " ps @rate=0.1").is_of_messages());
  }
  const FaultRule random = read_rule("kill9 random every=3s seed=7");
  EXPECT_TRUE(random.is_random());
  EXPECT_EQ(random.every, milliseconds(3000));
  EXPECT_EQ(random.seed, 7U);
  EXPECT_EQ(read_rule("kill9 random @every=500ms,seed=8").every, milliseconds(500));
}

TEST(FaultRule, SaysWhatIsWrongWithARule) {
  expect_refused("kill stage/r0.s0 @step=1,phase=idle", "unknown action \"kill\" (did you mean kill9?)");
  expect_refused("kill9 nobody @step=1,phase=idle", "no actor is called \"nobody\"");
  expect_refused("kill9 stage/r0.s0 @step=x,phase=idle", "step is not a number");
  expect_refused("kill9 stage/r0.s0 @step=1,phase=sleep", "sleep");
  expect_refused("kill9 stage/r0.s0 @step=1,phase=forwrad", "did you mean forward?");
  expect_refused("kill9 stage/r0.s0 @step=1", "phase is missing");
  expect_refused("kill9 stage/r0.s0 step=1,phase=idle", "the last with @");
  expect_refused("kill9 stage/r0.s0 @step=1,where=idle", "unknown key \"where\"");
  expect_refused("kill9 stage/r0.s0 @stpe=1,phase=idle", "did you mean step?");
  expect_refused("throw data/r0 @step=1,phase=reduce", "has no phase reduce of its own");
  expect_refused("kill9 stage/r0.s0 @step=0,phase=idle", "steps count from 1");
  expect_refused("kill9 stage/r0.s0 @phase=idle", "step is missing");
  expect_refused("kill9 ps @step=1,phase=idle,incarnation=0", "incarnations count from 1");
  expect_refused("kill9 stage/r0.s0 @step=1,phase=vote", "nothing is made to fail in phase vote");
  expect_refused("kill9 stage/r0.s0 @step=1,phase=load", "phase load");
  expect_refused("kill9 data/r0 @step=1,phase=evaluate", "phase evaluate");
  expect_refused("kill9 trainer @step=1,phase=backward", "trainer has no phase backward");
  expect_refused("", "a rule reads: kill9|exit|throw");
}

TEST(FaultRule, SaysWhatIsWrongWithTheNewerParts) {
  expect_refused("slow stage/r0.s0 @step=1,phase=idle", "slow needs a time");
  expect_refused("kill9(3) stage/r0.s0 @step=1,phase=idle", "kill9 takes no time");
  expect_refused("stop(x) stage/r0.s0 @step=1,phase=idle", "no time in milliseconds");
  expect_refused("stop(0) stage/r0.s0 @step=1,phase=idle", "no time in milliseconds");
  expect_refused("stop(5 stage/r0.s0 @step=1,phase=idle", "no time in milliseconds");
  expect_refused("kill9 stage/r0.s0 @step=1,point=commited", "did you mean committed?");
  expect_refused("kill9 stage/r0.s0 @step=1,point=votes_in", "does not come to point votes_in");
  expect_refused("kill9 trainer @step=1,point=applied", "does not come to point applied");
  expect_refused("kill9 stage/r1.s0 @step=1,point=shard_written", "does not come to point shard_written");
  expect_refused("kill9 stage/r0.s0 @step=1,point=voted,phase=idle", "not both");
  expect_refused("kill9 stage/r0.s0 @step=1,phase=reduce,mb=2", "mb is for phase forward and backward");
  expect_refused("kill9 data/r0 @step=1,phase=forward,mb=2", "mb is for stages");
  expect_refused("nan stage/r0.s0 @step=1,phase=optimizer", "nan is for the numbers of a stage");
  expect_refused("flip stage/r0.s0 @step=1,point=voted", "flip is for the numbers of a stage");
  expect_refused("fail stage/r0.s0 @step=1,phase=forward", "fail is for what may fail");
  expect_refused("drop stage/r0.s0 @seed=1", "rate is missing");
  expect_refused("drop stage/r0.s0 @rate=1.5", "at most 1");
  expect_refused("drop stage/r0.s0 @rate=0", "above 0");
  expect_refused("drop stage/r0.s0 @step=1,phase=idle", "unknown key \"step\"");
  expect_refused("kill9 random seed=1", "every is missing");
  expect_refused("kill9 random every=0s", "no time such as 3s");
  expect_refused("abort random every=3s", "killed only");
}

/// Two replicas of two stages with four micro-batches each, 12 steps, checkpoints at 4, 8 and 12, validations at 6, 12.
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
  return find_impossible(read_rule(text), JobPlan(job, 1000, held_out));
}

TEST(FaultRule, SaysWhyARuleCanNeverFireInThisJob) {
  const auto reduced = Exchange::allreduce;
  const auto served = Exchange::ps_sync;
  EXPECT_EQ(impossible("kill9 stage/r2.s0 @step=1,phase=idle", reduced),
            "this job has no actor \"stage/r2.s0\": it has trainer, stage/r0.s0 to stage/r1.s1, data/r0 to data/r1");
  EXPECT_EQ(impossible("kill9 data/r2 @step=1,phase=idle", served),
            "this job has no actor \"data/r2\": it has trainer, stage/r0.s0 to stage/r1.s1, data/r0 to data/r1, ps");
  EXPECT_NE(impossible("kill9 ps @step=1,phase=idle", reduced), "");
  EXPECT_NE(impossible("drop ps @rate=0.1", reduced), "");
  EXPECT_EQ(impossible("kill9 data/r0 @step=13,phase=idle", reduced), "the job ends with step 12");
  EXPECT_EQ(impossible("kill9 stage/r1.s0 @step=1,phase=forward,mb=3", reduced),
            "stage/r1.s0 has the micro-batches 4 to 7");
  EXPECT_NE(impossible("kill9 stage/r0.s0 @step=4,phase=checkpoint", served).find("only trainer and ps"),
            std::string::npos);
  EXPECT_NE(impossible("kill9 data/r1 @step=4,phase=checkpoint", served), "");
  EXPECT_EQ(impossible("kill9 stage/r0.s0 @step=9,phase=checkpoint", reduced),
            "no checkpoint is due at step 9, the next one is at step 12");
  EXPECT_EQ(impossible("kill9 trainer @step=9,point=renamed", reduced),
            "no checkpoint is due at step 9, the next one is at step 12");
  EXPECT_EQ(impossible("kill9 stage/r0.s0 @step=6,phase=checkpoint", reduced, 0),
            "no checkpoint is due at step 6, the next one is at step 8");
}

TEST(FaultRule, TakesARuleThatCanFireInThisJob) {
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
  EXPECT_EQ(impossible("kill9 stage/r1.s0 @step=1,phase=forward,mb=7", Exchange::allreduce), "");
  EXPECT_EQ(impossible("kill9 trainer @step=8,point=before_rename", Exchange::allreduce), "");
  EXPECT_EQ(impossible("kill9 random every=3s", Exchange::allreduce), "");
}

}  // namespace
}  // namespace troupe::actors
