#include "runtime/stream/stream.hpp"

#include "tests/runtime/task/coroutine_actors.hpp"

namespace troupe::runtime {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Texts = std::vector<std::string>;

/// Counts up from 1 to what an Ask says, as its reader has room; 0 = until it is told to stop.
Behavior counting(Texts& log) {
  return {on<Ask>([&log](const Ask& ask, Context& context) -> Task<> {
    const StreamOut<Number> out(context);
    for (std::uint32_t i = 1; ask.value == 0 || i <= ask.value; ++i) {
      const Result<Done> room = co_await out.room(context);
      if (!room) {
        log.push_back("over: " + room.failure().text);
        co_return;
      }
      log.push_back("put " + std::to_string(i));
      (void)out.put(context, Number{i}).value();
    }
    out.end(context);
  })};
}

std::string words_of(const Result<std::optional<Number>>& next) {
  if (!next) return next.failure().describe();
  return *next ? std::to_string((*next)->value) : "end";
}

DeterministicNode& same_node(Script& script) {
  return script.left;
}
DeterministicNode& other_node(Script& script) {
  return script.right;
}

/// A producer on one node and a reader on the other, or on the same.
struct Pair {
  Texts made;
  Texts read;
  StreamId stream;
  Script script;
  DeterministicNode& far;

  explicit Pair(DeterministicNode& (*place)(Script&) = &other_node) : far(place(script)) {
    spawn_with(script, far, "counter", counting(made));
    script.spawn_puppet(script.left, "reader");
  }
  void start(std::uint32_t count, std::uint32_t credit) {
    script.act(script.left, "reader", [this, count, credit](Context& context) {
      StreamLimits limits;
      limits.credit = credit;
      limits.between = milliseconds(100);
      stream = read_stream<Number>(
          context, ActorId{"counter", 0}, Ask{count}, limits,
          [this](const Result<std::optional<Number>>& next, Context&) { read.push_back(words_of(next)); });
    });
    script.network.deliver_all();
  }
  void grant(std::uint32_t more) {
    script.act(script.left, "reader", [this, more](Context& context) { context.grant(stream, more); });
    script.network.deliver_all();
  }
};

TEST(Stream, SM1_TheItemsComeInOrderThenTheEnd) {
  for (auto* const place : {&same_node, &other_node}) {
    Pair pair(place);
    pair.start(3, 16);
    EXPECT_EQ(pair.read, (Texts{"1", "2", "3", "end"}));
    pair.script.network.advance(milliseconds(200));
    EXPECT_EQ(pair.read.size(), 4U) << "the end is the last";
  }
}

TEST(Stream, SM2_NoMoreIsPutThanIsGranted) {
  for (auto* const place : {&same_node, &other_node}) {
    Pair pair(place);
    pair.start(5, 2);
    EXPECT_EQ(pair.made, (Texts{"put 1", "put 2"}));
    pair.script.network.advance(hours(1));
    EXPECT_EQ(pair.read, (Texts{"1", "2"})) << "no item is owed: nothing is late";
    pair.grant(1);
    EXPECT_EQ(pair.read, (Texts{"1", "2", "3"}));
    pair.grant(10);
    EXPECT_EQ(pair.read, (Texts{"1", "2", "3", "4", "5", "end"}));
  }
}

TEST(Stream, SM2_WithoutRoomAPutIsRefused) {
  Script script;
  Texts put;
  HookedActor::Hooks hooks;
  hooks.ask = [&put](const Ask&, Context& context) {
    const StreamOut<Number> out(context);
    const auto fill = [out, &put](Context& turn) {
      while (true) {
        const Result<Done> done = out.put(turn, Number{7});
        put.push_back(done ? "done" : done.failure().describe());
        if (!done) return;
      }
    };
    fill(context);
    out.when_room(context, [fill](const Result<Done>& room, Context& turn) {
      if (room) fill(turn);
    });
  };
  script.spawn(script.right, "filler", std::move(hooks));
  script.spawn_puppet(script.left, "reader");
  script.act(script.left, "reader", [](Context& context) {
    StreamLimits limits;
    limits.credit = 2;
    (void)read_stream<Number>(context, ActorId{"filler", 0}, Ask{}, limits,
                              [](const Result<std::optional<Number>>&, Context&) {});
  });
  script.network.deliver_all();
  const std::string refused = "overloaded: the reader has granted no more: wait for room";
  EXPECT_EQ(put, (Texts{refused, "done", "done", refused}));
}

TEST(Stream, SM2_WhatTheLinkHasNoRoomForWaitsInOrder) {
  Pair pair;
  constexpr std::uint32_t kMore = MemoryNetwork::kWindow + 50;
  pair.script.act(pair.script.left, "reader", [&pair](Context& context) {
    StreamLimits limits;
    limits.credit = kMore;
    pair.stream = read_stream<Number>(
        context, ActorId{"counter", 0}, Ask{kMore}, limits,
        [&pair](const Result<std::optional<Number>>& next, Context&) { pair.read.push_back(words_of(next)); });
  });
  DeterministicNetwork& network = pair.script.network;
  network.expect("test.ask").from(pair.script.left).to(pair.script.right);
  network.expect("runtime.stream_opened").from(pair.script.right).to(pair.script.left);
  network.expect("runtime.stream_grant").from(pair.script.left).to(pair.script.right);
  EXPECT_EQ(network.wire().held(), MemoryNetwork::kWindow);
  network.deliver_all();
  for (int i = 0; i < 3; ++i) {
    network.advance(milliseconds(1));
    network.deliver_all();
  }
  ASSERT_EQ(pair.read.size(), kMore + 1);
  for (std::uint32_t i = 0; i < kMore; ++i) ASSERT_EQ(pair.read[i], std::to_string(i + 1));
  EXPECT_EQ(pair.read.back(), "end");
}

TEST(Stream, SM2_AGrantThatFindsTheLinkFullIsSentAgain) {
  Pair pair;
  pair.start(3, 2);
  ASSERT_EQ(pair.read, (Texts{"1", "2"}));
  pair.script.act(pair.script.left, "reader", [&pair](Context& context) {
    while (context.send(ActorId{"counter", 0}, Number{})) {  // until the window is full
    }
    context.grant(pair.stream, 5);
  });
  pair.script.network.deliver_all();
  pair.script.network.advance(milliseconds(10));
  pair.script.network.deliver_all();
  EXPECT_EQ(pair.read, (Texts{"1", "2", "3", "end"}));
}

TEST(Stream, SM3_ACancelledStreamGivesNothingMoreAndTheProducerHears) {
  for (auto* const place : {&same_node, &other_node}) {
    Pair pair(place);
    pair.start(0, 2);
    pair.script.act(pair.script.left, "reader", [&pair](Context& context) { context.cancel(pair.stream); });
    pair.script.network.deliver_all();
    pair.grant(5);
    EXPECT_EQ(pair.read, (Texts{"1", "2"}));
    EXPECT_EQ(pair.made, (Texts{"put 1", "put 2", "over: the stream is over: its reader has cancelled it"}));
  }
}

TEST(Stream, SM3_CancelledInTheMiddleOfAnItem) {
  Pair pair;
  pair.script.act(pair.script.left, "reader", [&pair](Context& context) {
    pair.stream = read_stream<Number>(context, ActorId{"counter", 0}, Ask{0}, {},
                                      [&pair](const Result<std::optional<Number>>& next, Context& turn) {
                                        pair.read.push_back(words_of(next));
                                        turn.cancel(pair.stream);
                                      });
  });
  pair.script.network.deliver_all();
  EXPECT_EQ(pair.read, Texts{"1"});
  EXPECT_EQ(pair.made.back(), "over: the stream is over: its reader has cancelled it");
}

TEST(Stream, SM3_CancelledBeforeItWasOpened) {
  Pair pair;
  pair.script.act(pair.script.left, "reader", [&pair](Context& context) {
    pair.stream = read_stream<Number>(context, ActorId{"counter", 0}, Ask{0}, {},
                                      [](const Result<std::optional<Number>>&, Context&) {});
    context.cancel(pair.stream);
  });
  pair.script.network.deliver_all();
  EXPECT_EQ(pair.made, Texts{"over: the stream is over: its reader has cancelled it"});
}

TEST(Stream, SM4_TheEndOfTheProducerIsTheStreams) {
  for (auto* const place : {&same_node, &other_node}) {
    Pair pair(place);
    pair.start(0, 2);
    ASSERT_TRUE(pair.far.stop("counter"));
    pair.script.network.deliver_all();
    EXPECT_EQ(pair.read, (Texts{"1", "2", "disconnected: counter#1 is down: stopped"}));
  }
}

TEST(Stream, SM4_TheEndOfTheReaderIsTheStreams) {
  for (auto* const place : {&same_node, &other_node}) {
    Pair pair(place);
    pair.start(0, 2);
    ASSERT_TRUE(pair.script.left.stop("reader"));
    pair.script.network.deliver_all();
    EXPECT_EQ(pair.made.back(), "over: the stream is over: its reader has cancelled it");
  }
}

TEST(Stream, SM4_AReaderThatIsGoneBeforeItIsOpened) {
  Pair pair;
  pair.script.act(pair.script.left, "reader", [](Context& context) {
    (void)read_stream<Number>(context, ActorId{"counter", 0}, Ask{0}, {},
                              [](const Result<std::optional<Number>>&, Context&) {});
  });
  ASSERT_TRUE(pair.script.left.stop("reader"));
  pair.script.network.deliver_all();
  EXPECT_EQ(pair.made, Texts{"over: the stream is over: its reader has cancelled it"});
}

TEST(Stream, SM4_ALostLinkIsTheEndOnBothSides) {
  Pair pair;
  pair.start(0, 2);
  pair.script.network.wire().cut(pair.script.left.endpoint(), pair.script.right.endpoint());
  pair.script.network.run_turns();
  EXPECT_EQ(pair.read.back(), "disconnected: connection to memory://right lost: the wire was cut");
  EXPECT_EQ(pair.made.back(), "over: the stream is over: connection to memory://left lost: the wire was cut");
}

TEST(Stream, SM4_AReaderDeclaredDeadIsTheEndForTheProducer) {
  Pair pair;
  pair.start(0, 2);
  pair.script.right.node().declare_down({"reader", 1}, {FailureKind::faulted, "killed by signal 9"});
  pair.script.network.run_turns();
  EXPECT_EQ(pair.made.back(), "over: the stream is over: reader#1: killed by signal 9");
}

TEST(Stream, SM5_AnItemThatIsLateEndsItOnBothSides) {
  Script script;
  Texts heard;
  Texts made;
  spawn_with(script, script.right, "slow", {on<Ask>([&made](const Ask&, Context& context) -> Task<> {
               const StreamOut<Number> out(context);
               for (std::uint32_t i = 1;; ++i) {
                 co_await context.delay(milliseconds(30 * i));
                 const Result<Done> put = out.put(context, Number{i});
                 made.push_back(put ? "put" : put.failure().describe());
                 if (!put) co_return;
               }
             })});
  script.spawn_puppet(script.left, "reader");
  script.act(script.left, "reader", [&heard](Context& context) {
    StreamLimits limits;
    limits.between = milliseconds(70);
    (void)read_stream<Number>(
        context, ActorId{"slow", 0}, Ask{}, limits,
        [&heard](const Result<std::optional<Number>>& next, Context&) { heard.push_back(words_of(next)); });
  });
  script.network.deliver_all();
  for (int i = 0; i < 30; ++i) {
    script.network.advance(milliseconds(10));
    script.network.deliver_all();
  }
  EXPECT_EQ(heard, (Texts{"1", "2", "disconnected: no answer to test.ask from slow within 70 ms"}));
  EXPECT_EQ(made, (Texts{"put", "put", "disconnected: the stream is over: its reader does not read any more"}));
}

TEST(Stream, ACoroutineReadsItToItsEnd) {
  for (auto* const place : {&same_node, &other_node}) {
    Pair pair(place);
    spawn_with(pair.script, pair.script.left, "summer", {on<Number>([&pair](const Number&, Context& context) -> Task<> {
                 StreamLimits limits;
                 limits.credit = 2;
                 StreamReader<Number> numbers(context, ActorId{"counter", 0}, Ask{6}, limits);
                 std::uint32_t sum = 0;
                 while (true) {
                   const Result<std::optional<Number>> next = co_await numbers.next();
                   if (!next || !*next) break;
                   sum += (*next)->value;
                 }
                 const Result<std::optional<Number>> again = co_await numbers.next();
                 pair.read.push_back(std::to_string(sum) + " " + words_of(again));
               })});
    tell(pair.script, pair.script.left, "summer", 0);
    pair.script.network.deliver_all();
    EXPECT_EQ(pair.read, Texts{"21 end"});
  }
}

TEST(Stream, AReaderThatGoesBeforeTheEndHasCancelled) {
  Pair pair;
  spawn_with(pair.script, pair.script.left, "taster", {on<Number>([&pair](const Number&, Context& context) -> Task<> {
               StreamReader<Number> numbers(context, ActorId{"counter", 0}, Ask{0}, {});
               pair.read.push_back(words_of(co_await numbers.next()));
             })});
  tell(pair.script, pair.script.left, "taster", 0);
  pair.script.network.deliver_all();
  EXPECT_EQ(pair.read, Texts{"1"});
  EXPECT_EQ(pair.made.back(), "over: the stream is over: its reader has cancelled it");
}

TEST(Stream, AnAnswerThatIsNoStreamIsAFailure) {
  Script script;
  script.spawn(script.right, "answerer", answering());
  script.spawn_puppet(script.left, "reader");
  Texts heard;
  script.act(script.left, "reader", [&heard](Context& context) {
    (void)read_stream<Number>(
        context, ActorId{"answerer", 0}, Ask{}, {},
        [&heard](const Result<std::optional<Number>>& next, Context&) { heard.push_back(words_of(next)); });
  });
  script.network.deliver_all();
  EXPECT_EQ(heard, Texts{"unknown: answerer did not answer test.ask with a stream, but with test.answer"});
}

TEST(Stream, WhoAsksFromOutsideAnyActorCannotReadOne) {
  Pair pair;
  const Result<Answer> answer = pair.script.right.request<Answer>("counter", Ask{0});
  EXPECT_EQ(words(answer), "unknown: only an actor can read a stream");
  EXPECT_EQ(pair.made, Texts{"over: the stream is over: its reader does not read any more"});
}

TEST(Stream, AStreamOfWhatNobodyAskedIsOver) {
  Script script;
  script.spawn_puppet(script.left, "speaker");
  script.act(script.left, "speaker", [](Context& context) {
    const StreamOut<Number> out(context);
    const Result<Done> put = out.put(context, Number{1});
    ASSERT_FALSE(put);
    EXPECT_EQ(put.failure().kind, FailureKind::disconnected);
  });
}

}  // namespace
}  // namespace troupe::runtime
