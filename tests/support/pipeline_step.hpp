#pragma once

#include "gpt2/schedule.hpp"
#include "gpt2/stage.hpp"
#include "gpt2/tied.hpp"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace troupe::tests {

/// How a step is spread over stages and replicas.
struct StepLayout {
  int stages = 1;
  int replicas = 1;
  gpt2::Schedule schedule = gpt2::Schedule::one_f_one_b;
};

/// A step's data: tokens and targets (M, B, T), M micro-batches in global order.
struct StepData {
  at::Tensor tokens;
  at::Tensor targets;
  std::uint32_t step = 0;

  std::uint32_t micro_batches() const { return static_cast<std::uint32_t>(tokens.size(0)); }
  double inverse_valid_tokens() const { return 1.0 / targets.ne(gpt2::kIgnoredTarget).sum().item<double>(); }
  gpt2::MicroBatch micro_batch(std::uint32_t index) const {
    gpt2::MicroBatch batch{step, index, {}};
    for (std::int64_t row = 0; row < tokens.size(1); ++row) {
      batch.samples.push_back(1000U * index + static_cast<std::uint64_t>(row));
    }
    return batch;
  }
};

inline StepData random_step(const gpt2::ModelConfig& config, std::int64_t micro_batches, std::int64_t rows) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(7);
  const std::vector<std::int64_t> shape{micro_batches, rows, config.context};
  at::Tensor targets = at::randint(0, config.vocabulary, shape, generator, at::kLong);
  targets.select(2, 0).fill_(gpt2::kIgnoredTarget);
  return {at::randint(0, config.vocabulary, shape, generator, at::kLong), targets, 3};
}

/// What a step leaves: sums over the micro-batches in global order, and each parameter's complete gradient.
struct StepResult {
  gpt2::LossSums sums;
  std::map<std::string, at::Tensor> gradients;
  int most_kept = 0;
};

/// Runs one replica's stages in one thread, each in its scheduled order, handing tensors over as the actors do.
class ReplicaRun {
public:
  ReplicaRun(std::vector<std::unique_ptr<gpt2::Stage>>& stages, const StepData& data, gpt2::MicroBatchRange range)
      : stages_(stages), data_(data), range_(range) {}

  std::map<std::uint32_t, gpt2::LossSums> run(gpt2::Schedule schedule) {
    const int count = static_cast<int>(stages_.size());
    std::vector<std::vector<gpt2::Action>> orders;
    for (int stage = 0; stage < count; ++stage) {
      orders.push_back(gpt2::compile_schedule(schedule, {stage, count}, range_));
      stages_[static_cast<std::size_t>(stage)]->begin_step(data_.micro_batches(), range_.first, range_.count);
    }
    std::vector<std::size_t> next(orders.size(), 0);
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t stage = 0; stage < orders.size(); ++stage) {
        while (next[stage] < orders[stage].size() && perform(stage, orders[stage][next[stage]])) {
          ++next[stage];
          moved = true;
          most_kept_ = std::max(most_kept_, stages_[stage]->kept_micro_batches());
        }
      }
    }
    for (std::size_t stage = 0; stage < orders.size(); ++stage) {
      if (next[stage] != orders[stage].size()) throw std::runtime_error("the schedule did not finish");
    }
    return sums_;
  }

  int most_kept() const { return most_kept_; }

private:
  using Place = std::pair<std::size_t, std::uint32_t>;

  bool perform(std::size_t stage, const gpt2::Action& action) {
    return action.kind == gpt2::ActionKind::forward ? forward(stage, action.micro_batch)
                                                    : backward(stage, action.micro_batch);
  }

  bool forward(std::size_t stage, std::uint32_t index) {
    at::Tensor input = data_.tokens[index];
    if (stage > 0) {
      auto node = activations_.extract({stage, index});
      if (node.empty()) return false;
      input = node.mapped();
    }
    const gpt2::MicroBatch batch = data_.micro_batch(index);
    if (stage + 1 < stages_.size()) {
      activations_[{stage + 1, index}] = stages_[stage]->forward(batch, input);
    } else {
      sums_[index] = stages_[stage]->forward_loss(batch, input, data_.targets[index], data_.inverse_valid_tokens());
    }
    return true;
  }

  bool backward(std::size_t stage, std::uint32_t index) {
    at::Tensor gradient;
    if (stage + 1 < stages_.size()) {
      auto node = gradients_.extract({stage, index});
      if (node.empty()) return false;
      gradient = stages_[stage]->backward(index, node.mapped());
    } else {
      gradient = stages_[stage]->backward_loss(index);
    }
    if (stage > 0) gradients_[{stage - 1, index}] = gradient;
    return true;
  }

  std::vector<std::unique_ptr<gpt2::Stage>>& stages_;
  const StepData& data_;
  gpt2::MicroBatchRange range_;
  std::map<Place, at::Tensor> activations_;
  std::map<Place, at::Tensor> gradients_;
  std::map<std::uint32_t, gpt2::LossSums> sums_;
  int most_kept_ = 0;
};

inline StepResult run_step(const gpt2::ModelConfig& config, const StepLayout& layout, const StepData& data,
                           std::uint64_t seed) {
  const auto slices = gpt2::plan_stages(config, layout.stages);
  std::vector<std::vector<gpt2::GradientBlock>> blocks(slices.size());
  std::vector<gpt2::ParameterTable> tables(slices.size());
  std::map<std::uint32_t, gpt2::LossSums> sums;
  StepResult result;
  const std::uint32_t total = data.micro_batches();
  const auto replicas = static_cast<std::uint32_t>(layout.replicas);
  for (std::uint32_t replica = 0; replica < replicas; ++replica) {
    std::vector<std::unique_ptr<gpt2::Stage>> stages;
    for (const auto& slice : slices) stages.push_back(std::make_unique<gpt2::Stage>(config, slice, seed));
    const std::uint32_t first = total * replica / replicas;
    ReplicaRun run(stages, data, {first, total * (replica + 1) / replicas - first});
    sums.merge(run.run(layout.schedule));
    result.most_kept = std::max(result.most_kept, run.most_kept());
    for (std::size_t i = 0; i < slices.size(); ++i) {
      tables[i] = stages[i]->parameters();
      for (auto& block : stages[i]->take_gradient_blocks()) blocks[i].push_back(std::move(block));
    }
  }
  for (const auto& [index, part] : sums) result.sums += part;
  std::vector<at::Tensor> flat;
  for (auto& stage_blocks : blocks) flat.push_back(gpt2::combine_blocks(std::move(stage_blocks), total));
  std::vector<at::Tensor> parts;
  for (std::size_t i = 0; i < flat.size(); ++i) {
    const at::Tensor part = gpt2::tied_part(tables[i], flat[i]);
    parts.push_back(part.defined() ? part.clone() : part);
  }
  for (std::size_t i = 0; i < flat.size(); ++i) {
    const at::Tensor ready = gpt2::fold_tied(tables[i], flat[i], i == 0 ? parts.back() : parts.front());
    for (const auto& info : tables[i].entries) {
      const std::string copy = result.gradients.contains(info.name) ? " (copy)" : "";
      result.gradients[info.name + copy] = gpt2::parameter_view(ready, info);
    }
  }
  return result;
}

}  // namespace troupe::tests
