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
  ASSERT_EQ(commands.size(), 101U);
  for (std::uint32_t i = 0; i < 100; ++i) EXPECT_EQ(std::get<SendCommand>(commands[i]).envelope.header.step, i);
  EXPECT_TRUE(std::holds_alternative<ForgetCommand>(commands[100]));
  EXPECT_TRUE(under_test.outbox.is_empty());
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
  auto ledger = std::make_shared<CreditLedger>(LinkCost{1000, 1'000'000}, waker);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([ledger] {
      for (std::uint64_t i = 0; i < 1000; ++i) {
        const std::shared_ptr<void> ticket = ledger->ticket(i);
        const std::shared_ptr<void> copy = ticket;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ledger->released(), (LinkCost{4000, 4 * 999 * 1000 / 2}));
  std::shared_ptr<void> last = ledger->ticket(5);
  ledger.reset();
  last.reset();  // a ticket may outlive everything else of its link
}

}  // namespace
}  // namespace troupe::runtime
