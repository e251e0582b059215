#include "runtime/mailbox.hpp"

#include "tests/runtime/test_actors.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

namespace troupe::runtime {
namespace {

MailPtr from(std::uint64_t sender, std::uint32_t number, EnvelopeKind kind = EnvelopeKind::message) {
  MailPtr mail = make_mail(Number{number});
  mail->header.kind = kind;
  mail->header.sender = sender;
  mail->header.step = number;
  return mail;
}

PushResult push(Mailbox& mailbox, MailPtr mail) {
  return mailbox.push(mail);
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
    const MailPtr envelope = mailbox.pop();
    if (!envelope) continue;
    ASSERT_EQ(envelope->header.step, next[envelope->header.sender]++);
    ++popped;
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(mailbox.size(), 0U);
}

TEST(Mailbox, MB1_UrgentMailComesBeforeWhatWaitsInItsOwnOrder) {
  Mailbox mailbox(16);
  const auto push_urgent = [&mailbox](std::uint32_t number) {
    MailPtr mail = from(1, number);
    mail->header.lane = Lane::urgent;
    return mailbox.push(mail);
  };
  for (const std::uint32_t number : {1U, 2U}) ASSERT_EQ(push(mailbox, from(1, number)), PushResult::queued);
  ASSERT_EQ(mailbox.pop()->header.step, 1U);
  ASSERT_EQ(push(mailbox, from(1, 3)), PushResult::queued);
  for (const std::uint32_t number : {11U, 12U}) ASSERT_EQ(push_urgent(number), PushResult::queued);
  std::vector<std::uint32_t> order;
  while (const MailPtr mail = mailbox.pop()) order.push_back(mail->header.step);
  EXPECT_EQ(order, (std::vector<std::uint32_t>{11, 12, 2, 3}));
}

TEST(Mailbox, MB2_ClosedTakesNothingAndHandsOutWhatWaited) {
  Mailbox mailbox(8);
  ASSERT_EQ(push(mailbox, from(1, 1)), PushResult::queued);
  ASSERT_EQ(push(mailbox, from(1, 2)), PushResult::queued);
  const std::vector<MailPtr> rest = mailbox.close();
  ASSERT_EQ(rest.size(), 2U);
  EXPECT_EQ(rest[0]->header.step, 1U);
  EXPECT_EQ(rest[1]->header.step, 2U);
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
  EXPECT_TRUE(mailbox.pop());
  EXPECT_EQ(push(mailbox, from(1, 3)), PushResult::queued) << "there is room again";
}

TEST(Mailbox, MB3_AnswersTakeNoRoomOfRequests) {
  Mailbox mailbox(2);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(push(mailbox, from(1, 9, EnvelopeKind::reply)), PushResult::queued);
  EXPECT_EQ(push(mailbox, from(1, 0)), PushResult::queued);
  EXPECT_EQ(push(mailbox, from(1, 1, EnvelopeKind::request)), PushResult::queued);
  EXPECT_EQ(push(mailbox, from(1, 2)), PushResult::full);
  EXPECT_EQ(mailbox.size(), 12U);
}

TEST(Mailbox, MB3_WhatAnActorSendsItselfNeedsNoRoom) {
  Mailbox mailbox(0);
  MailPtr mail = from(7, 7);
  EXPECT_EQ(mailbox.push(mail, Room::always), PushResult::queued);
  EXPECT_EQ(mailbox.size(), 1U);
}

TEST(Mailbox, RefusedMailStaysWithTheSender) {
  Mailbox mailbox(0);
  MailPtr mail = from(7, 7);
  ASSERT_EQ(mailbox.push(mail), PushResult::full);
  ASSERT_TRUE(mail);
  EXPECT_EQ(value_of<Number>(*mail)->value, 7U);
}

TEST(Mailbox, MB2_WhatTheOwnerHasTakenIsDrained) {
  Mailbox mailbox(8);
  for (std::uint32_t i = 0; i < 4; ++i) ASSERT_EQ(push(mailbox, from(1, i)), PushResult::queued);
  ASSERT_TRUE(mailbox.pop());  // with it the owner took the others
  ASSERT_EQ(push(mailbox, from(1, 4)), PushResult::queued);
  const std::vector<MailPtr> rest = mailbox.close();
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0]->header.step, 4U);
  EXPECT_FALSE(mailbox.pop());
  EXPECT_EQ(mailbox.sleep(), Sleep::closed);
  const std::vector<MailPtr> taken = mailbox.drain();
  ASSERT_EQ(taken.size(), 3U);
  EXPECT_EQ(taken[0]->header.step, 1U);
  EXPECT_EQ(mailbox.size(), 0U);
}

TEST(Mailbox, MB4_OnlyTheFirstAfterASleepWakes) {
  Mailbox mailbox(8);
  EXPECT_EQ(push(mailbox, from(1, 0)), PushResult::queued) << "a new one is awake";
  EXPECT_EQ(mailbox.sleep(), Sleep::awake) << "something waits";
  ASSERT_TRUE(mailbox.pop());
  ASSERT_EQ(mailbox.sleep(), Sleep::asleep);
  EXPECT_EQ(push(mailbox, from(1, 1)), PushResult::queued_first);
  EXPECT_EQ(push(mailbox, from(1, 2)), PushResult::queued);
  ASSERT_TRUE(mailbox.pop());
  EXPECT_EQ(mailbox.sleep(), Sleep::awake) << "the second was taken with the first";
}

TEST(Mailbox, MB5_WhatIsHeldComesBackFirstAndCountsMeanwhile) {
  Mailbox mailbox(3);
  for (std::uint32_t number = 1; number <= 2; ++number) {
    ASSERT_EQ(push(mailbox, from(1, number)), PushResult::queued);
    mailbox.hold(mailbox.pop());
  }
  EXPECT_EQ(mailbox.size(), 2U);
  MailPtr urgent = from(1, 9);
  urgent->header.lane = Lane::urgent;
  ASSERT_EQ(push(mailbox, std::move(urgent)), PushResult::queued);
  mailbox.hold(mailbox.pop());
  EXPECT_EQ(push(mailbox, from(1, 3)), PushResult::full);
  EXPECT_EQ(mailbox.pop(), nullptr);
  EXPECT_EQ(mailbox.sleep(), Sleep::asleep) << "for what is held nobody is woken";
  mailbox.release_held();
  std::vector<std::uint32_t> order;
  while (const MailPtr mail = mailbox.pop()) {
    order.push_back(mail->header.step);
    if (order.size() == 1) {
      EXPECT_EQ(push(mailbox, from(1, 4)), PushResult::queued_first);
    }
  }
  EXPECT_EQ(order, (std::vector<std::uint32_t>{9, 1, 2, 4}));
}

TEST(Mailbox, MB5_WhatIsHeldIsDrainedAndASleeperIsClosedByOne) {
  Mailbox mailbox(3);
  ASSERT_EQ(push(mailbox, from(1, 1)), PushResult::queued);
  mailbox.hold(mailbox.pop());
  EXPECT_FALSE(mailbox.close_asleep()) << "its owner is awake";
  ASSERT_EQ(mailbox.sleep(), Sleep::asleep);
  EXPECT_TRUE(mailbox.close_asleep());
  EXPECT_FALSE(mailbox.close_asleep());
  EXPECT_EQ(mailbox.drain().size(), 1U);
  EXPECT_EQ(mailbox.size(), 0U);
}

TEST(Mailbox, MB4_WakersAndTheOwnerTakeTurnsWithoutLosingAny) {
  constexpr std::uint32_t kEach = 20'000;
  constexpr int kSenders = 3;
  Mailbox mailbox(std::size_t{kEach} * kSenders);
  ASSERT_EQ(mailbox.sleep(), Sleep::asleep);
  std::uint32_t popped = 0;  // plain on purpose: whoever was told queued_first is the owner until it sleeps again
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&mailbox, &popped] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        const PushResult result = push(mailbox, from(1, i));
        ASSERT_TRUE(result == PushResult::queued || result == PushResult::queued_first);
        if (result != PushResult::queued_first) continue;
        do {
          while (mailbox.pop()) ++popped;
        } while (mailbox.sleep() == Sleep::awake);
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(popped, kEach * kSenders);
  EXPECT_EQ(mailbox.size(), 0U);
}

}  // namespace
}  // namespace troupe::runtime
