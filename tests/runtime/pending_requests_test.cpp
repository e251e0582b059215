#include "runtime/pending_requests.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

namespace troupe::runtime {
namespace {

/// Outcomes by request, as text: "ok" or the failure's text.
using Outcomes = std::multimap<std::string, std::string>;

PendingRequests::Request request(Outcomes& outcomes, const std::string& label, const std::string& target,
                                 std::uint32_t incarnation, const std::string& endpoint = "") {
  return {name_hash(target), incarnation, endpoint, [&outcomes, label](const Result<MailPtr>& outcome) {
            outcomes.emplace(label, outcome ? "ok" : outcome.failure().text);
          }};
}

TEST(PendingRequests, PR1_ASecondAnswerIsRefused) {
  PendingRequests pending;
  Outcomes outcomes;
  const std::uint64_t first = pending.add(request(outcomes, "first", "stage", 1));
  const std::uint64_t second = pending.add(request(outcomes, "second", "stage", 1));
  EXPECT_NE(first, second);
  EXPECT_TRUE(pending.complete(first, MailPtr{}));
  EXPECT_FALSE(pending.complete(first, Failure{FailureKind::disconnected, "late"}));
  EXPECT_FALSE(pending.complete(12345, MailPtr{}));
  EXPECT_EQ(outcomes, (Outcomes{{"first", "ok"}}));
}

TEST(PendingRequests, FailsOnTheDeadIncarnationAndOlderOnes) {
  PendingRequests pending;
  Outcomes outcomes;
  (void)pending.add(request(outcomes, "old", "stage", 1));
  (void)pending.add(request(outcomes, "dead", "stage", 2));
  const std::uint64_t living = pending.add(request(outcomes, "living", "stage", 3));
  (void)pending.add(request(outcomes, "other", "data", 1));
  pending.fail_target(name_hash("stage"), 2, {FailureKind::faulted, "killed"});
  EXPECT_EQ(outcomes, (Outcomes{{"old", "killed"}, {"dead", "killed"}}));
  EXPECT_TRUE(pending.complete(living, MailPtr{}));
}

TEST(PendingRequests, FailsWhatWaitsForANode) {
  PendingRequests pending;
  Outcomes outcomes;
  (void)pending.add(request(outcomes, "there", "stage", 1, "ipc:///a"));
  (void)pending.add(request(outcomes, "here", "stage", 1));
  pending.fail_endpoint("ipc:///a", {FailureKind::disconnected, "gone"});
  EXPECT_EQ(outcomes, (Outcomes{{"there", "gone"}}));
}

TEST(PendingRequests, PR2_ClosedFailsEverythingAtOnce) {
  PendingRequests pending;
  Outcomes outcomes;
  (void)pending.add(request(outcomes, "before", "stage", 1));
  pending.close({FailureKind::disconnected, "over"});
  const std::uint64_t after = pending.add(request(outcomes, "after", "stage", 1));
  EXPECT_EQ(outcomes, (Outcomes{{"before", "over"}, {"after", "over"}}));
  EXPECT_FALSE(pending.complete(after, MailPtr{}));
}

TEST(PendingRequests, ACompletionMayAskAgain) {
  PendingRequests pending;
  Outcomes outcomes;
  std::uint64_t second = 0;
  const std::uint64_t first = pending.add(
      {1, 1, "", [&](const Result<MailPtr>&) { second = pending.add(request(outcomes, "second", "stage", 1)); }});
  ASSERT_TRUE(pending.complete(first, MailPtr{}));
  EXPECT_TRUE(pending.complete(second, MailPtr{}));
}

TEST(PendingRequests, PR1_HoldsWhenAnswerDeadlineAndDeathRace) {
  PendingRequests pending;
  constexpr int kRequests = 2000;
  std::vector<std::atomic<int>> calls(kRequests);
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < kRequests; ++i) {
    ids.push_back(pending.add({name_hash("stage"), 1, "ipc:///a", [&calls, i](const Result<MailPtr>&) {
                                 calls[static_cast<std::size_t>(i)].fetch_add(1);
                               }}));
  }
  std::thread answers([&] {
    for (const std::uint64_t id : ids) pending.complete(id, MailPtr{});
  });
  std::thread deadlines([&] {
    for (auto id = ids.rbegin(); id != ids.rend(); ++id) pending.complete(*id, Failure{});
  });
  std::thread deaths([&] {
    pending.fail_target(name_hash("stage"), 1, {});
    pending.fail_endpoint("ipc:///a", {});
    pending.close({});
  });
  answers.join();
  deadlines.join();
  deaths.join();
  for (const std::atomic<int>& count : calls) ASSERT_EQ(count.load(), 1);
}

}  // namespace
}  // namespace troupe::runtime
