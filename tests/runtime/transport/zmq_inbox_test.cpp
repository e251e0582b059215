#include "runtime/transport/zmq_inbox.hpp"

#include "runtime/message/message.hpp"
#include "runtime/node.hpp"
#include "tests/runtime/transport/zmq_raw_caller.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

struct Fixture {
  TestFolder folder;
  TestPeer peer;
  RawCaller caller;

  explicit Fixture(std::uint32_t window_messages = 1024)
      : peer([&] {
          ZmqTransportOptions options = test_options(folder, folder.ipc("peer"));
          options.window_messages = window_messages;
          return options;
        }()),
        caller(peer.endpoint()) {}

  [[nodiscard]] std::uint64_t malformed() const { return peer.transport->counters().malformed; }
  /// Until the caller's messages were looked at: one connection keeps its order. Read earlier welcomes before.
  void settle() {
    ++caller.hello().link;
    caller.say_hello();
    ASSERT_TRUE(caller.next<LinkWelcome>());
  }
};

TEST(ZmqInbox, IB1_NothingBeforeAHello) {
  Fixture at;
  at.caller.send_sequence(1);
  at.caller.say_hello();
  ASSERT_TRUE(at.caller.next<LinkWelcome>());
  EXPECT_EQ(at.malformed(), 1U);
  EXPECT_EQ(at.peer.sink.count(), 0U);
  at.caller.send_sequence(1);
  EXPECT_TRUE(at.peer.sink.wait_for_envelopes(1));
}

Envelope in_sequence(std::uint64_t sequence, EnvelopeKind kind = EnvelopeKind::message) {
  Envelope envelope = numbered(static_cast<std::uint32_t>(sequence));
  envelope.header.sequence = sequence;
  envelope.header.kind = kind;
  return envelope;
}

TEST(ZmqInbox, IB1_NoBatchBeforeAHello) {
  Fixture at;
  at.caller.send_batch({in_sequence(1), in_sequence(2)});
  at.settle();
  EXPECT_EQ(at.malformed(), 1U);
  EXPECT_EQ(at.peer.sink.count(), 0U);
}

TEST(ZmqInbox, IB2_ABatchThatIsPartlyARepeatGoesOnAfterIt) {
  Fixture at;
  at.caller.say_hello();
  ASSERT_TRUE(at.caller.next<LinkWelcome>());
  at.caller.send_batch({in_sequence(1), in_sequence(2)});
  at.caller.send_batch({in_sequence(1), in_sequence(2), in_sequence(3)});
  ASSERT_TRUE(at.peer.sink.wait_for_envelopes(3));
  at.settle();
  EXPECT_EQ(at.peer.sink.count(), 3U);
}

TEST(ZmqInbox, IB2_AGapInsideABatchEndsTheConnectionThere) {
  Fixture at;
  at.caller.say_hello();
  ASSERT_TRUE(at.caller.next<LinkWelcome>());
  at.caller.send_batch({in_sequence(1), in_sequence(3), in_sequence(4)});
  const Result<LinkBye> bye = at.caller.next<LinkBye>();
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->refused, kDamaged);
  EXPECT_EQ(bye->received, 1U);
  at.settle();
  EXPECT_EQ(at.peer.sink.count(), 1U);
}

TEST(ZmqInbox, IB4_TheLinksOwnMessagesDoNotComeInABatch) {
  for (const EnvelopeKind kind : {EnvelopeKind::hello, EnvelopeKind::credit, EnvelopeKind::bye}) {
    Fixture at;
    at.caller.say_hello();
    ASSERT_TRUE(at.caller.next<LinkWelcome>());
    at.caller.send_batch({in_sequence(1), in_sequence(2, kind), in_sequence(3)});
    at.settle();
    EXPECT_EQ(at.malformed(), 1U);
    EXPECT_EQ(at.peer.sink.count(), 1U);
  }
}

TEST(ZmqInbox, IB1_HellosThatMakeNoSenseAreSentOff) {
  const std::vector<std::function<void(LinkHello&)>> changes{
      [](LinkHello& hello) { hello.protocol = 9; },
      [](LinkHello& hello) { hello.job = 9; },
      [](LinkHello& hello) { hello.instance = 0; },
      [](LinkHello& hello) { hello.endpoint = "nonsense"; },
      [](LinkHello& hello) { hello.node_name.assign(kMaxNameBytes + 1, 'n'); },
      [](LinkHello& hello) { hello.next_sequence = 5; }};
  Fixture at;
  for (const auto& change : changes) {
    RawCaller caller(at.peer.endpoint());
    change(caller.hello());
    caller.say_hello();
    const Result<LinkBye> bye = caller.next<LinkBye>();
    ASSERT_TRUE(bye);
    EXPECT_EQ(bye->refused, 1U);
    EXPECT_FALSE(bye->reason.empty());
  }
  EXPECT_EQ(at.malformed(), changes.size());
}

TEST(ZmqInbox, IB2_AGapIsMendedOverANewConnection) {
  Fixture at;
  at.caller.say_hello();
  at.caller.send_sequence(1);
  at.caller.send_sequence(3);
  at.caller.send_sequence(4);
  const Result<LinkBye> bye = at.caller.next<LinkBye>();
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->refused, kDamaged);
  EXPECT_EQ(bye->received, 1U);
  RawCaller again(at.peer.endpoint());
  again.hello() = at.caller.hello();
  again.say_hello();
  const Result<LinkWelcome> welcome = again.next<LinkWelcome>();
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->received, 1U);
  for (const std::uint64_t sequence : {2, 3, 4}) again.send_sequence(sequence);
  ASSERT_TRUE(at.peer.sink.wait_for_envelopes(4));
  EXPECT_TRUE(at.peer.sink.downs().empty());
}

TEST(ZmqInbox, IB2_RepeatsAreDropped) {
  Fixture at;
  at.caller.say_hello();
  for (const std::uint64_t sequence : {1, 2, 1, 2, 3}) at.caller.send_sequence(sequence);
  ASSERT_TRUE(at.peer.sink.wait_for_envelopes(3));
  const std::vector<Envelope> envelopes = at.peer.sink.take_envelopes();
  ASSERT_EQ(envelopes.size(), 3U);
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(envelopes[i].header.step, i + 1);
}

TEST(ZmqInbox, IB2_NewConnectionOfAKnownLinkGoesOnWhereItWas) {
  Fixture at;
  at.caller.say_hello();
  ASSERT_TRUE(at.caller.next<LinkWelcome>());
  at.caller.send_sequence(1);
  ASSERT_TRUE(at.peer.sink.wait_for_envelopes(1));
  RawCaller again(at.peer.endpoint());
  again.hello() = at.caller.hello();
  again.say_hello();
  const Result<LinkWelcome> welcome = again.next<LinkWelcome>();
  ASSERT_TRUE(welcome);
  EXPECT_EQ(welcome->received, 1U);
  again.send_sequence(2);
  ASSERT_TRUE(at.peer.sink.wait_for_envelopes(2));
  at.caller.send_sequence(3);  // the old connection has no say any more
  at.settle();
  EXPECT_EQ(at.peer.sink.count(), 2U);
}

TEST(ZmqInbox, IB6_WhatWasUnderWayOnALinkGivenUpIsNotHeardAfterTheNewOne) {
  Fixture at;
  at.caller.say_hello();
  ASSERT_TRUE(at.caller.next<LinkWelcome>());
  at.caller.send_sequence(1);
  ASSERT_TRUE(at.peer.sink.wait_for_envelopes(1));
  RawCaller newer(at.peer.endpoint());
  newer.hello() = at.caller.hello();
  ++newer.hello().link;
  newer.say_hello();
  ASSERT_TRUE(newer.next<LinkWelcome>());
  at.caller.send_sequence(2);
  at.caller.say_hello();  // comes after all that
  const Result<LinkBye> bye = at.caller.next<LinkBye>();
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->refused, 1U);
  at.caller.send_sequence(2);
  newer.send_sequence(1);
  ASSERT_TRUE(at.peer.sink.wait_for_envelopes(2));
  at.caller.hello().link += 2;
  at.caller.say_hello();  // a link after both
  ASSERT_TRUE(at.caller.next<LinkWelcome>());
  EXPECT_EQ(at.peer.sink.count(), 2U);
  EXPECT_EQ(at.malformed(), 3U);
}

TEST(ZmqInbox, IB6_TwoNamesOfThisEndpointAreTwoLinks) {
  Fixture at;
  at.caller.hello().dialed = "tcp://by.name:1";
  at.caller.say_hello();
  ASSERT_TRUE(at.caller.next<LinkWelcome>());
  RawCaller by_number(at.peer.endpoint());
  by_number.hello() = at.caller.hello();
  by_number.hello().dialed = "tcp://10.0.0.1:1";
  ++by_number.hello().link;
  by_number.say_hello();
  ASSERT_TRUE(by_number.next<LinkWelcome>());
  at.caller.send_sequence(1);
  by_number.send_sequence(1);
  ASSERT_TRUE(at.peer.sink.wait_for_envelopes(2));
  EXPECT_TRUE(at.peer.sink.downs().empty());
}

TEST(ZmqInbox, IB8_AnotherHelloOnAConnectionEndsTheLinkThatItHad) {
  Fixture at;
  for (int round = 0; round < 2000; ++round) {  // more than there is room for
    at.caller.hello().dialed = "tcp://name" + std::to_string(round) + ":1";
    ++at.caller.hello().link;
    at.caller.say_hello();
    ASSERT_TRUE(at.caller.next<LinkWelcome>());
  }
  RawCaller other(at.peer.endpoint());
  other.say_hello();
  EXPECT_TRUE(other.next<LinkWelcome>()) << "there is room for others";
  at.caller.send_sequence(1);
  EXPECT_TRUE(at.peer.sink.wait_for_envelopes(1)) << "the last link is the connection's";
}

TEST(ZmqInbox, IB7_ALinkThatWasEndedDoesNotBeginAnew) {
  Fixture at;
  at.caller.say_hello();
  ASSERT_TRUE(at.caller.next<LinkWelcome>());
  at.caller.send_sequence(1);
  Envelope hollow = numbered(2);
  hollow.header.sequence = 2;
  const PayloadPlace nowhere{PayloadWay::wire, {0, 0, 100, 0}};
  at.caller.send(hollow, std::span(&nowhere, 1), {});
  ASSERT_TRUE(at.caller.next<LinkBye>());
  at.caller.say_hello();  // the first one, come again
  const Result<LinkBye> bye = at.caller.next<LinkBye>();
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->refused, 1U);
  at.caller.send_sequence(1);
  at.settle();
  EXPECT_EQ(at.peer.sink.count(), 1U);
}

TEST(ZmqInbox, IB3_SenderThatIgnoresItsWindowIsSentOff) {
  Fixture at(10);
  at.caller.say_hello();
  for (std::uint64_t sequence = 1; sequence <= 100; ++sequence) at.caller.send_sequence(sequence);
  const Result<LinkBye> bye = at.caller.next<LinkBye>();
  ASSERT_TRUE(bye);
  EXPECT_NE(bye->reason.find("window"), std::string::npos);
  EXPECT_EQ(at.peer.sink.count(), 10 * kMaxWindowShare);
}

TEST(ZmqInbox, IB4_PayloadsThatAreNotThereAreRefused) {
  const std::string hundred(100, 'x');
  const std::vector<std::pair<std::vector<PayloadPlace>, std::vector<std::string>>> cases{
      {{{PayloadWay::wire, {0, 0, 100, 0}}}, {}},
      {{{PayloadWay::wire, {0, 0, 100, 0}}}, {std::string(99, 'x')}},
      {{place_by_wire(Payload::copy_of(std::as_bytes(std::span(hundred))))}, {hundred, "more"}},
      {{{PayloadWay::arena, {0, 0, 100, 0}}}, {}},
      {{}, {"more"}},
      {{{PayloadWay::wire, {0, 0, kMaxEnvelopeBytes, 0}}}, {"x"}}};
  Fixture at;
  for (const auto& [places, more] : cases) {
    RawCaller caller(at.peer.endpoint());
    caller.say_hello();
    Envelope envelope = numbered(1);
    envelope.header.sequence = 1;
    caller.send(envelope, places, more);
    const Result<LinkBye> bye = caller.next<LinkBye>();
    ASSERT_TRUE(bye);
    EXPECT_NE(bye->refused, kDamaged);
  }
  EXPECT_EQ(at.peer.sink.count(), 0U);
  EXPECT_EQ(at.malformed(), cases.size());
}

TEST(ZmqInbox, IB4_RandomFramesAreCountedAndDisturbNobody) {
  Fixture at;
  at.caller.say_hello();
  at.caller.send_sequence(1);
  RawCaller vandal(at.peer.endpoint());
  vandal.say_hello();
  ASSERT_TRUE(vandal.next<LinkWelcome>());
  const zmq::message_t good = encode_front(numbered(1), {});
  const std::string good_bytes(static_cast<const char*>(good.data()), good.size());
  std::uint64_t count = 0;
  for (std::size_t size = 0; size < good_bytes.size(); size += 3, ++count)
    vandal.send_bytes({good_bytes.substr(0, size)});
  for (std::size_t size = 0; size < good_bytes.size(); size += 3, ++count) {
    const zmq::message_t part = sealed(std::as_bytes(std::span(good_bytes)).first(size));
    vandal.send_bytes({part.to_string()});
  }
  for (std::size_t size = 1; size < 200; size += 7, ++count)
    vandal.send_bytes({std::string(size, static_cast<char>(size))});
  vandal.send_bytes(std::vector<std::string>(5000, "x"));
  vandal.send_bytes({"", "", ""});
  count += 2;
  vandal.hello().node_name = "again";
  vandal.say_hello();
  ASSERT_TRUE(vandal.next<LinkWelcome>());
  EXPECT_EQ(at.malformed(), count);
  at.caller.send_sequence(2);
  EXPECT_TRUE(at.peer.sink.wait_for_envelopes(2));
  EXPECT_TRUE(at.peer.sink.downs().empty());
}

TEST(ZmqInbox, IB4_AWatchThatNoNodeCouldAnswerEndsNobody) {
  const TestFolder folder;
  ZmqTransportOptions options = test_options(folder, folder.ipc("node"));
  Node node({.name = "node", .job = 7}, make_threaded_parts(1, make_zmq_transport(options)));
  ASSERT_TRUE(node.start());
  RawCaller hostile(node.endpoint());
  hostile.say_hello();
  ASSERT_TRUE(hostile.next<LinkWelcome>());
  constexpr std::uint32_t kLetters = 60'000;
  Envelope watch;
  watch.message = "runtime.watch";
  watch.body.assign(reinterpret_cast<const char*>(&kLetters), sizeof kLetters);
  watch.body.append(kLetters + sizeof(std::uint32_t), 'n');
  watch.header.kind = EnvelopeKind::watch;
  watch.header.job = 7;
  watch.header.sequence = 1;
  hostile.send(watch, {}, {});
  Result<LinkNote> note = hostile.next<LinkNote>();
  while (note && note->received < 1) note = hostile.next<LinkNote>();
  EXPECT_TRUE(note) << "it arrived, and the node is still there to say so";
  RawCaller proper(node.endpoint());
  proper.say_hello();
  EXPECT_TRUE(proper.next<LinkWelcome>());
}

TEST(ZmqInbox, IB5_WhatWaitsForACallerWhoDoesNotReadIsBoundedAndNoCreditIsLost) {
  const TestFolder folder;
  ZmqTransportOptions options = test_options(folder, folder.ipc("peer"));
  options.heartbeat = 10 * kPatience;  // only what is owed is told
  options.peer_timeout = 30 * kPatience;
  TestPeer peer(options);
  RawCaller caller(peer.endpoint());
  constexpr std::uint64_t kHellos = 20'000;
  caller.say_hello();
  ASSERT_TRUE(caller.next<LinkWelcome>());
  caller.hello().job = 8;  // refused, each with an answer
  for (std::uint64_t i = 0; i < kHellos; ++i) caller.say_hello();
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) caller.send_sequence(sequence);
  ASSERT_TRUE(peer.sink.wait_for_envelopes(5));  // behind all hellos
  EXPECT_EQ(peer.transport->counters().malformed, kHellos);
  (void)peer.sink.take_envelopes();  // done with: credit for five is due
  std::uint64_t answers = 0;
  LinkNote last;
  while (last.received < 5 || last.released_messages < 5) {
    const Result<Envelope> answer = caller.next_envelope();
    ASSERT_TRUE(answer) << "after " << answers << " answers: the credit was never told";
    if (const Result<LinkNote> note = decode_message<LinkNote>(*answer)) {
      last = *note;
    } else {
      ++answers;
    }
  }
  EXPECT_GT(answers, 0U);
  EXPECT_LT(answers, kHellos / 2) << "the rest was not kept for a caller who does not read";
}

}  // namespace
}  // namespace troupe::runtime
