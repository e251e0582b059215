#include "runtime/transport/zmq_transport.hpp"

#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

namespace troupe::runtime {
namespace {

// Both kinds of endpoints.
class ZmqTransport : public testing::TestWithParam<const char*> {
protected:
  [[nodiscard]] ZmqTransportOptions options(const std::string& name) const {
    return test_options(folder_, GetParam() == std::string("ipc") ? folder_.ipc(name) : kAnyPort);
  }
  TestFolder folder_;
};

TEST_P(ZmqTransport, MessagesGoThereAndBack) {
  TestPeer left(options("left"));
  TestPeer right(options("right"));
  Envelope question = numbered(1);
  question.header.kind = EnvelopeKind::request;
  question.header.correlation = 99;
  ASSERT_TRUE(left.transport->send(right.endpoint(), question));
  ASSERT_TRUE(right.sink.wait_for_envelopes(1));
  std::vector<Envelope> questions = right.sink.take_envelopes();  // a copy would owe nothing
  const Envelope asked = std::move(questions.front());
  EXPECT_EQ(asked.message, "test.numbered");
  EXPECT_EQ(asked.sender_name, "tester");
  EXPECT_EQ(asked.body, "1");
  EXPECT_EQ(asked.header.correlation, 99U);
  EXPECT_EQ(asked.header.sequence, 1U);
  EXPECT_EQ(asked.from_endpoint(), left.endpoint());
  EXPECT_TRUE(asked.arrival.owes());
  ASSERT_TRUE(right.transport->send(std::string(asked.from_endpoint()), numbered(2)));
  ASSERT_TRUE(left.sink.wait_for_envelopes(1));
  const Envelope answer = left.sink.take_envelopes().front();
  EXPECT_EQ(answer.body, "2");
  EXPECT_EQ(answer.header.acknowledged, 1U);
  EXPECT_EQ(left.transport->counters().sent, 1U);
  EXPECT_EQ(left.transport->counters().received, 1U);
}

TEST_P(ZmqTransport, TR1_OrderOfEachSenderThreadIsKept) {
  TestPeer left(options("left"));
  TestPeer right(options("right"));
  constexpr std::uint32_t kThreads = 8;
  constexpr std::uint32_t kEach = 2000;
  std::map<std::uint32_t, std::uint32_t> next;
  std::uint32_t disordered = 0;
  right.sink.set_keep(RecordingSink::Keep::nothing);
  right.sink.set_observer([&](const Envelope& envelope) {
    if (envelope.header.step != next[envelope.header.micro_batch]++) ++disordered;
  });
  std::vector<std::thread> threads;
  std::atomic<std::uint32_t> refused{0};
  for (std::uint32_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        Envelope envelope = numbered(i);
        envelope.header.micro_batch = thread;
        if (!send_patiently(*left.transport, right.endpoint(), envelope)) ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(right.sink.wait_for_envelopes(kThreads * kEach));
  EXPECT_EQ(refused, 0U);
  EXPECT_EQ(disordered, 0U);
  EXPECT_EQ(right.sink.count(), kThreads * kEach);
}

TEST_P(ZmqTransport, TR1_HundredThousandSmallMessagesEachOnce) {
  TestPeer left(options("left"));
  TestPeer right(options("right"));
  constexpr std::uint32_t kMessages = 100'000;
  std::uint32_t expected = 0;
  std::uint32_t wrong = 0;
  right.sink.set_keep(RecordingSink::Keep::nothing);
  right.sink.set_observer([&](const Envelope& envelope) {
    if (envelope.header.step != expected++) ++wrong;
  });
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(send_patiently(*left.transport, right.endpoint(), numbered(i)));
  }
  ASSERT_TRUE(right.sink.wait_for_envelopes(kMessages));
  EXPECT_EQ(wrong, 0U);
}

TEST_P(ZmqTransport, PayloadsAreEqualThroughArenaAndByWire) {
  ZmqTransportOptions without = options("without");
  without.arena_bytes = 0;
  TestPeer by_arena(options("with"));
  TestPeer by_wire(without);
  TestPeer receiver(options("receiver"));
  Envelope envelope = numbered(1);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{10}, std::size_t{32'768}, std::size_t{100'001}, 20 * kMiB}) {
    envelope.payloads.push_back(patterned(size, static_cast<std::uint32_t>(size)));
  }
  ASSERT_TRUE(by_arena.transport->send(receiver.endpoint(), envelope));
  ASSERT_TRUE(by_wire.transport->send(receiver.endpoint(), envelope));
  ASSERT_TRUE(receiver.sink.wait_for_envelopes(2));
  const std::vector<Envelope> arrived = receiver.sink.take_envelopes();
  for (const Envelope& one : arrived) {
    ASSERT_EQ(one.payloads.size(), envelope.payloads.size());
    for (std::size_t i = 0; i < one.payloads.size(); ++i) {
      EXPECT_TRUE(equal_bytes(one.payloads[i], envelope.payloads[i])) << i;
    }
  }
  EXPECT_EQ(by_arena.transport->counters().through_arena, 3U);
  EXPECT_EQ(by_wire.transport->counters().through_arena, 0U);
}

TEST_P(ZmqTransport, FullArenaFallsBackToTheWire) {
  ZmqTransportOptions small = options("left");
  small.arena_bytes = kMiB;
  TestPeer left(small);
  TestPeer right(options("right"));
  Envelope envelope = numbered(1);
  envelope.payloads.push_back(patterned(600'000, 1));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(left.transport->send(right.endpoint(), envelope));
  ASSERT_TRUE(right.sink.wait_for_envelopes(5));
  for (const Envelope& one : right.sink.take_envelopes()) {
    EXPECT_TRUE(equal_bytes(one.payloads.front(), envelope.payloads.front()));
  }
  EXPECT_EQ(left.transport->counters().through_arena, 1U);
}

TEST_P(ZmqTransport, TR3_ReceiverThatDoesNotConsumeStopsTheSender) {
  ZmqTransportOptions narrow = options("left");
  narrow.window_messages = 100;
  narrow.window_bytes = 10 * kMiB;
  ZmqTransportOptions narrow_right = options("right");
  narrow_right.window_messages = 100;
  narrow_right.window_bytes = 10 * kMiB;
  TestPeer left(narrow);
  TestPeer right(narrow_right);
  Envelope large = numbered(1);
  large.payloads.push_back(patterned(kMiB, 1));
  std::size_t accepted = 0;
  while (left.transport->send(right.endpoint(), large)) ++accepted;
  EXPECT_EQ(accepted, 9U) << "ten of them with their headers pass 10 MiB";
  ASSERT_TRUE(right.sink.wait_for_envelopes(accepted));
  const Result<Done> refused = left.transport->send(right.endpoint(), large);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().kind, FailureKind::overloaded);
  EXPECT_EQ(right.sink.take_envelopes().size(), accepted);  // dropping them gives the credit back
  EXPECT_TRUE(send_patiently(*left.transport, right.endpoint(), large));
  EXPECT_TRUE(right.sink.wait_for_envelopes(accepted + 1));
}

TEST_P(ZmqTransport, TR2_NobodyThereComesBack) {
  ZmqTransportOptions hasty = options("left");
  hasty.peer_timeout = std::chrono::milliseconds(300);
  TestPeer left(hasty);
  const std::string nobody = GetParam() == std::string("ipc") ? folder_.ipc("nobody") : "tcp://127.0.0.1:9";
  for (std::uint32_t i = 0; i < 3; ++i) ASSERT_TRUE(left.transport->send(nobody, numbered(i)));
  ASSERT_TRUE(left.sink.wait_for_returned(3));
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(left.sink.returned()[i].envelope.header.step, i);
    EXPECT_EQ(left.sink.returned()[i].why.kind, FailureKind::disconnected);
  }
  EXPECT_EQ(left.transport->counters().undeliverable, 3U);
  ASSERT_TRUE(left.sink.wait_for_downs(1)) << "who waits for that peer has to hear";
  EXPECT_EQ(left.sink.downs().size(), 1U);
  EXPECT_EQ(left.sink.downs().front().endpoint, nobody);
}

TEST_P(ZmqTransport, TR2_ForgetGivesBackAtOnce) {
  ZmqTransportOptions patient = options("left");
  patient.peer_timeout = 2 * kPatience;
  TestPeer left(patient);
  const std::string nobody = GetParam() == std::string("ipc") ? folder_.ipc("nobody") : "tcp://127.0.0.1:9";
  ASSERT_TRUE(left.transport->send(nobody, numbered(1)));
  left.transport->forget(nobody, {FailureKind::faulted, "declared dead"});
  ASSERT_TRUE(left.sink.wait_for_returned(1));
  EXPECT_EQ(left.sink.returned().front().why.text, "declared dead");
}

TEST_P(ZmqTransport, StopDeliversWhatWasSentAndSaysGoodbye) {
  TestPeer right(options("right"));
  constexpr std::uint32_t kMessages = 500;
  {
    TestPeer left(options("left"));
    for (std::uint32_t i = 0; i < kMessages; ++i) ASSERT_TRUE(left.transport->send(right.endpoint(), numbered(i)));
    left.transport->stop(kPatience);
    EXPECT_TRUE(left.sink.returned().empty());
    const Result<Done> refused = left.transport->send(right.endpoint(), numbered(1));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.failure().kind, FailureKind::disconnected);
    left.transport->stop(kPatience);
  }
  ASSERT_TRUE(right.sink.wait_for_envelopes(kMessages));
  ASSERT_TRUE(right.sink.wait_for_downs(1));
  EXPECT_NE(right.sink.downs().front().why.text.find("goodbye"), std::string::npos);
}

TEST_P(ZmqTransport, StopLeavesNoFilesAndNoEndlessWait) {
  {
    TestPeer left(options("left"));
    TestPeer right(options("right"));
    ASSERT_TRUE(left.transport->send(right.endpoint(), numbered(1)));
    ASSERT_TRUE(right.sink.wait_for_envelopes(1));
    ASSERT_TRUE(left.transport->send("tcp://127.0.0.1:9", numbered(1)));
    EXPECT_GT(folder_.entries(), 0U);
    const auto begin = std::chrono::steady_clock::now();
    left.transport->stop(std::chrono::seconds(2));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kPatience / 2);
    EXPECT_EQ(left.sink.returned().size(), 1U);
  }
  EXPECT_EQ(folder_.entries(), 0U);
}

TEST_P(ZmqTransport, TicketsAndPayloadsMayOutliveBothTransports) {
  std::vector<Envelope> kept;
  Envelope envelope = numbered(1);
  envelope.payloads.push_back(patterned(100'000, 4));
  {
    TestPeer left(options("left"));
    TestPeer right(options("right"));
    ASSERT_TRUE(left.transport->send(right.endpoint(), envelope));
    ASSERT_TRUE(right.sink.wait_for_envelopes(1));
    kept = right.sink.take_envelopes();
  }
  EXPECT_TRUE(equal_bytes(kept.front().payloads.front(), envelope.payloads.front()));
}

TEST_P(ZmqTransport, AnotherJobIsRefusedWithAReason) {
  ZmqTransportOptions other = options("other");
  other.job = 8;
  TestPeer left(other);
  TestPeer right(options("right"));
  ASSERT_TRUE(left.transport->send(right.endpoint(), numbered(1)));
  ASSERT_TRUE(left.sink.wait_for_returned(1));
  EXPECT_EQ(left.sink.returned().front().why.kind, FailureKind::unknown);
  EXPECT_NE(left.sink.returned().front().why.text.find("belongs to job 7, not to 8"), std::string::npos);
  EXPECT_EQ(right.sink.count(), 0U);
  EXPECT_EQ(right.transport->counters().malformed, 1U);
}

TEST_P(ZmqTransport, SecondEndpointServesItsOwnKind) {
  ZmqTransportOptions both = options("both");
  both.listen = folder_.ipc("both");
  both.also_listen = kAnyPort;
  TestPeer two_doors(both);
  TestPeer caller(options("caller"));
  ASSERT_TRUE(two_doors.transport->send(caller.endpoint(), numbered(1)));
  ASSERT_TRUE(caller.sink.wait_for_envelopes(1));
  const std::string back(caller.sink.take_envelopes().front().from_endpoint());
  EXPECT_TRUE(back.starts_with(GetParam())) << back;
  ASSERT_TRUE(caller.transport->send(back, numbered(2)));
  EXPECT_TRUE(two_doors.sink.wait_for_envelopes(1));
}

TEST_P(ZmqTransport, ImpossibleOptionsAreRefusedAtTheStart) {
  RecordingSink sink;
  ZmqTransportOptions no_window = options("a");
  no_window.window_messages = 0;
  EXPECT_FALSE(make_zmq_transport(no_window)->start(sink));
}

TEST_P(ZmqTransport, WithoutRoomForAnArenaPayloadsGoThroughSockets) {
  ZmqTransportOptions no_folder = options("sender");
  no_folder.arena_directory = folder_.path() / "missing";
  TestPeer sender(no_folder);
  TestPeer receiver(options("receiver"));
  Envelope envelope = numbered(1);
  const Payload payload = patterned(1'000'000, 3);
  envelope.payloads.push_back(payload);
  ASSERT_TRUE(sender.transport->send(receiver.endpoint(), envelope));
  ASSERT_TRUE(receiver.sink.wait_for_envelopes(1));
  EXPECT_TRUE(equal_bytes(receiver.sink.take_envelopes().front().payloads.at(0), payload));
}

INSTANTIATE_TEST_SUITE_P(Endpoints, ZmqTransport, testing::Values("ipc", "tcp"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace troupe::runtime
