#include "runtime/transport/zmq_out_link.hpp"
#include "tests/runtime/transport/zmq_scripted_dialer.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

#include <latch>

/// Urgent mail on its way to another process: before what waits at the sender, and with room of its own.
namespace troupe::runtime {
namespace {

Envelope urgent(std::uint32_t number) {
  Envelope envelope = numbered(number);
  envelope.header.lane = Lane::urgent;
  return envelope;
}

Envelope bulk(std::uint32_t number, const Payload& payload) {
  Envelope envelope = numbered(number);
  envelope.payloads.push_back(payload);
  return envelope;
}

/// A link whose peer does what the test says.
struct Link {
  ZmqTransportOptions options;
  LinkIdentity self;
  TransportTally tally;
  SafetyChecks checks;
  ScriptedDialer sockets;
  TimePoint now{std::chrono::seconds(1000)};
  ZmqOutLink link{"ipc:///peer", 5, {sockets, options, self, nullptr, tally, checks}, now};

  void welcome(std::uint32_t window_messages) {
    LinkWelcome welcome;
    welcome.instance = 9;
    welcome.link = 5;
    welcome.window_messages = window_messages;
    welcome.window_bytes = 64 * kMiB;
    sockets.say(EnvelopeKind::hello, welcome);
    link.read(now);
  }
  void note(const LinkNote& note) {
    sockets.say(EnvelopeKind::credit, note);
    link.read(now);
  }
  /// Numbers of the messages that left, in order; 100 and more are urgent.
  std::vector<std::uint32_t> left() { return sockets.take_steps(); }
};

TEST(ZmqLanes, OL4_UrgentMailLeavesBeforeWhatWaitsAndEachLaneInOrder) {
  Link at;
  for (const std::uint32_t i : {1U, 2U, 3U}) at.link.post(numbered(i));
  for (const std::uint32_t i : {101U, 102U}) at.link.post(urgent(i));
  Fronts small;
  for (const std::uint32_t i : {103U, 104U}) small.add(urgent(i));
  at.link.post(std::move(small), Lane::urgent, 0);
  at.link.post(numbered(4));
  at.welcome(100);
  EXPECT_EQ(at.left(), (std::vector<std::uint32_t>{101, 102, 103, 104, 1, 2, 3, 4}));
}

TEST(ZmqLanes, OL4_TheLastWindowOfThePeerIsForUrgentMail) {
  Link at;
  constexpr std::uint32_t kWindow = 4;
  for (std::uint32_t i = 0; i < 50; ++i) at.link.post(numbered(i));
  at.welcome(kWindow);
  EXPECT_EQ(at.left().size(), (kMaxWindowShare - 1) * kWindow) << "and no credit comes back";
  for (std::uint32_t i = 100; i < 110; ++i) at.link.post(urgent(i));
  at.link.flush(at.now);
  EXPECT_EQ(at.left(), (std::vector<std::uint32_t>{100, 101, 102, 103})) << "with the link's own limit as before";
}

TEST(ZmqLanes, OL4_OrdinaryMailIsHandedOverInBoundedAmounts) {
  Link at;
  const Payload payload = patterned(kMiB, 1);
  for (std::uint32_t i = 0; i < 32; ++i) at.link.post(bulk(i, payload));
  at.welcome(1000);
  const std::size_t ahead = at.left().size();
  EXPECT_LE(ahead * kMiB, kMaxAheadBytes + kMiB);
  at.link.flush(at.now);
  EXPECT_TRUE(at.left().empty()) << "nothing was confirmed";
  at.link.post(urgent(100));
  at.link.flush(at.now);
  EXPECT_EQ(at.left(), std::vector<std::uint32_t>{100});
  at.note({ahead, 0, 0});
  EXPECT_GE(at.left().size(), ahead - 1) << "confirmed, though nothing is done with";
}

TEST(ZmqLanes, OL4_UrgentMailOvertakesMegabytesOverARealLink) {
  const TestFolder folder;
  ZmqTransportOptions by_wire = test_options(folder, folder.ipc("left"));
  by_wire.arena_bytes = 0;
  TestPeer left(by_wire);
  by_wire.listen = folder.ipc("right");
  TestPeer right(by_wire);
  constexpr std::uint32_t kBulk = 40;
  std::latch first(1);
  std::latch go(1);
  std::vector<std::uint32_t> order;
  right.sink.set_observer([&](const Envelope& envelope) {
    if (order.empty()) {
      first.count_down();
      go.wait();  // what comes meanwhile is not confirmed
    }
    order.push_back(envelope.header.step);
  });
  const Payload payload = patterned(kMiB, 1);
  for (std::uint32_t i = 0; i < kBulk; ++i) ASSERT_TRUE(left.transport->send(right.endpoint(), bulk(i, payload)));
  first.wait();
  ASSERT_TRUE(left.transport->send(right.endpoint(), urgent(100)));
  ASSERT_TRUE(left.transport->send(right.endpoint(), urgent(101)));
  go.count_down();
  ASSERT_TRUE(right.sink.wait_for_envelopes(kBulk + 2));
  const auto found = std::find(order.begin(), order.end(), 100U);
  ASSERT_NE(found, order.end());
  // What was unconfirmed, and what goes in the turn in which it hears of a confirmation.
  EXPECT_LE(found - order.begin(), static_cast<std::ptrdiff_t>(2 * kMaxAheadBytes / kMiB + 2));
  EXPECT_EQ(*(found + 1), 101U);
  order.erase(found, found + 2);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ZmqLanes, ZO4_UrgentMailArrivesThoughThePeerIsDoneWithNothing) {
  const TestFolder folder;
  ZmqTransportOptions options = test_options(folder, folder.ipc("left"));
  options.window_messages = 8;
  TestPeer left(options);
  options.listen = folder.ipc("right");
  TestPeer right(options);
  std::uint32_t sent = 0;
  while (left.transport->send(right.endpoint(), numbered(sent))) ++sent;
  EXPECT_EQ(sent, 8U);
  ASSERT_TRUE(right.sink.wait_for_envelopes(sent));  // and keeps them
  ASSERT_TRUE(left.transport->send(right.endpoint(), urgent(100)));
  ASSERT_TRUE(right.sink.wait_for_envelopes(sent + 1));
  EXPECT_FALSE(left.transport->send(right.endpoint(), numbered(sent))) << "ordinary mail has no room yet";
  std::uint32_t more = 101;
  while (left.transport->send(right.endpoint(), urgent(more))) ++more;
  EXPECT_EQ(more - 100 + sent, 3 * 8U) << "and urgent mail is bounded too";
}

}  // namespace
}  // namespace troupe::runtime
