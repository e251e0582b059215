#include "actors/step_tally.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::actors {

MicroBatchLoss sum_losses(std::vector<MicroBatchLoss> losses) {
  std::sort(losses.begin(), losses.end(),
            [](const MicroBatchLoss& a, const MicroBatchLoss& b) { return a.micro_batch < b.micro_batch; });
  MicroBatchLoss total;
  for (const MicroBatchLoss& loss : losses) {
    total.loss_sum += loss.loss_sum;
    total.correct += loss.correct;
    total.valid += loss.valid;
  }
  return total;
}

void StepTally::add(const StepVote& vote) {
  Votes& votes = steps_[vote.step];
  if (!votes.stages.emplace(vote.replica, vote.stage).second) return;
  votes.losses.insert(votes.losses.end(), vote.losses.begin(), vote.losses.end());
  for (const ParameterSquare& square : vote.squares) votes.squares.emplace(square.canonical, square.square);
  votes.busy_seconds = std::max(votes.busy_seconds, vote.busy_seconds);
}

void StepTally::add(const ServerVote& vote) {
  Votes& votes = steps_[vote.step];
  if (!votes.owners.insert(0).second) return;
  for (const ParameterSquare& square : vote.squares) votes.squares.emplace(square.canonical, square.square);
}

void StepTally::add(const AsyncApplied& applied) {
  Votes& votes = steps_[applied.step];
  if (!votes.owners.insert(applied.replica).second) return;
  votes.staleness[applied.replica] = applied.staleness;
  // The largest; one that is no number stays.
  const bool stays = std::isnan(votes.async_norm) || applied.gradient_norm <= votes.async_norm;
  if (!stays) votes.async_norm = applied.gradient_norm;
}

std::optional<StepResult> StepTally::take(std::uint32_t step) {
  const auto found = steps_.find(step);
  if (found == steps_.end()) return std::nullopt;
  const Votes& votes = found->second;
  if (votes.stages.size() < stage_votes_ || votes.owners.size() < owner_votes_) return std::nullopt;
  StepResult result;
  const MicroBatchLoss total = sum_losses(votes.losses);
  result.loss_sum = total.loss_sum;
  result.correct = total.correct;
  result.valid = total.valid;
  double squares = 0.0;
  for (const auto& [canonical, square] : votes.squares) squares += square;
  result.gradient_norm = votes.squares.empty() ? votes.async_norm : std::sqrt(squares);
  for (const auto& [replica, staleness] : votes.staleness) result.staleness.push_back(staleness);
  result.busy_seconds = votes.busy_seconds;
  steps_.erase(found);
  return result;
}

}  // namespace troupe::actors
