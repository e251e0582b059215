#include "runtime/gather.hpp"

#include "tests/runtime/script.hpp"

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

Texts as_texts(const std::vector<Result<Answer>>& outcomes) {
  Texts texts;
  for (const Result<Answer>& each : outcomes) {
    texts.push_back(each ? std::to_string(each->value) : each.failure().describe());
  }
  return texts;
}

TEST(Gather, WaitsForAllAndKeepsTheOrderOfTheTargets) {
  Script script;
  script.spawn(script.right, "far", answering());
  HookedActor::Hooks doubling;
  doubling.ask = [](const Ask& ask, Context& context) { context.reply(Answer{2 * ask.value}); };
  script.spawn(script.left, "near", std::move(doubling));
  script.spawn_puppet(script.left, "asker");
  Texts outcomes;
  int calls = 0;
  script.act(script.left, "asker", [&](Context& context) {
    gather<Answer>(context, {{"far", 0}, {"near", 0}, {"nobody", 0}}, Ask{4}, milliseconds(100),
                   [&](const std::vector<Result<Answer>>& answers, Context&) {
                     ++calls;
                     outcomes = as_texts(answers);
                   });
  });
  EXPECT_EQ(calls, 0) << "the far one has not answered";
  script.network.deliver_all();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(outcomes, (Texts{"4", "8", "unknown: cannot ask nobody: no actor named nobody"}));
}

TEST(Gather, EndsAtTheDeadlineWithWhatThereIs) {
  Script script;
  script.spawn(script.left, "near", answering());
  script.spawn(script.left, "silent", dying_of(""));
  script.spawn_puppet(script.left, "asker");
  Texts outcomes;
  script.act(script.left, "asker", [&](Context& context) {
    gather<Answer>(context, {{"silent", 0}, {"near", 0}}, Ask{1}, milliseconds(100),
                   [&](const std::vector<Result<Answer>>& answers, Context&) { outcomes = as_texts(answers); });
  });
  script.network.advance(milliseconds(99));
  EXPECT_TRUE(outcomes.empty());
  script.network.advance(milliseconds(1));
  EXPECT_EQ(outcomes, (Texts{"disconnected: no answer to test.ask from silent within 100 ms", "1"}));
}

TEST(Gather, OfNobodyIsThereAtOnce) {
  Script script;
  script.spawn_puppet(script.left, "asker");
  int calls = 0;
  script.act(script.left, "asker", [&](Context& context) {
    gather<Answer>(context, {}, Ask{1}, milliseconds(100),
                   [&](const std::vector<Result<Answer>>& answers, Context&) { calls += answers.empty() ? 1 : 100; });
    EXPECT_EQ(calls, 1);
  });
}

TEST(Gather, ABroadcastReachesAllAndSaysWhomNot) {
  Script script;
  std::vector<std::uint32_t> heard;
  HookedActor::Hooks hooks;
  hooks.number = [&heard](const Number& message, Context&) { heard.push_back(message.value); };
  script.spawn(script.left, "near", hooks);
  script.spawn(script.right, "far", hooks);
  script.spawn_puppet(script.left, "speaker");
  script.act(script.left, "speaker", [](Context& context) {
    const std::vector<Result<Done>> sent = broadcast(context, {{"near", 0}, {"nobody", 0}, {"far", 0}}, Number{3});
    ASSERT_EQ(sent.size(), 3U);
    EXPECT_TRUE(sent[0]);
    EXPECT_FALSE(sent[1]);
    EXPECT_TRUE(sent[2]);
  });
  script.network.deliver_all();
  EXPECT_EQ(heard, (std::vector<std::uint32_t>{3, 3}));
}

}  // namespace
}  // namespace troupe::runtime
