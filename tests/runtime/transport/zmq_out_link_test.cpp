#include "runtime/transport/zmq_out_link.hpp"

#include "tests/runtime/transport/zmq_cutting_proxy.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

/// Why a peer was given up, for the text of a failure.
std::string first_cause(const RecordingSink& sink) {
  return sink.downs().empty() ? " nobody given up" : " given up: " + sink.downs().front().why.text;
}

TEST(ZmqOutLink, OL1_BrokenConnectionsLoseNothingAndDoubleNothing) {
  const TestFolder folder;
  TestPeer left(test_options(folder, kAnyPort));
  TestPeer right(test_options(folder, kAnyPort));
  CuttingProxy proxy(right.endpoint());
  constexpr std::uint32_t kMessages = 6000;
  constexpr std::uint32_t kBetweenCuts = 500;
  std::uint32_t expected = 0;
  std::uint32_t wrong = 0;
  right.sink.set_keep(RecordingSink::Keep::nothing);
  right.sink.set_observer([&](const Envelope& envelope) {
    if (envelope.header.step != expected++ || envelope.body != std::to_string(envelope.header.step)) ++wrong;
  });
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(send_patiently(*left.transport, proxy.endpoint(), numbered(i)));
    if (i % kBetweenCuts == kBetweenCuts / 2) proxy.cut();
  }
  ASSERT_TRUE(right.sink.wait_for_envelopes(kMessages))
      << right.sink.count() << " " << left.sink.downs().size() << " " << right.sink.downs().size() << " "
      << proxy.connections() << " m " << right.transport->counters().malformed << " "
      << left.transport->counters().malformed << " sent " << left.transport->counters().sent << first_cause(left.sink);
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(right.sink.count(), kMessages);
  EXPECT_TRUE(left.sink.downs().empty());
  EXPECT_GT(proxy.connections(), 2);
}

TEST(ZmqOutLink, OL1_PayloadsSurviveBrokenConnections) {
  const TestFolder folder;
  ZmqTransportOptions by_wire = test_options(folder, kAnyPort);
  by_wire.arena_bytes = 0;
  for (const ZmqTransportOptions& options : {test_options(folder, kAnyPort), by_wire}) {
    TestPeer left(options);
    TestPeer right(options);
    CuttingProxy proxy(right.endpoint());
    constexpr std::uint32_t kMessages = 60;
    std::uint32_t wrong = 0;
    right.sink.set_keep(RecordingSink::Keep::nothing);
    right.sink.set_observer([&](const Envelope& envelope) {
      if (!equal_bytes(envelope.payloads.front(), patterned(300'000, envelope.header.step))) ++wrong;
    });
    for (std::uint32_t i = 0; i < kMessages; ++i) {
      Envelope envelope = numbered(i);
      envelope.payloads.push_back(patterned(300'000, i));
      ASSERT_TRUE(send_patiently(*left.transport, proxy.endpoint(), envelope));
      if (i % 10 == 5) proxy.cut();
    }
    ASSERT_TRUE(right.sink.wait_for_envelopes(kMessages))
        << right.sink.count() << " " << left.sink.downs().size() << " " << right.sink.downs().size() << " "
        << proxy.connections() << " m " << right.transport->counters().malformed << " "
        << left.transport->counters().malformed << " sent " << left.transport->counters().sent
        << first_cause(left.sink);
    EXPECT_EQ(wrong, 0U);
    EXPECT_TRUE(left.sink.downs().empty());
  }
}

TEST(ZmqOutLink, OL2_PeerWhoseSocketIsGoneIsFoundDeadSoon) {
  const TestFolder folder;
  for (const std::string& listen : {folder.ipc("right"), kAnyPort}) {
    ZmqTransportOptions patient = test_options(folder, listen == kAnyPort ? kAnyPort : folder.ipc("left"));
    patient.peer_timeout = 2 * kPatience;  // so that only the missing socket can tell
    TestPeer left(patient);
    std::string endpoint;
    {
      ZmqTransportOptions silent = test_options(folder, listen);
      auto right = std::make_unique<TestPeer>(silent);
      endpoint = right->endpoint();
      ASSERT_TRUE(left.transport->send(endpoint, numbered(1)));
      ASSERT_TRUE(right->sink.wait_for_envelopes(1));
    }
    ASSERT_TRUE(left.sink.wait_for_downs(1)) << endpoint;
    EXPECT_EQ(left.sink.downs().front().endpoint, endpoint);
  }
}

TEST(ZmqOutLink, OL2_SilentPeerIsFoundDeadAfterTheTimeout) {
  const TestFolder folder;
  ZmqTransportOptions hasty = test_options(folder, kAnyPort);
  hasty.peer_timeout = std::chrono::milliseconds(300);
  TestPeer left(hasty);
  TestPeer right(test_options(folder, kAnyPort));
  CuttingProxy proxy(right.endpoint());
  ASSERT_TRUE(left.transport->send(proxy.endpoint(), numbered(1)));
  ASSERT_TRUE(right.sink.wait_for_envelopes(1));
  proxy.freeze();
  ASSERT_TRUE(left.sink.wait_for_downs(1));
  EXPECT_EQ(left.sink.downs().front().endpoint, proxy.endpoint());
  EXPECT_NE(left.sink.downs().front().why.text.find("no sign of life"), std::string::npos);
}

TEST(ZmqOutLink, OL3_WhatNeverLeftComesBackInOrder) {
  const TestFolder folder;
  ZmqTransportOptions hasty = test_options(folder, kAnyPort);
  hasty.peer_timeout = std::chrono::milliseconds(300);
  TestPeer left(hasty);
  for (std::uint32_t i = 0; i < 200; ++i) ASSERT_TRUE(left.transport->send("tcp://127.0.0.1:9", numbered(i)));
  ASSERT_TRUE(left.sink.wait_for_returned(200));
  const auto returned = left.sink.returned();
  for (std::uint32_t i = 0; i < 200; ++i) EXPECT_EQ(returned[i].envelope.header.step, i);
  EXPECT_TRUE(left.transport->send("tcp://127.0.0.1:9", numbered(1))) << "the window is free again";
}

}  // namespace
}  // namespace troupe::runtime
