#include "actors/recovery/recovery_plan.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace troupe::actors {
namespace {

using Kind = RecoveryPlan::Kind;
using Reports = std::vector<StageReport>;

constexpr StageGrid kTwoByTwo{2, 2, StageGrid::Ends::tied, StageGrid::Sums::by_messages};
constexpr StageGrid kOneByThree{1, 3, StageGrid::Ends::tied, StageGrid::Sums::by_messages};

/// In the middle of the step after `step` committed ones: what it sent since the step before can be sent again.
StageReport living(std::uint32_t step, StageReport::Vote vote = StageReport::Vote::due) {
  StageReport report;
  report.holds = StageReport::Holds::state;
  report.step = step;
  report.vote = vote;
  report.log_from = step > 0 ? step - 1 : 0;
  report.snapshots = {step};
  if (step > 0) report.snapshots.push_back(step - 1);
  return report;
}

StageReport restarted(std::vector<std::uint32_t> snapshots) {
  StageReport report;
  report.snapshots = std::move(snapshots);
  return report;
}

TEST(RecoveryPlan, OneThatDiedInTheMiddleOfAStepDoesThatStepAgainAlone) {
  Reports reports(4, living(7));
  reports[1] = restarted({7, 6});
  const RecoveryPlan plan = plan_recovery(kTwoByTwo, reports, 7);
  EXPECT_EQ(plan.kind, Kind::replay);
  EXPECT_EQ(plan.step, 7U);
  EXPECT_EQ(plan.orders[1], (StageOrder{StateSource::snapshot, 7, 0}));
  EXPECT_EQ(plan.orders[0], (StageOrder{StateSource::memory, 7, 0, StageOrder::Begin::goes_on}));
}

TEST(RecoveryPlan, OneThatDiedBeforeItSealedWhatWasCommittedDoesThatStepAgain) {
  Reports reports(3, living(7));
  reports[2] = restarted({6, 5});
  const RecoveryPlan plan = plan_recovery(kOneByThree, reports, 7);
  EXPECT_EQ(plan.kind, Kind::replay);
  EXPECT_EQ(plan.orders[2], (StageOrder{StateSource::snapshot, 6, 0}));
  Reports pairs(4, living(7));
  pairs[3] = restarted({6, 5});
  EXPECT_EQ(plan_recovery(kTwoByTwo, pairs, 7).orders[3], (StageOrder{StateSource::sibling, 7, 0}))
      << "a replica has what it would have to compute";
}

TEST(RecoveryPlan, OneThatWasRestoredWhenAnotherDiedNeedsItsInputsYet) {
  Reports reports(3, living(7));
  reports[1].inputs = StageReport::Inputs::missing;
  reports[1].log_from = 7;
  reports[2] = restarted({7, 6});
  const RecoveryPlan plan = plan_recovery(kOneByThree, reports, 7);
  EXPECT_EQ(plan.kind, Kind::replay);
  EXPECT_EQ(plan.orders[1], (StageOrder{StateSource::memory, 7, 0, StageOrder::Begin::again}));
}

TEST(RecoveryPlan, WithoutAMemoryOfItsNodeTheSiblingLendsItsState) {
  Reports reports(4, living(7));
  reports[2] = restarted({});
  const RecoveryPlan plan = plan_recovery(kTwoByTwo, reports, 7);
  EXPECT_EQ(plan.kind, Kind::replay);
  EXPECT_EQ(plan.orders[2], (StageOrder{StateSource::sibling, 7, 0}));
}

TEST(RecoveryPlan, NeighboursThatDiedTogetherBeginAtOneStep) {
  Reports reports(3, living(7));
  reports[1] = restarted({7, 6});
  reports[2] = restarted({6, 5});  // it had not sealed step 7; what its neighbour sent for it is gone
  const RecoveryPlan plan = plan_recovery(kOneByThree, reports, 7);
  EXPECT_EQ(plan.kind, Kind::replay);
  EXPECT_EQ(plan.orders[1], (StageOrder{StateSource::snapshot, 6, 0}));
  EXPECT_EQ(plan.orders[2], (StageOrder{StateSource::snapshot, 6, 0}));
}

TEST(RecoveryPlan, WhereTheLogsDoNotReachAllGoBackOneStep) {
  Reports reports(3, living(7));
  reports[0].log_from = 7;  // it was itself restored at 7
  reports[1] = restarted({6, 5});
  const RecoveryPlan plan = plan_recovery(kOneByThree, reports, 7);
  EXPECT_EQ(plan.kind, Kind::rollback);
  EXPECT_EQ(plan.step, 6U);
  for (const StageOrder& order : plan.orders) EXPECT_EQ(order, (StageOrder{StateSource::snapshot, 6, 0}));
}

TEST(RecoveryPlan, ACollectiveOfALibraryBeginsAnewWithEverybody) {
  StageGrid grid = kTwoByTwo;
  grid.sums = StageGrid::Sums::by_library;
  Reports reports(4, living(7));
  reports[1] = restarted({7, 6});
  const RecoveryPlan plan = plan_recovery(grid, reports, 7);
  EXPECT_EQ(plan.kind, Kind::rollback);
  EXPECT_EQ(plan.step, 7U);
  EXPECT_EQ(plan.orders[0], (StageOrder{StateSource::memory, 7, 0}));
  EXPECT_EQ(plan.orders[1], (StageOrder{StateSource::snapshot, 7, 0}));
}

TEST(RecoveryPlan, WithoutAnyMemoryTheCheckpointIsLeft) {
  Reports reports(3, living(7));
  reports[1] = restarted({});
  EXPECT_EQ(plan_recovery(kOneByThree, reports, 7).kind, Kind::checkpoint);
  EXPECT_EQ(plan_recovery(kTwoByTwo, Reports(4), 0).kind, Kind::checkpoint) << "the very beginning";
}

TEST(RecoveryPlan, AStageThatHasNotHeardOfTheLastCommitIsNoReasonToGoBack) {
  Reports reports(4, living(7));
  reports[2] = living(6, StageReport::Vote::given);
  const RecoveryPlan plan = plan_recovery(kTwoByTwo, reports, 7);
  EXPECT_EQ(plan.kind, Kind::replay);
  EXPECT_EQ(plan.orders[2], (StageOrder{StateSource::memory, 6, 0, StageOrder::Begin::goes_on}));
}

TEST(RecoveryPlan, RP2_NobodyGoesToAStepThatIsNotCommitted) {
  Reports reports(4, living(7));
  reports[1] = restarted({8, 7});
  EXPECT_EQ(plan_recovery(kTwoByTwo, reports, 7).orders[1].step, 7U);
  reports[0] = living(8);
  EXPECT_EQ(plan_recovery(kTwoByTwo, reports, 7).kind, Kind::rollback);
}

TEST(RecoveryPlan, BackToAStepMeansAll) {
  const Reports reports(4, living(7));
  const RecoveryPlan plan = plan_rollback(kTwoByTwo, reports, 6);
  EXPECT_EQ(plan.kind, Kind::rollback);
  for (const StageOrder& order : plan.orders) EXPECT_EQ(order, (StageOrder{StateSource::snapshot, 6, 0}));
  EXPECT_EQ(plan_rollback(kTwoByTwo, reports, 3).kind, Kind::checkpoint);
}

/// Every plan, looked at by its own rules, for all that a few thousand random reports may say.
TEST(RecoveryPlan, RP1_RP3_WhoNeedsAnInputHasAPeerThatStillHasItOrMakesItAgain) {
  std::mt19937 random(7);
  const auto roll = [&random](std::uint32_t sides) { return static_cast<std::uint32_t>(random() % sides); };
  std::set<Kind> seen;
  for (int i = 0; i < 20'000; ++i) {
    const StageGrid grid{1 + roll(3), 1 + roll(3), roll(2) == 0 ? StageGrid::Ends::tied : StageGrid::Ends::apart,
                         StageGrid::Sums::by_messages};
    Reports reports;
    for (std::size_t index = 0; index < grid.size(); ++index) {
      reports.push_back(living(4 + roll(2), roll(2) == 0 ? StageReport::Vote::due : StageReport::Vote::given));
      reports.back().log_from = 3 + roll(3);
      if (roll(3) != 0) continue;
      reports.back() = restarted({});
      for (const std::uint32_t step : {3U, 4U, 5U}) {
        if (roll(2) == 0) reports.back().snapshots.push_back(step);
      }
    }
    const RecoveryPlan plan = plan_recovery(grid, reports, 5);
    seen.insert(plan.kind);
    if (plan.kind == Kind::checkpoint) continue;
    ASSERT_EQ(plan.orders.size(), grid.size());
    for (std::size_t index = 0; index < grid.size(); ++index) {
      const StageOrder& order = plan.orders[index];
      const StageReport& report = reports[index];
      ASSERT_TRUE(order.step == 4 || order.step == 5);
      ASSERT_TRUE(plan.kind != Kind::rollback || order.step == plan.step);
      ASSERT_TRUE(order.source != StateSource::memory || report.step == order.step);
      ASSERT_TRUE(order.source != StateSource::snapshot ||
                  std::ranges::find(report.snapshots, order.step) != report.snapshots.end());
      if (order.source == StateSource::sibling) {
        const StageReport& lender = reports[grid.index(order.lender, static_cast<std::uint32_t>(index % grid.stages))];
        ASSERT_EQ(lender.holds, StageReport::Holds::state);
        ASSERT_EQ(lender.step, order.step);
      }
      if (plan.kind != Kind::replay) continue;
      const bool keeps = report.holds == StageReport::Holds::state;
      const std::uint32_t needs = order.step + (keeps && report.vote == StageReport::Vote::given ? 1 : 0);
      for (const std::size_t peer : grid.peers_of(index)) {
        const bool peer_keeps = reports[peer].holds == StageReport::Holds::state;
        ASSERT_LE(peer_keeps ? reports[peer].log_from : plan.orders[peer].step, needs);
      }
    }
  }
  EXPECT_EQ(seen.size(), 3U);
}

}  // namespace
}  // namespace troupe::actors
