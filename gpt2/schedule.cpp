#include "gpt2/schedule.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <utility>

namespace troupe::gpt2 {
namespace {

using Done = std::set<std::pair<std::size_t, std::uint32_t>>;  // (stage, micro-batch)

std::string name_of(const Action& action) {
  return (action.kind == ActionKind::forward ? "forward " : "backward ") + std::to_string(action.micro_batch);
}

std::string check_complete(const std::vector<Action>& order, std::size_t stage, MicroBatchRange range) {
  std::set<std::pair<ActionKind, std::uint32_t>> seen;
  for (const Action& action : order) {
    if (action.micro_batch < range.first || action.micro_batch - range.first >= range.count) {
      return "stage " + std::to_string(stage) + ": " + name_of(action) + " is outside the range of this replica";
    }
    if (!seen.insert({action.kind, action.micro_batch}).second) {
      return "stage " + std::to_string(stage) + ": " + name_of(action) + " is there twice";
    }
  }
  if (seen.size() != 2 * static_cast<std::size_t>(range.count)) {
    return "stage " + std::to_string(stage) + ": " + std::to_string(seen.size()) + " actions, but " +
           std::to_string(range.count) + " micro-batches need " + std::to_string(2 * range.count);
  }
  return {};
}

class DryRun {
public:
  explicit DryRun(std::size_t stages) : stages_(stages) {}

  bool ready(std::size_t stage, const Action& action) const {
    if (action.kind == ActionKind::forward) {
      return stage == 0 || forwards_.contains({stage - 1, action.micro_batch});
    }
    const bool own = forwards_.contains({stage, action.micro_batch});
    return own && (stage + 1 == stages_ || backwards_.contains({stage + 1, action.micro_batch}));
  }

  void perform(std::size_t stage, const Action& action) {
    (action.kind == ActionKind::forward ? forwards_ : backwards_).insert({stage, action.micro_batch});
  }

private:
  std::size_t stages_;
  Done forwards_;
  Done backwards_;
};

}  // namespace

std::vector<Action> compile_schedule(Schedule schedule, StageOf position, MicroBatchRange range) {
  if (position.stages < 1 || position.stage < 0 || position.stage >= position.stages) {
    throw std::runtime_error("there is no stage " + std::to_string(position.stage) + " among " +
                             std::to_string(position.stages) + ": stages count from 0");
  }
  const auto warm_up = schedule == Schedule::gpipe
                           ? range.count
                           : std::min(range.count, static_cast<std::uint32_t>(position.stages - position.stage - 1));
  std::vector<Action> order;
  order.reserve(2 * static_cast<std::size_t>(range.count));
  for (std::uint32_t i = 0; i < warm_up; ++i) order.push_back({ActionKind::forward, range.first + i});
  for (std::uint32_t i = 0; i < range.count; ++i) {
    if (warm_up + i < range.count) order.push_back({ActionKind::forward, range.first + warm_up + i});
    order.push_back({ActionKind::backward, range.first + i});
  }
  return order;
}

std::string check_schedule(const std::vector<std::vector<Action>>& orders, MicroBatchRange range) {
  for (std::size_t stage = 0; stage < orders.size(); ++stage) {
    if (std::string problem = check_complete(orders[stage], stage, range); !problem.empty()) return problem;
  }
  DryRun run(orders.size());
  std::vector<std::size_t> next(orders.size(), 0);
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t stage = 0; stage < orders.size(); ++stage) {
      while (next[stage] < orders[stage].size() && run.ready(stage, orders[stage][next[stage]])) {
        run.perform(stage, orders[stage][next[stage]++]);
        moved = true;
      }
    }
  }
  for (std::size_t stage = 0; stage < orders.size(); ++stage) {
    if (next[stage] < orders[stage].size()) {
      return "deadlock: stage " + std::to_string(stage) + " waits for ever at " + name_of(orders[stage][next[stage]]);
    }
  }
  return {};
}

int most_in_flight(const std::vector<Action>& order) {
  int kept = 0;
  int most = 0;
  for (const Action& action : order) {
    kept += action.kind == ActionKind::forward ? 1 : -1;
    most = std::max(most, kept);
  }
  return most;
}

}  // namespace troupe::gpt2
