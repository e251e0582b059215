#include "runtime/mailbox.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

namespace troupe::runtime {
namespace {

Envelope from(std::uint64_t sender, std::uint32_t number, EnvelopeKind kind = EnvelopeKind::message) {
  Envelope envelope;
  envelope.header.kind = kind;
  envelope.header.sender = sender;
  envelope.header.step = number;
  return envelope;
}

PushResult push(Mailbox& mailbox, Envelope envelope) {
  return mailbox.push(envelope);
}

TEST(Mailbox, MB1_KeepsTheOrderOfEverySenderThread) {
  constexpr std::uint32_t kEach = 5000;
  constexpr std::uint64_t kSenders = 4;
  Mailbox mailbox(kEach * kSenders);
  std::vector<std::thread> senders;
  for (std::uint64_t sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&mailbox, sender] {
      for (std::uint32_t i = 0; i < kEach; ++i) ASSERT_EQ(push(mailbox, from(sender, i)), PushResult::queued);
    });
  }
  std::array<std::uint32_t, kSenders> next{};
  for (std::uint64_t popped = 0; popped < kEach * kSenders;) {
    const std::optional<Envelope> envelope = mailbox.pop();
    if (!envelope) continue;
    ASSERT_EQ(envelope->header.step, next[envelope->header.sender]++);
    ++popped;
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(mailbox.size(), 0U);
}

TEST(Mailbox, MB2_ClosedTakesNothingAndHandsOutWhatWaited) {
  Mailbox mailbox(8);
  ASSERT_EQ(push(mailbox, from(1, 1)), PushResult::queued);
  ASSERT_EQ(push(mailbox, from(1, 2)), PushResult::queued);
  const std::vector<Envelope> rest = mailbox.close();
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[0].header.step, 1U);
  EXPECT_EQ(rest[1].header.step, 2U);
  for (const EnvelopeKind kind : {EnvelopeKind::message, EnvelopeKind::reply, EnvelopeKind::down}) {
    EXPECT_EQ(push(mailbox, from(1, 3, kind)), PushResult::closed);
  }
  EXPECT_FALSE(mailbox.pop());
  EXPECT_TRUE(mailbox.close().empty());
}

TEST(Mailbox, MB3_RefusesBeyondTheCapacityButTakesAnswers) {
  Mailbox mailbox(2);
  EXPECT_EQ(push(mailbox, from(1, 0)), PushResult::queued);
  EXPECT_EQ(push(mailbox, from(1, 1, EnvelopeKind::request)), PushResult::queued);
  EXPECT_EQ(push(mailbox, from(1, 2)), PushResult::full);
  EXPECT_EQ(push(mailbox, from(1, 2, EnvelopeKind::request)), PushResult::full);
  for (const EnvelopeKind kind : {EnvelopeKind::reply, EnvelopeKind::failure, EnvelopeKind::down}) {
    EXPECT_EQ(push(mailbox, from(1, 9, kind)), PushResult::queued);
  }
  EXPECT_EQ(mailbox.size(), 5U);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(mailbox.pop());
  EXPECT_EQ(push(mailbox, from(1, 3)), PushResult::queued) << "there is room again";
}

TEST(Mailbox, MB3_WhatAnActorSendsItselfNeedsNoRoom) {
  Mailbox mailbox(0);
  Envelope envelope = from(7, 7);
  EXPECT_EQ(mailbox.push(envelope, Room::always), PushResult::queued);
  EXPECT_EQ(mailbox.size(), 1U);
}

TEST(Mailbox, RefusedEnvelopesStayWithTheSender) {
  Mailbox mailbox(0);
  Envelope envelope = from(7, 7);
  envelope.body = "still here";
  ASSERT_EQ(mailbox.push(envelope), PushResult::full);
  EXPECT_EQ(envelope.body, "still here");
}

}  // namespace
}  // namespace troupe::runtime
