#include "actors/recovery/recovery_plan.hpp"

#include <algorithm>

namespace troupe::actors {
namespace {

using Reports = std::vector<StageReport>;

bool holds_state(const StageReport& report) {
  return report.holds == StageReport::Holds::state;
}

bool has_snapshot(const StageReport& report, std::uint32_t step) {
  return std::ranges::find(report.snapshots, step) != report.snapshots.end();
}

/// A replica whose process holds the state of `step` of the same stage.
std::optional<std::uint32_t> find_lender(const StageGrid& grid, const Reports& reports, std::size_t index,
                                         std::uint32_t step) {
  for (std::uint32_t replica = 0; replica < grid.replicas; ++replica) {
    const StageReport& other = reports[grid.index(replica, static_cast<std::uint32_t>(index % grid.stages))];
    if (holds_state(other) && other.step == step) return replica;
  }
  return std::nullopt;
}

/// Where a stage can get the state of `step`.
enum class Trust : std::uint8_t { memory, seals };

std::optional<StageOrder> find_source(const StageGrid& grid, const Reports& reports, std::size_t index,
                                      std::uint32_t step, Trust trust = Trust::memory) {
  const StageReport& own = reports[index];
  if (trust == Trust::seals && has_snapshot(own, step)) return StageOrder{StateSource::snapshot, step, 0};
  if (holds_state(own) && own.step == step) return StageOrder{StateSource::memory, step, 0};
  if (has_snapshot(own, step)) return StageOrder{StateSource::snapshot, step, 0};
  if (const auto lender = find_lender(grid, reports, index, step)) {
    return StageOrder{StateSource::sibling, step, *lender};
  }
  return std::nullopt;
}

/// The first step for which a stage needs inputs.
std::uint32_t first_needed(const StageReport& report, const StageOrder& order) {
  const bool done = order.begin == StageOrder::Begin::goes_on && report.vote == StageReport::Vote::given;
  return order.step + (done ? 1 : 0);
}

/// The first step whose outputs a stage has, or will make again.
std::uint32_t first_offered(const StageReport& report, const StageOrder& order) {
  return order.begin == StageOrder::Begin::goes_on ? report.log_from : order.step;
}

bool is_complete(const StageGrid& grid, const Reports& reports, const std::vector<StageOrder>& orders) {
  for (std::size_t index = 0; index < grid.size(); ++index) {
    for (const std::size_t peer : grid.peers_of(index)) {
      if (first_offered(reports[peer], orders[peer]) > first_needed(reports[index], orders[index])) return false;
    }
  }
  return true;
}

/// Those that hold a state keep it; the others get that of the newest step up to `newest`, or of the one before.
std::optional<std::vector<StageOrder>> try_replay(const StageGrid& grid, const Reports& reports,
                                                  std::uint32_t committed, std::uint32_t newest) {
  const std::uint32_t oldest = committed > 0 ? committed - 1 : 0;
  std::vector<StageOrder> orders;
  for (std::size_t index = 0; index < grid.size(); ++index) {
    const StageReport& report = reports[index];
    if (holds_state(report)) {
      if (report.step < oldest || report.step > committed) return std::nullopt;
      const auto begin = goes_on(report) ? StageOrder::Begin::goes_on : StageOrder::Begin::again;
      orders.push_back({StateSource::memory, report.step, 0, begin});
      continue;
    }
    std::optional<StageOrder> order = find_source(grid, reports, index, newest);
    if (!order && newest > oldest) order = find_source(grid, reports, index, oldest);
    if (!order) return std::nullopt;
    orders.push_back(*order);
  }
  if (!is_complete(grid, reports, orders)) return std::nullopt;
  return orders;
}

std::optional<std::vector<StageOrder>> try_rollback(const StageGrid& grid, const Reports& reports, std::uint32_t step,
                                                    Trust trust) {
  std::vector<StageOrder> orders;
  for (std::size_t index = 0; index < grid.size(); ++index) {
    const std::optional<StageOrder> order = find_source(grid, reports, index, step, trust);
    if (!order) return std::nullopt;
    orders.push_back(*order);
  }
  return orders;
}

}  // namespace

std::vector<std::size_t> StageGrid::peers_of(std::size_t index) const {
  const auto replica = static_cast<std::uint32_t>(index / stages);
  const auto stage = static_cast<std::uint32_t>(index % stages);
  std::vector<std::size_t> peers;
  if (stage > 0) peers.push_back(index - 1);
  if (stage + 1 < stages) peers.push_back(index + 1);
  const bool at_an_end = stages > 1 && (stage == 0 || stage + 1 == stages);
  if (ends == Ends::tied && at_an_end) peers.push_back(this->index(replica, stage == 0 ? stages - 1 : 0));
  for (std::uint32_t other = 0; other < replicas; ++other) {
    if (other != replica) peers.push_back(this->index(other, stage));
  }
  return peers;
}

RecoveryPlan plan_rollback(const StageGrid& grid, const std::vector<StageReport>& reports, std::uint32_t step) {
  if (auto orders = try_rollback(grid, reports, step, Trust::seals)) {
    return {RecoveryPlan::Kind::rollback, step, std::move(*orders)};
  }
  return {};
}

RecoveryPlan plan_recovery(const StageGrid& grid, const std::vector<StageReport>& reports, std::uint32_t committed) {
  using Kind = RecoveryPlan::Kind;
  const std::uint32_t oldest = committed > 0 ? committed - 1 : 0;
  const bool anybody = std::ranges::any_of(reports, holds_state);
  if (grid.sums == StageGrid::Sums::by_messages && anybody) {
    for (const std::uint32_t newest : {committed, oldest}) {
      if (auto orders = try_replay(grid, reports, committed, newest)) {
        return {Kind::replay, committed, std::move(*orders)};
      }
    }
  }
  for (const std::uint32_t step : {committed, oldest}) {  // nobody keeps more than two
    if (auto orders = try_rollback(grid, reports, step, Trust::memory))
      return {Kind::rollback, step, std::move(*orders)};
  }
  return {};
}

}  // namespace troupe::actors
