#include "runtime/task/task.hpp"

#include "tests/runtime/task/coroutine_actors.hpp"

#include <stdexcept>

namespace troupe::runtime {
namespace {

using Texts = std::vector<std::string>;

Task<int> length_of(std::string text, Texts& log) {
  log.push_back("measured");
  if (text.empty()) throw std::runtime_error("no text");
  co_return static_cast<int>(text.size());
}

Task<int> sum_of(Texts& log) {
  Task<int> first = length_of("four", log);
  log.push_back("made");
  const int four = co_await std::move(first);
  co_return four + co_await length_of("five!", log);
}

TEST(Task, TK1_BeginsWhenItIsAwaitedAndItsValueGoesToTheAwaiter) {
  Script script;
  Texts log;
  spawn_with(script, script.left, "adder", {on<Ask>([&log](const Ask& ask, Context&) -> Task<Answer> {
               co_return Answer{ask.value + static_cast<std::uint32_t>(co_await sum_of(log))};
             })});
  const Result<Answer> answer = script.left.request<Answer>("adder", Ask{100});
  EXPECT_EQ(words(answer), "109");
  EXPECT_EQ(log, (Texts{"made", "measured", "measured"}));
}

TEST(Task, TK1_WhatATaskThrowsIsThrownAtItsAwaiter) {
  Script script;
  Texts log;
  spawn_with(script, script.left, "careful", {on<Ask>([&log](const Ask&, Context&) -> Task<Answer> {
               try {
                 (void)co_await length_of("", log);
               } catch (const std::runtime_error& problem) {
                 log.push_back(problem.what());
               }
               co_return Answer{1};
             })});
  EXPECT_EQ(words(script.left.request<Answer>("careful", Ask{})), "1");
  EXPECT_EQ(log, (Texts{"measured", "no text"}));
}

TEST(Task, ATaskThatNobodyAwaitsNeverBegins) {
  Texts log;
  { const Task<int> unused = length_of("four", log); }
  EXPECT_TRUE(log.empty());
}

TEST(Task, ARequestIsAnsweredByWhatIsReturnedAMessageOrAResult) {
  Script script;
  spawn_with(script, script.left, "odd", {on<Ask>([](const Ask& ask, Context&) -> Task<Result<Answer>> {
               if (ask.value % 2 == 0) co_return Failure{FailureKind::unknown, "even"};
               co_return Answer{ask.value};
             })});
  EXPECT_EQ(words(script.left.request<Answer>("odd", Ask{3})), "3");
  EXPECT_EQ(words(script.left.request<Answer>("odd", Ask{4})), "unknown: even");
}

TEST(Task, CE3_ACoroutineThatEndsWithoutAnsweringHasAnsweredWithAFailure) {
  Script script;
  spawn_with(script, script.left, "mute", {on<Ask>([](const Ask&, Context&) -> Task<> { co_return; })});
  EXPECT_EQ(words(script.left.request<Answer>("mute", Ask{})), "unknown: mute#1 did not answer test.ask");
}

}  // namespace
}  // namespace troupe::runtime
