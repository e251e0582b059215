#include "runtime/actor_ref.hpp"

#include "tests/runtime/script.hpp"

namespace troupe::runtime {
namespace {

using Answerer = Protocol<Number, Answers<Ask, Answer>>;
using Silent = Protocol<>;

template <class P, class M>
concept CanSend = requires(Context& context, const ActorRef<P>& to, const M& message) {
  context.send(to, message);
};
template <class P, class M>
concept CanAsk = requires(Context& context, const ActorRef<P>& to, const M& message) {
  context.request(to, message, Duration{}, [](const Result<Answer>&, Context&) {});
};

// What an actor does not understand does not compile.
static_assert(CanSend<Answerer, Number>);
static_assert(CanSend<Answerer, Ask>);
static_assert(!CanSend<Answerer, Answer>);
static_assert(!CanSend<Silent, Number>);
static_assert(CanAsk<Answerer, Ask>);
static_assert(!CanAsk<Answerer, Number>, "a Number is not answered");
static_assert(std::is_same_v<ReplyTo_t<Answerer, const Ask&>, Answer>);

/// Tells another where to send.
struct Introduction {
  static constexpr std::string_view kName = "test.introduction";
  ActorRef<Answerer> to;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(to);
  }
};

/// Asks whom it is introduced to.
class Guest final : public Actor {
public:
  explicit Guest(std::vector<std::uint32_t>& answers) : answers_(answers) {}
  Behavior behavior() override { return {on(this, &Guest::meet)}; }

private:
  void meet(const Introduction& introduction, Context& context) {
    EXPECT_TRUE(context.send(introduction.to, Number{1}));
    context.request(introduction.to, Ask{6}, std::chrono::milliseconds(10),
                    [this](const Result<Answer>& answer, Context&) { answers_.push_back(answer.value().value); });
  }

  std::vector<std::uint32_t>& answers_;
};

TEST(ActorRef, TravelsInMessagesAndIsSentTo) {
  Script script;
  std::vector<std::uint32_t> answers;
  script.right.spawn<Guest>("guest", answers);
  HookedActor::Hooks hooks = answering();
  int numbers = 0;
  hooks.number = [&numbers](const Number&, Context&) { ++numbers; };
  const ActorRef<Answerer> host{script.spawn(script.left, "host", std::move(hooks))};
  ASSERT_TRUE(script.left.node().send("guest", Introduction{host}));
  script.network.deliver_all();
  EXPECT_EQ(numbers, 1);
  EXPECT_EQ(answers, std::vector<std::uint32_t>{6});
}

}  // namespace
}  // namespace troupe::runtime
