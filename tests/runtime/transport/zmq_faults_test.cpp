#include "runtime/transport/zmq_post_office.hpp"

#include "tests/runtime/transport/zmq_child.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <cstring>
#include <random>

namespace troupe::runtime {
namespace {

/// A child that listens at `where` and keeps every envelope, credit and payload, until it is killed.
Child hoarder(const ZmqTransportOptions& options) {
  return Child([options](ChildEnd& end) {
    TestPeer peer(options);
    end.tell('r');
    if (peer.sink.wait_for_envelopes(1)) end.tell('g');
    ChildEnd::wait_to_be_killed();
  });
}

Envelope with_payload(std::size_t size) {
  Envelope envelope = numbered(1);
  envelope.payloads.push_back(patterned(size, 1));
  return envelope;
}

/// True when a payload of nearly the whole arena goes through it: all blocks are free.
bool has_whole_arena(TestPeer& sender, TestPeer& receiver) {
  const std::uint64_t before = sender.transport->counters().through_arena;
  const std::size_t count = receiver.sink.count();
  if (!send_patiently(*sender.transport, receiver.endpoint(), with_payload(900'000))) return false;
  if (!receiver.sink.wait_for_envelopes(count + 1)) return false;
  return sender.transport->counters().through_arena == before + 1;
}

TEST(ZmqFaults, PO3_KilledPeerIsReportedAndItsBlocksComeBack) {
  const TestFolder folder;
  Child child = hoarder(test_options(folder, folder.ipc("child")));
  ASSERT_TRUE(child.wait_for('r'));
  ZmqTransportOptions options = test_options(folder, folder.ipc("parent"));
  options.arena_bytes = kMiB;
  options.peer_timeout = 2 * kPatience;  // the closed socket has to tell
  TestPeer parent(options);
  TestPeer other(test_options(folder, folder.ipc("other")));
  other.sink.set_keep(RecordingSink::Keep::nothing);
  ASSERT_TRUE(parent.transport->send(folder.ipc("child"), with_payload(900'000)));
  ASSERT_TRUE(child.wait_for('g'));
  EXPECT_EQ(parent.transport->counters().through_arena, 1U);
  EXPECT_FALSE(has_whole_arena(parent, other));
  const auto begin = std::chrono::steady_clock::now();
  child.kill();
  ASSERT_TRUE(parent.sink.wait_for_downs(1));
  RecordProperty(
      "milliseconds_to_peer_down",
      static_cast<int>(
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count()));
  EXPECT_EQ(parent.sink.downs().front().endpoint, folder.ipc("child"));
  while (!has_whole_arena(parent, other)) {
    ASSERT_LT(std::chrono::steady_clock::now() - begin, kPatience) << "the dead one's block never came back";
  }
  EXPECT_EQ(sweep_arenas(folder.path(), 7), 1U);
}

TEST(ZmqFaults, PO3_BlocksOfAStoppedProcessAreLeftToIt) {
  const TestFolder folder;
  Child child = hoarder(test_options(folder, folder.ipc("child")));
  ASSERT_TRUE(child.wait_for('r'));
  ZmqTransportOptions options = test_options(folder, folder.ipc("parent"));
  options.arena_bytes = kMiB;
  options.peer_timeout = std::chrono::milliseconds(300);
  TestPeer parent(options);
  TestPeer other(test_options(folder, folder.ipc("other")));
  other.sink.set_keep(RecordingSink::Keep::nothing);
  ASSERT_TRUE(parent.transport->send(folder.ipc("child"), with_payload(900'000)));
  ASSERT_TRUE(child.wait_for('g'));
  child.signal(SIGSTOP);
  ASSERT_TRUE(parent.sink.wait_for_downs(1));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(has_whole_arena(parent, other)) << "taken from under a living process";
}

TEST(ZmqFaults, PO1_EveryEnvelopeIsAccountedForWhenAPeerDies) {
  const TestFolder folder;
  Child child = hoarder(test_options(folder, folder.ipc("child")));
  ASSERT_TRUE(child.wait_for('r'));
  TestPeer parent(test_options(folder, folder.ipc("parent")));
  std::size_t accepted = 0;
  while (parent.transport->send(folder.ipc("child"), with_payload(100))) ++accepted;
  EXPECT_EQ(accepted, 1024U);
  ASSERT_TRUE(child.wait_for('g'));
  child.kill();
  ASSERT_TRUE(parent.sink.wait_for_downs(1));
  const TransportCounters counters = parent.transport->counters();
  EXPECT_EQ(counters.sent + counters.undeliverable, accepted);
  EXPECT_EQ(parent.sink.returned().size(), counters.undeliverable);
}

TEST(ZmqFaults, PO2_RestartedPeerIsANewLink) {
  const TestFolder folder;
  const std::string where = folder.ipc("child");
  Child first = hoarder(test_options(folder, where));
  ASSERT_TRUE(first.wait_for('r'));
  TestPeer parent(test_options(folder, folder.ipc("parent")));
  ASSERT_TRUE(parent.transport->send(where, numbered(1)));
  ASSERT_TRUE(first.wait_for('g'));
  first.kill();
  ASSERT_TRUE(parent.sink.wait_for_downs(1));
  ZmqTransportOptions reborn = test_options(folder, where);
  reborn.incarnation = 2;
  TestPeer second(reborn);
  ASSERT_TRUE(parent.transport->send(where, numbered(2)));
  ASSERT_TRUE(second.sink.wait_for_envelopes(1));
  const Envelope envelope = second.sink.take_envelopes().front();
  EXPECT_EQ(envelope.header.step, 2U);
  EXPECT_EQ(envelope.header.sequence, 1U) << "a new link counts from one";
  EXPECT_EQ(parent.sink.downs().size(), 1U);
}

TEST(ZmqFaults, PO2_EndOfASenderIsToldOnce) {
  const TestFolder folder;
  TestPeer receiver(test_options(folder, folder.ipc("receiver")));
  {
    TestPeer sender(test_options(folder, folder.ipc("sender")));
    ASSERT_TRUE(sender.transport->send(receiver.endpoint(), numbered(1)));
    ASSERT_TRUE(receiver.sink.wait_for_envelopes(1));
    ASSERT_TRUE(receiver.transport->send(sender.endpoint(), numbered(1)));
    ASSERT_TRUE(sender.sink.wait_for_envelopes(1));
  }
  TestPeer next(test_options(folder, folder.ipc("sender")));
  ASSERT_TRUE(next.transport->send(receiver.endpoint(), numbered(2)));
  ASSERT_TRUE(receiver.sink.wait_for_envelopes(2));
  ASSERT_TRUE(receiver.sink.wait_for_downs(1));
  EXPECT_EQ(receiver.sink.downs().size(), 1U);
}

TEST(ZmqFaults, StopEndsInTimeAlthoughAPeerIsStopped) {
  const TestFolder folder;
  Child child = hoarder(test_options(folder, folder.ipc("child")));
  ASSERT_TRUE(child.wait_for('r'));
  TestPeer parent(test_options(folder, folder.ipc("parent")));
  ASSERT_TRUE(parent.transport->send(folder.ipc("child"), numbered(1)));
  ASSERT_TRUE(child.wait_for('g'));
  child.signal(SIGSTOP);
  ASSERT_TRUE(parent.transport->send(folder.ipc("child"), numbered(2)));
  const auto begin = std::chrono::steady_clock::now();
  parent.transport->stop(std::chrono::milliseconds(200));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kPatience / 2);
}

int raw_connection(const std::string& endpoint) {
  if (endpoint.starts_with("ipc://")) {
    const int connection = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = endpoint.substr(std::strlen("ipc://"));
    std::memcpy(address.sun_path, path.c_str(), path.size());
    EXPECT_EQ(::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return connection;
  }
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return connection;
}

/// What a stranger may send to an open port: noise, a cut greeting, a right greeting with nonsense behind it.
std::string stranger_bytes(int round, std::mt19937& random) {
  static const std::string greeting = std::string("\xFF\0\0\0\0\0\0\0\x01\x7F\x03\0NULL", 16) + std::string(48, '\0');
  static const std::string ready(
      "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
      "DEALER",
      30);
  std::string noise(1 + random() % 3000, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  switch (round % 5) {
    case 0:
      return noise;
    case 1:
      return greeting.substr(0, random() % greeting.size());
    case 2:
      return greeting + noise;
    case 3:
      return greeting + ready + std::string("\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9) +
             noise;  // a frame of 2^64 - 1 bytes
    default:
      return greeting + ready + std::string("\0\x10", 2) + noise;
  }
}

TEST(ZmqFaults, StrangersOnTheListeningSocketsDisturbNobody) {
  const TestFolder folder;
  ZmqTransportOptions both = test_options(folder, folder.ipc("open"));
  both.also_listen = "tcp://127.0.0.1:*";
  TestPeer open_one(both);
  TestPeer friendly(test_options(folder, folder.ipc("friendly")));
  TestPeer tcp_friend(test_options(folder, "tcp://127.0.0.1:*"));
  ASSERT_TRUE(open_one.transport->send(tcp_friend.endpoint(), numbered(1)));
  ASSERT_TRUE(tcp_friend.sink.wait_for_envelopes(1));
  const std::string tcp_door(tcp_friend.sink.take_envelopes().front().from_endpoint());
  std::mt19937 random(5);
  std::uint32_t sent = 0;
  for (int round = 0; round < 200; ++round) {
    const int stranger = raw_connection(round % 2 == 0 ? open_one.endpoint() : tcp_door);
    const std::string bytes = stranger_bytes(round, random);
    // The other side may hang up before everything is sent: that is its right.
    [[maybe_unused]] const ssize_t ignored = ::send(stranger, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ASSERT_TRUE(send_patiently(*friendly.transport, open_one.endpoint(), numbered(sent++)));
    ASSERT_TRUE(send_patiently(*tcp_friend.transport, tcp_door, numbered(sent++)));
    ::close(stranger);
  }
  EXPECT_TRUE(open_one.sink.wait_for_envelopes(sent));
  EXPECT_EQ(open_one.sink.count(), sent);
  EXPECT_TRUE(open_one.sink.downs().empty());
}

TEST(ZmqFaults, PO2_APeerThatNeverWasIsReportedToo) {
  const TestFolder folder;
  ZmqTransportOptions hasty = test_options(folder, folder.ipc("hasty"));
  hasty.peer_timeout = std::chrono::milliseconds(300);
  TestPeer peer(hasty);
  ASSERT_TRUE(peer.transport->send(folder.ipc("nobody"), numbered(1)));
  ASSERT_TRUE(peer.sink.wait_for_downs(1));
  EXPECT_EQ(peer.sink.downs().front().endpoint, folder.ipc("nobody"));
  EXPECT_NE(peer.sink.downs().front().why.text.find("nobody answered"), std::string::npos);
  EXPECT_EQ(peer.sink.returned().size(), 1U);
}

TEST(ZmqFaults, PO4_AMessageTheSinkThrowsAtIsDroppedAlone) {
  std::vector<std::uint32_t> taken;  // the receiver's thread alone, until it has stopped
  const TestFolder folder;
  TestPeer sender(test_options(folder, folder.ipc("sender")));
  TestPeer receiver(test_options(folder, folder.ipc("receiver")));
  receiver.sink.set_keep(RecordingSink::Keep::nothing);
  receiver.sink.set_observer([&taken](const Envelope& envelope) {
    if (envelope.header.step % 3 == 1) throw std::length_error("not this one");
    taken.push_back(envelope.header.step);
  });
  constexpr std::uint32_t kMessages = 3000;  // more than a window: what was dropped gives its credit back
  for (std::uint32_t i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(send_patiently(*sender.transport, receiver.endpoint(), numbered(i)));
  }
  ASSERT_TRUE(receiver.sink.wait_for_envelopes(kMessages));
  receiver.transport->stop(std::chrono::milliseconds(200));  // so that the last one was dealt with
  EXPECT_EQ(receiver.transport->counters().malformed, kMessages / 3);
  ASSERT_EQ(taken.size(), kMessages - kMessages / 3);
  for (std::size_t i = 0; i < taken.size(); ++i) EXPECT_EQ(taken[i], i / 2 * 3 + i % 2 * 2);
}

}  // namespace
}  // namespace troupe::runtime
