#include "runtime/transport/zmq_faulty_sockets.hpp"

#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;

/// A peer whose listening side has these rules, and one that sends to it.
struct FaultyPair {
  explicit FaultyPair(std::vector<FrameFaults::Rule> rules, bool over_tcp = false) {
    ZmqTransportOptions options = test_options(folder, over_tcp ? kAnyPort : folder.ipc("receiver"));
    options.faults.rules = std::move(rules);
    options.faults.told = [this](std::size_t, std::uint64_t count) {
      if (count == 1 && strikes == 0) first_strike.set_value();
      strikes = count;
    };
    receiver = std::make_unique<TestPeer>(std::move(options));
    ZmqTransportOptions plain = test_options(folder, over_tcp ? kAnyPort : folder.ipc("sender"));
    plain.arena_bytes = 0;  // payloads by wire, where there is something to strike
    sender = std::make_unique<TestPeer>(std::move(plain));
  }

  /// Sends `count` messages, some with payloads, and checks that all arrive once and in order.
  void expect_all_mended(std::uint32_t count) {
    for (std::uint32_t number = 1; number <= count; ++number) {
      Envelope envelope = numbered(number);
      if (number % 7 == 0) envelope.payloads.push_back(patterned(20'000, number));
      ASSERT_TRUE(send_patiently(*sender->transport, where(), envelope)) << number;
      if (number % 50 != 0) continue;
      ASSERT_TRUE(receiver->sink.wait_for_envelopes(number)) << "of " << number;
    }
    ASSERT_TRUE(receiver->sink.wait_for_envelopes(count)) << receiver->sink.count();
    const std::vector<Envelope> envelopes = receiver->sink.take_envelopes();
    ASSERT_EQ(envelopes.size(), count);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t number = i + 1;
      ASSERT_EQ(envelopes[i].header.step, number);
      if (number % 7 == 0) {
        ASSERT_TRUE(equal_bytes(envelopes[i].payloads.at(0), patterned(20'000, number)));
      }
    }
    EXPECT_GT(strikes, 0U) << "the fault did not strike";
    EXPECT_TRUE(sender->sink.downs().empty());
    EXPECT_TRUE(sender->sink.returned().empty());
  }

  /// The receiver; over tcp by another way to say this machine, since payloads that pass no network have no checksum.
  [[nodiscard]] std::string where() const {
    const std::string& endpoint = receiver->endpoint();
    return endpoint.starts_with("tcp") ? "tcp://0.0.0.0" + endpoint.substr(endpoint.rfind(':')) : endpoint;
  }

  TestFolder folder;
  std::atomic<std::uint64_t> strikes{0};  // as told: a power of two
  std::promise<void> first_strike;
  std::unique_ptr<TestPeer> receiver;
  std::unique_ptr<TestPeer> sender;
};

TEST(ZmqFaultySockets, LostMessagesAreSentAgain) {
  FaultyPair pair({{FrameFault::drop, 0.05, {}, 1}});
  pair.expect_all_mended(500);
}

TEST(ZmqFaultySockets, DoubledMessagesAreDropped) {
  FaultyPair pair({{FrameFault::duplicate, 0.3, {}, 2}});
  pair.expect_all_mended(500);
}

TEST(ZmqFaultySockets, ReorderedMessagesComeInOrder) {
  FaultyPair pair({{FrameFault::reorder, 0.05, {}, 3}});
  pair.expect_all_mended(500);
}

TEST(ZmqFaultySockets, DamagedMessagesAreSentAgain) {
  FaultyPair pair({{FrameFault::corrupt, 0.05, {}, 4}});
  pair.expect_all_mended(500);
  EXPECT_GT(pair.receiver->transport->counters().malformed, 0U);
}

TEST(ZmqFaultySockets, DamagedPayloadsByWireAreSentAgain) {
  FaultyPair pair({{FrameFault::corrupt, 0.05, {}, 5}}, /*over_tcp=*/true);
  pair.expect_all_mended(500);
  EXPECT_GT(pair.receiver->transport->counters().malformed, 0U);
}

TEST(ZmqFaultySockets, FX2_LateMessagesComeThoughNothingElseDoes) {
  FaultyPair pair({{FrameFault::delay, 1.0, milliseconds(30), 6}});
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(pair.sender->transport->send(pair.receiver->endpoint(), numbered(1)));
  ASSERT_TRUE(pair.receiver->sink.wait_for_envelopes(1));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(30));
}

TEST(ZmqFaultySockets, AllAtOnceAreMended) {
  FaultyPair pair({{FrameFault::drop, 0.02, {}, 7},
                   {FrameFault::duplicate, 0.05, {}, 8},
                   {FrameFault::reorder, 0.02, {}, 9},
                   {FrameFault::corrupt, 0.02, {}, 10},
                   {FrameFault::delay, 0.02, milliseconds(5), 11}});
  pair.expect_all_mended(500);
}

TEST(ZmqFaultySockets, FX3_WhatOpensALinkIsLetAlone) {
  FaultyPair pair({{FrameFault::drop, 1.0, {}, 1}});
  ASSERT_TRUE(pair.sender->transport->send(pair.receiver->endpoint(), numbered(1)));
  // Only a link that is open sends messages: what is struck came behind the hello.
  EXPECT_EQ(pair.first_strike.get_future().wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(pair.receiver->sink.count(), 0U);
}

TEST(ZmqFaultySockets, FX1_WithoutAStrikeNothingChanges) {
  FaultyPair pair({{FrameFault::drop, 0.0, {}, 1}});
  for (std::uint32_t number = 1; number <= 100; ++number) {
    ASSERT_TRUE(send_patiently(*pair.sender->transport, pair.receiver->endpoint(), numbered(number)));
  }
  ASSERT_TRUE(pair.receiver->sink.wait_for_envelopes(100));
  EXPECT_EQ(pair.strikes, 0U);
  EXPECT_EQ(pair.receiver->transport->counters().malformed, 0U);
}

}  // namespace
}  // namespace troupe::runtime
