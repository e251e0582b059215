#include "actors/recovery/sent_log.hpp"

#include "tests/support/deterministic_node.hpp"
#include "tests/support/scripted_actor.hpp"
#include "tests/support/tiny_job.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace troupe::actors {
namespace {

using Words = std::vector<std::string>;

/// A log, the turn of an actor to use it in, and two ears.
class LogBench {
public:
  template <class Work>
  void in_a_turn(const Work& work) {
    node_.spawn<test::ScriptedActor>("sender" + std::to_string(++senders_), runtime::Behavior{}, work);
    network_.run_turns();
  }
  /// For each step a gradient to the one before and one of the tied weight to the far end.
  void send_steps(std::uint32_t begin, std::uint32_t end) {
    in_a_turn([this, begin, end](runtime::Context& context) {
      for (std::uint32_t step = begin; step < end; ++step) {
        log.send("before", BackwardGradients{1, step, 0, {}}, context);
        log.send("far", TiedGradient{1, step, {}}, context);
      }
    });
  }
  void resend(const std::string& to, std::uint32_t step) {
    heard.clear();
    in_a_turn([&](runtime::Context& context) { log.resend(to, step, context); });
  }
  LogBench() {
    node_.spawn<test::ScriptedActor>("before",
                                     runtime::Behavior{test::hears<BackwardGradients>(
                                         gradients_, [this](const BackwardGradients& message, runtime::Context&) {
                                           heard.push_back("gradients " + std::to_string(message.step));
                                         })});
    node_.spawn<test::ScriptedActor>("far", runtime::Behavior{test::hears<TiedGradient>(
                                                tied_, [this](const TiedGradient& message, runtime::Context&) {
                                                  heard.push_back("tied " + std::to_string(message.step));
                                                })});
  }

  SentLog log{SentLog::Keep::all};
  Words heard;

private:
  test::Heard<BackwardGradients> gradients_;
  test::Heard<TiedGradient> tied_;
  int senders_ = 0;
  runtime::DeterministicNetwork network_;
  runtime::DeterministicNode& node_ = network_.add_node("node");
};

TEST(SentLog, SL1_SendsAgainWhatThatReceiverHadFromThatStepOnInOrder) {
  LogBench bench;
  bench.send_steps(4, 6);
  EXPECT_EQ(bench.heard, (Words{"gradients 4", "tied 4", "gradients 5", "tied 5"}));
  bench.resend("before", 4);
  EXPECT_EQ(bench.heard, (Words{"gradients 4", "gradients 5"}));
  bench.resend("far", 5);
  EXPECT_EQ(bench.heard, Words{"tied 5"});
  bench.resend("nobody", 0);
  EXPECT_EQ(bench.heard, Words{});
}

TEST(SentLog, SL2_WhatNobodyCanAskForIsDropped) {
  LogBench bench;
  bench.send_steps(4, 7);
  EXPECT_EQ(bench.log.whole_from(), 0U);
  bench.log.forget_before(6);
  EXPECT_EQ(bench.log.whole_from(), 6U);
  EXPECT_EQ(bench.log.size(), 2U);
  bench.resend("before", 4);
  EXPECT_EQ(bench.heard, Words{"gradients 6"});
  bench.log.restart(5);
  EXPECT_EQ(bench.log.whole_from(), 5U);
  EXPECT_EQ(bench.log.size(), 0U);
}

TEST(SentLog, WhereNothingIsReplayedNothingIsKept) {
  LogBench bench;
  bench.in_a_turn([](runtime::Context& context) {
    SentLog none(SentLog::Keep::nothing);
    none.send("far", TiedGradient{1, 3, {}}, context);
    EXPECT_EQ(none.size(), 0U);
  });
  EXPECT_EQ(bench.heard, Words{"tied 3"});
}

}  // namespace
}  // namespace troupe::actors
