#include "runtime/transport/zmq_outbox.hpp"

#include "runtime/transport/zmq_wire.hpp"
#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <variant>

namespace troupe::runtime {
namespace {

const std::string kThere = "ipc:///nowhere/there";

struct OpenOutbox {
  std::shared_ptr<Waker> waker = std::make_shared<Waker>();
  ZmqOutbox outbox;

  explicit OpenOutbox(LinkCost window) : outbox(window, waker) { outbox.open(); }
};

Envelope of_kind(EnvelopeKind kind) {
  Envelope envelope = numbered(1);
  envelope.header.kind = kind;
  return envelope;
}

std::size_t fill(ZmqOutbox& outbox, EnvelopeKind kind) {
  std::size_t accepted = 0;
  while (outbox.accept(kThere, of_kind(kind))) ++accepted;
  return accepted;
}

TEST(ZmqOutbox, ZO1_WindowOfMessagesByKind) {
  OpenOutbox under_test({10, 1ULL << 30});
  EXPECT_EQ(fill(under_test.outbox, EnvelopeKind::request), 10U);
  EXPECT_EQ(fill(under_test.outbox, EnvelopeKind::message), 0U);
  EXPECT_EQ(fill(under_test.outbox, EnvelopeKind::reply), 10U) << "answers have room beyond requests";
  EXPECT_EQ(fill(under_test.outbox, EnvelopeKind::down), 20U) << "news of deaths beyond both";
  const Result<Done> refused = under_test.outbox.accept(kThere, of_kind(EnvelopeKind::down));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().kind, FailureKind::overloaded);
  EXPECT_TRUE(under_test.outbox.accept("ipc:///nowhere/else", numbered(1))) << "another link has its own window";
}

TEST(ZmqOutbox, ZO1_WindowOfBytes) {
  OpenOutbox under_test({1000, 100'000});
  Envelope envelope = numbered(1);
  envelope.payloads.push_back(patterned(30'000, 1));
  std::size_t accepted = 0;
  while (under_test.outbox.accept(kThere, envelope)) ++accepted;
  EXPECT_EQ(accepted, 3U);
  (void)under_test.outbox.release(kThere, {1, wire_cost(envelope)});
  EXPECT_TRUE(under_test.outbox.accept(kThere, envelope));
  EXPECT_FALSE(under_test.outbox.accept(kThere, envelope));
  EXPECT_EQ(under_test.outbox.outstanding(kThere), (LinkCost{3, 3 * wire_cost(envelope)}));
}

TEST(ZmqOutbox, WhoWasRefusedHearsOnceWhenHalfTheWindowIsFree) {
  OpenOutbox under_test({10, 1ULL << 30});
  const LinkCost one{1, wire_cost(of_kind(EnvelopeKind::message))};
  (void)fill(under_test.outbox, EnvelopeKind::message);  // until it is refused
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(under_test.outbox.release(kThere, one)) << i;
  EXPECT_TRUE(under_test.outbox.release(kThere, one));
  EXPECT_FALSE(under_test.outbox.release(kThere, one)) << "nobody was refused since";
}

TEST(ZmqOutbox, ZO2_OneMessageLargerThanTheWindowGoesAlone) {
  OpenOutbox under_test({1000, 1000});
  Envelope large = numbered(1);
  large.payloads.push_back(patterned(50'000, 1));
  EXPECT_TRUE(under_test.outbox.accept(kThere, large));
  EXPECT_FALSE(under_test.outbox.accept(kThere, numbered(2)));
  (void)under_test.outbox.release(kThere, {1, wire_cost(large)});
  EXPECT_TRUE(under_test.outbox.accept(kThere, numbered(2)));
  EXPECT_FALSE(under_test.outbox.accept(kThere, large)) << "not alone";
}

TEST(ZmqOutbox, ZO3_CommandsKeepTheirOrder) {
  OpenOutbox under_test({1000, 1ULL << 30});
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(under_test.outbox.accept(kThere, numbered(i)));
  under_test.outbox.forget(kThere, {FailureKind::faulted, "dead"});
  const std::vector<OutboxCommand> commands = under_test.outbox.take();
  ASSERT_EQ(commands.size(), 2U);
  const std::vector<Envelope> envelopes = envelopes_of(std::get<SendFrontsCommand>(commands[0]).fronts);
  ASSERT_EQ(envelopes.size(), 100U);
  for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(envelopes[i].header.step, i);
  EXPECT_TRUE(std::holds_alternative<ForgetCommand>(commands[1]));
  EXPECT_TRUE(under_test.outbox.is_empty());
}

TEST(ZmqOutbox, ZO3_SmallMessagesNeverPassALargeOneOrAForgetting) {
  OpenOutbox under_test({1000, 1ULL << 30});
  const std::string other = "ipc:///nowhere/other";
  Envelope large = numbered(1);
  large.payloads.push_back(patterned(20'000, 1));
  ASSERT_TRUE(under_test.outbox.accept(kThere, numbered(0)));
  ASSERT_TRUE(under_test.outbox.accept(other, numbered(10)));
  ASSERT_TRUE(under_test.outbox.accept(kThere, large));
  ASSERT_TRUE(under_test.outbox.accept(kThere, numbered(2)));
  ASSERT_TRUE(under_test.outbox.accept(other, numbered(11)));
  under_test.outbox.forget(kThere, {FailureKind::faulted, "dead"});
  ASSERT_TRUE(under_test.outbox.accept(kThere, numbered(3)));
  std::vector<OutboxCommand> commands = under_test.outbox.take();
  ASSERT_TRUE(under_test.outbox.accept(kThere, numbered(4)));
  for (OutboxCommand& command : under_test.outbox.take()) commands.push_back(std::move(command));
  std::string order;
  for (OutboxCommand& command : commands) {
    if (auto* const send = std::get_if<SendCommand>(&command)) {
      order += std::to_string(send->envelope.header.step) + " ";
    } else if (auto* const fronts = std::get_if<SendFrontsCommand>(&command)) {
      for (const Envelope& envelope : envelopes_of(std::move(fronts->fronts))) {
        order += std::to_string(envelope.header.step) + " ";
      }
    } else {
      order += "forget ";
    }
  }
  EXPECT_EQ(order, "0 10 11 1 2 forget 3 4 ") << "in order for each link, and those of 'other' together";
}

TEST(ZmqOutbox, RefusesWhatCannotBeSent) {
  OpenOutbox under_test({10, 1000});
  for (const char* endpoint : {"", "x", "memory://a", "tcp://host", "tcp://host:0", "tcp://host:70000", "tcp://:5",
                               "ipc://a", "ipc:///", "tcp://a b:5", "tcp://host:5x"}) {
    EXPECT_FALSE(under_test.outbox.accept(endpoint, numbered(1))) << endpoint;
  }
  under_test.outbox.close();
  const Result<Done> refused = under_test.outbox.accept(kThere, numbered(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().kind, FailureKind::disconnected);
}

TEST(ZmqOutbox, ZL1_TicketsOfAllThreadsAreCounted) {
  const auto waker = std::make_shared<Waker>();
  auto ledger = std::make_shared<CreditLedger>("ipc:///nowhere/there", LinkCost{1000, 1'000'000}, waker);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([ledger] {
      for (std::uint64_t i = 1; i <= 1000; ++i) {
        const Arrival arrival(ledger, i);
        const Arrival copy = arrival;  // is worth nothing
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger->released(), (LinkCost{4000, 4 * 1000 * 1001 / 2}));
  Arrival last(ledger, 5);
  ledger.reset();
  last = {};  // it may outlive everything else of its link
}

}  // namespace
}  // namespace troupe::runtime
