#include "runtime/transport/memory_transport.hpp"

#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

#include <map>
#include <thread>

namespace troupe::runtime {
namespace {

/// A transport on the network, with what it hands up.
struct Peer {
  RecordingSink sink;
  std::unique_ptr<Transport> transport;

  Peer(MemoryNetwork& network, const std::string& name) : transport(make_memory_transport(network, name)) {
    (void)transport->start(sink).value();
  }
  ~Peer() { transport->stop(Duration{0}); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return transport->endpoint(); }
};

struct TwoPeers {
  MemoryNetwork network;
  Peer left{network, "left"};
  Peer right{network, "right"};
  const MemoryNetwork::Link out{left.endpoint(), right.endpoint()};

  Result<Done> send(std::uint32_t number) { return left.transport->send(right.endpoint(), numbered(number)); }
  std::vector<std::uint32_t> received() {
    std::vector<std::uint32_t> numbers;
    for (const Envelope& envelope : right.sink.take_envelopes()) numbers.push_back(envelope.header.step);
    return numbers;
  }
};

TEST(MemoryTransport, TR1_OrderOfEachSenderThreadIsKeptEachOnce) {
  TwoPeers peers;
  constexpr std::uint32_t kThreads = 4;
  constexpr std::uint32_t kEach = 2000;
  std::vector<std::thread> threads;
  for (std::uint32_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&peers, thread] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        ASSERT_TRUE(send_patiently(*peers.left.transport, peers.right.endpoint(), numbered(thread * kEach + i)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(peers.right.sink.wait_for_envelopes(kThreads * kEach));
  std::map<std::uint32_t, std::uint32_t> next;
  for (const std::uint32_t number : peers.received()) ASSERT_EQ(number % kEach, next[number / kEach]++);
  EXPECT_EQ(peers.right.sink.count(), kThreads * kEach);
  EXPECT_EQ(peers.left.transport->counters().sent, kThreads * kEach);
  EXPECT_EQ(peers.right.transport->counters().received, kThreads * kEach);
  EXPECT_EQ(peers.right.transport->counters().bytes_received, peers.left.transport->counters().bytes_sent);
}

TEST(MemoryTransport, TR2_NobodyThereIsSaidAtOnce) {
  MemoryNetwork network;
  Peer left(network, "left");
  const Result<Done> sent = left.transport->send("memory://nobody", numbered(1));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.failure().kind, FailureKind::disconnected);
  EXPECT_EQ(left.transport->counters().undeliverable, 1U);
}

TEST(MemoryTransport, TR2_WhatIsOnItsWayToAStoppedPeerComesBack) {
  TwoPeers peers;
  peers.network.hold();
  ASSERT_TRUE(peers.send(1));
  ASSERT_TRUE(peers.send(2));
  peers.right.transport->stop(Duration{0});
  while (peers.network.release_next()) {
  }
  const std::vector<RecordingSink::Returned> returned = peers.left.sink.returned();
  ASSERT_EQ(returned.size(), 2U);
  EXPECT_EQ(returned[0].envelope.header.step, 1U);
  EXPECT_EQ(returned[0].why.kind, FailureKind::disconnected);
  EXPECT_EQ(peers.right.sink.count(), 0U);
}

TEST(MemoryTransport, TR2_BothEndsHearOfACut) {
  TwoPeers peers;
  peers.network.hold();
  ASSERT_TRUE(peers.send(1));
  peers.network.cut(peers.left.endpoint(), peers.right.endpoint());
  EXPECT_EQ(peers.network.held(), 0U);
  ASSERT_EQ(peers.left.sink.downs().size(), 1U);
  EXPECT_EQ(peers.left.sink.downs()[0].endpoint, peers.right.endpoint());
  ASSERT_EQ(peers.right.sink.downs().size(), 1U);
  ASSERT_TRUE(peers.send(2)) << "a cut wire can be used again";
  EXPECT_TRUE(peers.network.release_next());
  EXPECT_EQ(peers.received(), (std::vector<std::uint32_t>{2}));
}

TEST(MemoryTransport, TR3_AFullWindowSaysOverloaded) {
  TwoPeers peers;
  peers.network.hold();
  for (std::uint32_t i = 0; i < MemoryNetwork::kWindow; ++i) ASSERT_TRUE(peers.send(i));
  const Result<Done> refused = peers.send(0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().kind, FailureKind::overloaded);
  EXPECT_TRUE(peers.right.transport->send(peers.left.endpoint(), numbered(1))) << "the way back is another link";
  ASSERT_TRUE(peers.network.drop_one(peers.out, ""));
  EXPECT_TRUE(peers.send(0)) << "there is room again";
  EXPECT_FALSE(peers.send(0));
  peers.network.cut(peers.left.endpoint(), peers.right.endpoint());
  EXPECT_TRUE(peers.send(0));
}

TEST(MemoryTransport, HeldMailIsReleasedDroppedAndDoubledByName) {
  TwoPeers peers;
  peers.network.hold();
  for (std::uint32_t i = 1; i <= 3; ++i) ASSERT_TRUE(peers.send(i));
  EXPECT_EQ(peers.network.held(), 3U);
  EXPECT_FALSE(peers.network.release_one(peers.out, "another.name"));
  EXPECT_FALSE(peers.network.release_one({peers.right.endpoint(), peers.left.endpoint()}, "test.numbered"));
  EXPECT_TRUE(peers.network.drop_one(peers.out, "test.numbered"));
  EXPECT_TRUE(peers.network.duplicate_one(peers.out, "test.numbered"));
  EXPECT_TRUE(peers.network.release_next());
  EXPECT_FALSE(peers.network.release_next());
  EXPECT_EQ(peers.received(), (std::vector<std::uint32_t>{2, 2, 3}));
}

TEST(MemoryTransport, AnEndpointHasOneOwnerAtATime) {
  TwoPeers peers;
  RecordingSink sink;
  const std::unique_ptr<Transport> second = make_memory_transport(peers.network, "right");
  EXPECT_FALSE(second->start(sink));
  peers.right.transport->stop(Duration{0});
  ASSERT_TRUE(second->start(sink));
  ASSERT_TRUE(peers.send(5));
  EXPECT_EQ(sink.count(), 1U);
  EXPECT_EQ(sink.take_envelopes()[0].from_endpoint(), peers.left.endpoint());
}

}  // namespace
}  // namespace troupe::runtime
