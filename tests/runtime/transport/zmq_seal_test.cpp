#include "runtime/transport/zmq_seal.hpp"

#include "runtime/transport/zmq_out_link.hpp"
#include "tests/runtime/transport/zmq_cutting_proxy.hpp"
#include "tests/runtime/transport/zmq_raw_caller.hpp"
#include "tests/runtime/transport/zmq_scripted_dialer.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

/// What is damaged on the way: it is noticed, never delivered, and sent again.
namespace troupe::runtime {
namespace {

constexpr SafetyChecks kAll;

TEST(ZmqSeal, ZS1_WhatWasSealedIsGivenBackAndEveryFlippedBitIsSeen) {
  Envelope envelope = numbered(5);
  envelope.header.sequence = 13;
  const zmq::message_t plain = encode_front(envelope, {});
  zmq::message_t frame = encode_sealed_front(envelope, {});
  const auto opened = open_frame(bytes_of(frame), kAll);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(std::ranges::equal(*opened, bytes_of(plain)));
  EXPECT_EQ(sealed(bytes_of(plain)).to_string(), frame.to_string());
  for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    auto* const byte = static_cast<std::byte*>(frame.data()) + bit / 8;
    *byte ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(open_frame(bytes_of(frame), kAll)) << "bit " << bit;
    *byte ^= std::byte{1} << (bit % 8);
  }
  for (std::size_t size = 0; size < frame.size(); ++size) {
    EXPECT_FALSE(open_frame(bytes_of(frame).first(size), kAll)) << size << " bytes";
  }
}

TEST(ZmqSeal, ZS1_ABatchIsSealedAsAWhole) {
  Fronts fronts;
  for (std::uint32_t i = 0; i < 3; ++i) fronts.add(numbered(i));
  zmq::message_t frame = fronts.to_frame();
  const auto opened = open_frame(bytes_of(frame), kAll);
  ASSERT_TRUE(opened);
  EXPECT_EQ(split_batch(*opened).value().size(), 3U);
  static_cast<std::byte*>(frame.data())[frame.size() / 2] ^= std::byte{4};
  EXPECT_FALSE(open_frame(bytes_of(frame), kAll));
}

TEST(ZmqSeal, ZS2_APayloadByWireIsSeenToBeDamaged) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{100'000}, kChunkBytes + 77}) {
    const Payload payload = patterned(size, 3);
    const PayloadPlace arena{PayloadWay::arena, {1, 4096, 100, 9}};
    const std::vector<PayloadPlace> places{arena, place_by_wire(payload)};
    std::vector<Frame> frames;
    append_payload(payload, frames);
    EXPECT_TRUE(are_intact(places, frames)) << size;
    std::vector<Frame> damaged;
    for (const Frame& frame : frames) damaged.emplace_back(frame.data(), frame.size());
    static_cast<std::byte*>(damaged.back().data())[damaged.back().size() - 1] ^= std::byte{1};
    EXPECT_FALSE(are_intact(places, damaged)) << size;
  }
}

TEST(ZmqSeal, APayloadThatPassesNoNetworkHasNoChecksum) {
  for (const char* own : {"ipc:///run/a", "tcp://127.0.0.1:5", "tcp://localhost:5", "tcp://[::1]:5"}) {
    EXPECT_TRUE(never_leaves_machine(own)) << own;
  }
  for (const char* away : {"tcp://10.0.0.1:5", "tcp://node-two:5", "tcp://127.example.org:5", "tcp://[::2]:5", ""}) {
    EXPECT_FALSE(never_leaves_machine(away)) << away;
  }
  const Payload payload = patterned(100, 3);
  const std::vector<PayloadPlace> places{place_by_wire(payload, Summed::no), place_by_wire(payload)};
  std::vector<Frame> frames;
  append_payload(payload, frames);
  append_payload(payload, frames);
  EXPECT_TRUE(are_intact(places, frames));
  static_cast<std::byte*>(frames[1].data())[50] ^= std::byte{1};
  EXPECT_FALSE(are_intact(places, frames)) << "the second has one";
}

struct Receiver {
  TestFolder folder;
  TestPeer peer{test_options(folder, folder.ipc("peer"))};
  RawCaller caller{peer.endpoint()};

  Receiver() {
    caller.say_hello();
    EXPECT_TRUE(caller.next<LinkWelcome>());
    caller.send_sequence(1);
    EXPECT_TRUE(peer.sink.wait_for_envelopes(1));
  }
  /// The damage is told, what follows is not heard, and the next connection of the link goes on after message 1.
  void goes_on() {
    caller.send_sequence(3);
    const Result<LinkBye> bye = caller.next<LinkBye>();
    ASSERT_TRUE(bye);
    EXPECT_EQ(bye->refused, kDamaged);
    EXPECT_EQ(bye->received, 1U);
    RawCaller again(peer.endpoint());
    again.hello() = caller.hello();
    again.say_hello();
    const Result<LinkWelcome> welcome = again.next<LinkWelcome>();
    ASSERT_TRUE(welcome);
    EXPECT_EQ(welcome->received, 1U);
    again.send_sequence(2);
    again.send_sequence(3);
    ASSERT_TRUE(peer.sink.wait_for_envelopes(3));
    const std::vector<Envelope> envelopes = peer.sink.take_envelopes();
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(envelopes[i].header.step, i + 1);
    EXPECT_TRUE(peer.sink.downs().empty());
    EXPECT_GE(peer.transport->counters().malformed, 1U);
  }
};

TEST(ZmqInbox, IB9_ADamagedMessageIsNotDeliveredAndTheLinkGoesOnBeforeIt) {
  for (const std::size_t bit : {3U, 400U, 800U, 1100U}) {  // of magic, sequence, names, seal
    Receiver at;
    Envelope second = numbered(2);
    second.header.sequence = 2;
    at.caller.send_damaged(second, bit);
    at.goes_on();
  }
}

TEST(ZmqInbox, IB9_SoIsADamagedPayload) {
  Receiver at;
  Envelope second = numbered(2);
  second.header.sequence = 2;
  const PayloadPlace place = place_by_wire(patterned(100, 1));
  const std::vector<PayloadPlace> places{place};
  at.caller.send(second, places, {std::string(100, 'x')});
  at.goes_on();
}

TEST(ZmqInbox, IB9_ADamagedHelloIsToldToComeAgain) {
  const TestFolder folder;
  TestPeer peer(test_options(folder, folder.ipc("peer")));
  RawCaller caller(peer.endpoint());
  Envelope hello = encode_message(caller.hello());
  hello.header.kind = EnvelopeKind::hello;
  caller.send_damaged(hello, 900);
  const Result<LinkBye> bye = caller.next<LinkBye>();
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->refused, kDamaged);
}

TEST(ZmqInbox, IB10_WhatWasLostAtTheEndIsMissedAtTheNextNote) {
  Receiver at;
  for (const std::uint64_t sent : {1U, 3U}) {  // nothing is missing; 2 and 3 are
    Envelope note = encode_message(LinkNote{sent, 0, 0});
    note.header.kind = EnvelopeKind::credit;
    at.caller.send(note, {}, {});
  }
  at.goes_on();
}

TEST(ZmqInbox, AVersionThatKnowsNoSealsHearsItInItsOwnLanguage) {
  const TestFolder folder;
  TestPeer peer(test_options(folder, folder.ipc("peer")));
  RawCaller older(peer.endpoint());
  older.hello().protocol = 2;
  Envelope hello = encode_message(older.hello());
  hello.header.kind = EnvelopeKind::hello;
  older.send_unsealed(hello);
  const Result<zmq::message_t> answer = older.next_frame();
  ASSERT_TRUE(answer);
  const Result<LinkBye> bye = decode_message<LinkBye>(decode_front(bytes_of(*answer)).value().envelope);
  ASSERT_TRUE(bye);
  EXPECT_EQ(bye->refused, 1U);
  EXPECT_NE(bye->reason.find("run the same version everywhere"), std::string::npos);
}

/// A link that is up, and three messages that left.
struct UpLink {
  ZmqTransportOptions options;
  LinkIdentity self;
  TransportTally tally;
  SafetyChecks checks;
  ScriptedDialer sockets;
  TimePoint now{std::chrono::seconds(1000)};
  ZmqOutLink link{"ipc:///peer", 5, {sockets, options, self, nullptr, tally, checks}, now};

  UpLink() {
    welcome(0);
    for (const std::uint32_t i : {1U, 2U, 3U}) {
      link.post(numbered(i));
      link.flush(now);
    }
    EXPECT_EQ(sockets.take_steps(), (std::vector<std::uint32_t>{1, 2, 3}));
  }
  void welcome(std::uint64_t received) {
    LinkWelcome welcome;
    welcome.instance = 9;
    welcome.link = 5;
    welcome.received = received;
    welcome.window_messages = 100;
    welcome.window_bytes = kMiB;
    sockets.say(EnvelopeKind::hello, welcome);
    link.read(now);
  }
  void hear_of_damage(std::uint64_t received) {
    sockets.say(EnvelopeKind::bye, LinkBye{kDamaged, received, "damaged"});
    link.read(now);
    now += std::chrono::milliseconds(1);
    link.tick(now);
  }
};

TEST(ZmqOutLink, OL5_WhatWasDamagedIsSentAgainOverANewConnection) {
  UpLink at;
  at.hear_of_damage(1);
  EXPECT_EQ(at.sockets.dials(), 2);
  EXPECT_FALSE(at.link.is_dead());
  at.welcome(1);
  EXPECT_EQ(at.sockets.take_steps(), (std::vector<std::uint32_t>{2, 3}));
}

TEST(ZmqOutLink, OL5_AnAnswerThatWasDamagedMakesItDialAgainToo) {
  UpLink at;
  at.sockets.say_damaged();
  at.link.read(at.now);
  at.link.tick(at.now);
  EXPECT_EQ(at.sockets.dials(), 2);
  at.welcome(3);
  EXPECT_TRUE(at.sockets.take_steps().empty());
  EXPECT_EQ(at.tally.malformed, 1U);
}

TEST(ZmqOutLink, OL5_WhatNeverGetsThroughEndsTheLinkInWords) {
  UpLink at;
  at.hear_of_damage(1);
  at.welcome(1);
  for (int round = 0; round < 7; ++round) {
    EXPECT_FALSE(at.link.is_dead());
    at.hear_of_damage(1);
    if (!at.link.is_dead()) at.welcome(1);
  }
  ASSERT_TRUE(at.link.is_dead());
  EXPECT_NE(at.link.why_dead().text.find("damaged on the way"), std::string::npos);
}

TEST(ZmqOutLink, OL5_OverAWireThatFlipsBitsEverythingArrivesAsItWasSent) {
  const TestFolder folder;
  ZmqTransportOptions by_wire = test_options(folder, kAnyPort);
  by_wire.arena_bytes = 0;
  TestPeer left(by_wire);
  TestPeer right(by_wire);
  CuttingProxy proxy(right.endpoint());
  // Another way to say this machine: payloads that pass no network have no checksum.
  const std::string away = "tcp://0.0.0.0" + proxy.endpoint().substr(proxy.endpoint().rfind(':'));
  constexpr std::uint32_t kMessages = 60;
  std::uint32_t expected = 0;
  std::uint32_t wrong = 0;
  right.sink.set_keep(RecordingSink::Keep::nothing);
  right.sink.set_observer([&](const Envelope& envelope) {
    if (envelope.header.step != expected++ ||
        !equal_bytes(envelope.payloads.front(), patterned(300'000, envelope.header.step))) {
      ++wrong;
    }
  });
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    Envelope envelope = numbered(i);
    envelope.payloads.push_back(patterned(300'000, i));
    const bool is_damaged = i % 10 == 5;
    if (is_damaged) {
      ASSERT_TRUE(right.sink.wait_for_envelopes(i));  // nothing else is on the way: it is the payload that is hit
      proxy.damage();
    }
    ASSERT_TRUE(send_patiently(*left.transport, away, envelope));
    if (is_damaged) {
      ASSERT_TRUE(right.sink.wait_for_envelopes(i + 1));
    }
  }
  ASSERT_TRUE(right.sink.wait_for_envelopes(kMessages));
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(right.sink.count(), kMessages);
  EXPECT_TRUE(left.sink.downs().empty());
  EXPECT_GE(right.transport->counters().malformed, kMessages / 10);
  EXPECT_GT(proxy.connections(), static_cast<int>(kMessages / 10));
}

}  // namespace
}  // namespace troupe::runtime
