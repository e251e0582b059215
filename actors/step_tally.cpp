#include "actors/step_tally.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

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
  steps_[vote.step].stages.try_emplace({vote.replica, vote.stage}, vote);
}

void StepTally::forget(std::uint32_t replica, std::uint32_t stage) {
  for (auto& [step, votes] : steps_) votes.stages.erase({replica, stage});
}

std::map<std::uint32_t, std::vector<std::string>> StepTally::states_of(const Votes& votes) {
  std::map<std::uint32_t, std::vector<std::string>> digests;
  for (const auto& [place, vote] : votes.stages) digests[place.second].push_back(vote.digest);  // in replica order
  std::erase_if(digests,
                [](const auto& entry) { return std::ranges::find(entry.second, std::string()) != entry.second.end(); });
  return digests;
}

std::optional<std::uint32_t> StepResult::different_stage() const {
  for (const auto& [stage, digests] : states) {
    if (std::ranges::adjacent_find(digests, std::not_equal_to<>()) != digests.end()) return stage;
  }
  return std::nullopt;
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
  std::vector<MicroBatchLoss> losses;
  std::map<std::int64_t, double> all_squares = votes.squares;
  for (const auto& [place, vote] : votes.stages) {
    losses.insert(losses.end(), vote.losses.begin(), vote.losses.end());
    for (const ParameterSquare& square : vote.squares) all_squares.emplace(square.canonical, square.square);
    result.busy_seconds = std::max(result.busy_seconds, vote.busy_seconds);
  }
  result.states = states_of(votes);
  const MicroBatchLoss total = sum_losses(std::move(losses));
  result.loss_sum = total.loss_sum;
  result.correct = total.correct;
  result.valid = total.valid;
  double squares = 0.0;
  for (const auto& [canonical, square] : all_squares) squares += square;
  result.gradient_norm = all_squares.empty() ? votes.async_norm : std::sqrt(squares);
  for (const auto& [replica, staleness] : votes.staleness) result.staleness.push_back(staleness);
  steps_.erase(found);
  return result;
}

}  // namespace troupe::actors
