#include "runtime/node.hpp"
#include "runtime/task/asking.hpp"
#include "tests/runtime/test_actors.hpp"
#include "tests/support/scripted_actor.hpp"

#include <gtest/gtest.h>

#include <atomic>

/// Coroutines of real actors on real threads.
namespace troupe::runtime {
namespace {

using test::kPatience;

/// Its own count goes up before each wait and down after it.
class Counting final : public Actor {
public:
  explicit Counting(std::atomic<int>& frames) : frames_(frames) {}
  Behavior behavior() override { return {on(this, &Counting::ask_round)}; }

private:
  Task<Answer> ask_round(const Ask& ask, Context& context) {
    frames_.fetch_add(1);
    const std::shared_ptr<void> leaves(nullptr, [this](void*) { frames_.fetch_sub(1); });
    std::uint32_t sum = 0;
    for (std::uint32_t i = 0; i < ask.value; ++i) {
      const Result<Answer> answer = co_await context.ask<Answer>(ActorId{"echo", 0}, Ask{1}, kPatience);
      sum += answer.value().value;
    }
    co_return Answer{sum};
  }
  std::atomic<int>& frames_;
};

TEST(AskingThreads, AW1_ManyHandlersOfManyActorsWaitAtOnce) {
  std::atomic<int> frames = 0;
  {
    Node node({}, make_local_parts(4));
    ASSERT_TRUE(node.start());
    ASSERT_TRUE(node.spawn("echo", hooked(answering())));
    test::Heard<Answer> heard;
    ASSERT_TRUE(node.spawn("crowd", std::make_unique<test::ScriptedActor>(
                                        Behavior{on<Number>([&heard](const Number& number, Context& context) -> Task<> {
                                          std::vector<ActorId> all_of_them;
                                          for (std::uint32_t i = 0; i < number.value; ++i) {
                                            all_of_them.push_back({"counting" + std::to_string(i), 0});
                                          }
                                          for (const Result<Answer>& each : co_await all(
                                                   ask_each<Answer>(context, all_of_them, Ask{50}, kPatience))) {
                                            heard.add(each.value());
                                          }
                                        })})));
    for (int i = 0; i < 8; ++i) {
      SpawnOptions options;
      options.placement = i % 4 == 0 ? Placement::pinned : Placement::shared;
      ASSERT_TRUE(node.spawn("counting" + std::to_string(i), std::make_unique<Counting>(frames), options));
    }
    for (int round = 0; round < 4; ++round) ASSERT_TRUE(node.send("crowd", Number{8}));
    ASSERT_TRUE(heard.wait_for(32));
    for (const Answer& answer : heard.all()) EXPECT_EQ(answer.value, 50U);
  }
  EXPECT_EQ(frames.load(), 0);
}

TEST(AskingThreads, AW2_NothingIsLeftOfHandlersThatWaitWhenTheNodeStops) {
  std::atomic<int> frames = 0;
  for (const Takes takes : {Takes::all_mail, Takes::urgent_mail}) {
    Node node({}, make_local_parts(2));
    ASSERT_TRUE(node.start());
    test::Heard<Number> begun;
    ASSERT_TRUE(node.spawn("waiter", std::make_unique<test::ScriptedActor>(
                                         Behavior{on<Number>([&](const Number& number, Context& context) -> Task<> {
                                           frames.fetch_add(1);
                                           const std::shared_ptr<void> leaves(
                                               nullptr, [&frames](void*) { frames.fetch_sub(1); });
                                           begun.add(number);
                                           co_await context.delay(std::chrono::hours(1));
                                         })}.while_waiting(takes))));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(node.send("waiter", Number{}));
    ASSERT_TRUE(begun.wait_for(takes == Takes::all_mail ? 5 : 1));
    node.shutdown(std::chrono::milliseconds(takes == Takes::all_mail ? 10'000 : 50));
    EXPECT_EQ(frames.load(), 0) << "those that cannot come to an end in time are ended";
  }
}

}  // namespace
}  // namespace troupe::runtime
