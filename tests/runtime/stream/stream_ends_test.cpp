#include "runtime/stream/stream.hpp"
#include "tests/runtime/task/coroutine_actors.hpp"

/// Streams that end beside others, or while somebody waits: what one end does must not touch what is gone already.
namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;
using Texts = std::vector<std::string>;
using Next = Result<std::optional<Number>>;

/// Opens a stream and puts nothing.
Behavior silent() {
  return {on<Ask>([](const Ask&, Context& context) { (void)StreamOut<Number>(context); })};
}

/// Puts as long as somebody reads; one that begins late is asked for nothing in time.
Behavior putting(Texts& log, Duration begins_after = {}) {
  return {on<Ask>([&log, begins_after](const Ask&, Context& context) -> Task<> {
    const StreamOut<Number> out(context);
    if (begins_after > Duration{0}) co_await context.delay(begins_after);
    for (std::uint32_t i = 1;; ++i) {
      const Result<Done> room = co_await out.room(context);
      if (!room) {
        log.emplace_back("over");
        co_return;
      }
      (void)out.put(context, Number{i});
    }
  })};
}

StreamLimits limits(std::uint32_t credit) {
  StreamLimits made;
  made.credit = credit;
  made.between = milliseconds(100);
  return made;
}

TEST(StreamEnds, SM3_ACoroutineThatEndsOnOneFailureTakesItsOtherStreamWithIt) {
  Script script;
  Texts log;
  spawn_with(script, script.right, "silent", silent());
  spawn_with(script, script.left, "zip", {on<Number>([&log](const Number&, Context& context) -> Task<> {
               StreamReader<Number> first(context, ActorId{"silent", 0}, Ask{0}, limits(4));
               const StreamReader<Number> second(context, ActorId{"silent", 0}, Ask{0}, limits(4));
               const Next next = co_await first.next();
               log.push_back(next ? "item" : next.failure().describe());
             })});
  tell(script, script.left, "zip", 0);
  script.network.deliver_all();
  script.network.advance(milliseconds(300));  // both are due at once
  EXPECT_EQ(log, (Texts{"disconnected: no answer to test.ask from silent within 100 ms"}));
}

TEST(StreamEnds, SM3_WhatIsCancelledByTheFailureOfAnotherHearsNothing) {
  Script script;
  spawn_with(script, script.right, "silent", silent());
  script.spawn_puppet(script.left, "reader");
  StreamId second;
  int first_calls = 0;
  int second_calls = 0;
  script.act(script.left, "reader", [&](Context& context) {
    (void)read_stream<Number>(context, ActorId{"silent", 0}, Ask{0}, limits(4), [&](const Next&, Context& turn) {
      ++first_calls;
      turn.cancel(second);
    });
    second = read_stream<Number>(context, ActorId{"silent", 0}, Ask{0}, limits(4),
                                 [&](const Next&, Context&) { ++second_calls; });
  });
  script.network.deliver_all();
  script.network.advance(milliseconds(300));
  EXPECT_EQ(first_calls, 1);
  EXPECT_EQ(second_calls, 0);
}

TEST(StreamEnds, SM4_AReaderThatThrowsOnOneFailureEndsTheOthersAtTheirProducers) {
  Script script;
  Texts log;
  spawn_with(script, script.right, "late", putting(log, milliseconds(500)));
  script.spawn_puppet(script.left, "reader");
  script.act(script.left, "reader", [](Context& context) {
    for (int i = 0; i < 2; ++i) {
      (void)read_stream<Number>(context, ActorId{"late", 0}, Ask{0}, limits(3),
                                [](const Next&, Context&) { throw std::runtime_error("enough"); });
    }
  });
  script.network.deliver_all();
  for (int i = 0; i < 3; ++i) {
    script.network.advance(milliseconds(300));
    script.network.deliver_all();
  }
  EXPECT_EQ(log, (Texts{"over", "over"}));
}

TEST(StreamEnds, AW1_ACoroutineThatWaitsForRoomGoesOnWhenAnotherHandlerEndsTheStream) {
  Script script;
  Texts log;
  std::optional<StreamOut<Number>> out;
  spawn_with(script, script.right, "two handed",
             {on<Ask>([&](const Ask&, Context& context) -> Task<> {
                out.emplace(context);
                while (true) {
                  const Result<Done> room = co_await out->room(context);
                  if (!room) {
                    log.emplace_back("over");
                    co_return;
                  }
                  (void)out->put(context, Number{1});
                }
              }),
              on<Number>([&](const Number&, Context& context) { out->end(context); })});
  script.spawn_puppet(script.left, "reader");
  script.act(script.left, "reader", [&log](Context& context) {
    (void)read_stream<Number>(context, ActorId{"two handed", 0}, Ask{0}, limits(1), [&log](const Next& next, Context&) {
      if (next && !*next) log.emplace_back("end");
    });
  });
  script.network.deliver_all();
  tell(script, script.right, "two handed", 1);
  script.network.deliver_all();
  EXPECT_EQ(log, (Texts{"over", "end"}));
}

TEST(StreamEnds, SM2_MoreCreditThanAProducerKeepsIsGrantedInParts) {
  Script script;
  Texts log;
  spawn_with(script, script.right, "putting", putting(log));
  script.spawn_puppet(script.left, "reader");
  constexpr std::uint32_t kMuch = 100'000;
  std::uint32_t got = 0;
  std::uint32_t failures = 0;
  script.act(script.left, "reader", [&](Context& context) {
    (void)read_stream<Number>(context, ActorId{"putting", 0}, Ask{0}, limits(kMuch),
                              [&](const Next& next, Context&) { next ? ++got : ++failures; });
  });
  for (int i = 0; i < 400 && got < kMuch; ++i) {
    script.network.deliver_all();
    script.network.advance(milliseconds(1));
  }
  EXPECT_EQ(got, kMuch);
  script.network.deliver_all();
  script.network.advance(milliseconds(300));
  EXPECT_EQ(failures, 0U) << "no item is owed";
}

TEST(StreamEnds, SM4_TheLastWordsOfAProducerReachItsReaderOverAFullLink) {
  Script script;
  spawn_with(script, script.right, "silent", silent());
  spawn_with(script, script.right, "flood", {on<Number>([](const Number&, Context& context) {
               while (context.send(ActorId{"sink", 0}, Number{})) {  // until the link is full
               }
             })});
  spawn_with(script, script.left, "sink", {on<Number>([](const Number&, Context&) {})});
  script.spawn_puppet(script.left, "reader");
  Texts log;
  script.act(script.left, "reader", [&log](Context& context) {
    StreamLimits patient = limits(1);
    patient.between = std::chrono::hours(10);
    (void)read_stream<Number>(context, ActorId{"silent", 0}, Ask{0}, patient,
                              [&log](const Next& next, Context&) { log.push_back(next.failure().describe()); });
  });
  script.network.deliver_all();
  tell(script, script.right, "flood", 1);
  script.right.node().stop_later({"silent", 1});
  script.network.deliver_all();
  script.network.advance(milliseconds(10));
  script.network.deliver_all();
  ASSERT_EQ(log.size(), 1U);
  EXPECT_NE(log[0].find("silent#1 is down"), std::string::npos) << log[0];
}

}  // namespace
}  // namespace troupe::runtime
