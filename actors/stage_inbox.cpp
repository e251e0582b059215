#include "actors/stage_inbox.hpp"

#include "runtime/transport/crc32c.hpp"

namespace troupe::actors {

void StageInbox::begin_epoch(std::uint32_t epoch, std::uint32_t since) {
  epoch_ = epoch;
  since_ = since;
  step_ = 0;
  training_ = {};
  evaluation_ = {};
  gradients_.clear();
  seen_.clear();
}

void StageInbox::continue_in(std::uint32_t epoch) {
  epoch_ = epoch;
  evaluation_ = {};
}

void StageInbox::begin_step(std::uint32_t step) {
  step_ = step;
  const auto is_done = [step](const auto& entry) { return entry.first.first < step; };
  for (Pile* each : {&training_, &evaluation_}) {
    std::erase_if(each->inputs, is_done);
    std::erase_if(each->targets, is_done);
  }
  std::erase_if(gradients_, is_done);
  std::erase_if(seen_, [step](const auto& entry) { return entry.first.second.first < step; });
}

bool StageInbox::is_new(const Arrival& arrival, const TensorBytes& bytes) {
  const bool train = arrival.purpose == Purpose::train;
  if (train ? arrival.epoch < since_ : arrival.epoch != epoch_) {
    ++refused_;
    return false;
  }
  if (arrival.key.first < step_) {
    ++repeated_;
    return false;
  }
  if (!train) return true;
  const std::uint32_t sum = runtime::crc32c(bytes.data.bytes());
  const auto [first, is_first] = seen_.try_emplace({arrival.kind, arrival.key}, sum);
  if (is_first) return true;
  ++repeated_;
  if (first->second != sum) {
    const std::string what = arrival.kind == Kind::gradients ? "gradients" : "inputs";
    differences_.push_back(what + " of micro-batch " + std::to_string(arrival.key.second) + " of step " +
                           std::to_string(arrival.key.first + 1));
  }
  return false;
}

bool StageInbox::put(const BatchInputs& message) {
  const Key key{message.step, message.micro_batch};
  if (!is_new({Kind::inputs, message.purpose, message.epoch, key}, message.tokens)) return false;
  pile(message.purpose).inputs.insert_or_assign(key, message.tokens);
  return true;
}

bool StageInbox::put(const BatchTargets& message) {
  const Key key{message.step, message.micro_batch};
  if (!is_new({Kind::targets, message.purpose, message.epoch, key}, message.targets)) return false;
  pile(message.purpose).targets.insert_or_assign(key, message);
  return true;
}

bool StageInbox::put(const ForwardActivations& message) {
  const Key key{message.step, message.micro_batch};
  if (!is_new({Kind::inputs, message.purpose, message.epoch, key}, message.activations)) return false;
  pile(message.purpose).inputs.insert_or_assign(key, message.activations);
  return true;
}

bool StageInbox::put(const BackwardGradients& message) {
  const Key key{message.step, message.micro_batch};
  if (!is_new({Kind::gradients, Purpose::train, message.epoch, key}, message.gradients)) return false;
  gradients_.insert_or_assign(key, message.gradients);
  return true;
}

std::optional<StageInbox::Forward> StageInbox::take_forward(Purpose purpose, std::uint32_t step,
                                                            std::uint32_t micro_batch) {
  Pile& from = pile(purpose);
  const auto input = from.inputs.find({step, micro_batch});
  const auto targets = from.targets.find({step, micro_batch});
  if (input == from.inputs.end() || targets == from.targets.end()) return std::nullopt;
  Forward forward{std::move(input->second), std::move(targets->second)};
  from.inputs.erase(input);
  from.targets.erase(targets);
  return forward;
}

std::optional<TensorBytes> StageInbox::take_backward(std::uint32_t step, std::uint32_t micro_batch) {
  const auto found = gradients_.find({step, micro_batch});
  if (found == gradients_.end()) return std::nullopt;
  TensorBytes gradients = std::move(found->second);
  gradients_.erase(found);
  return gradients;
}

std::optional<std::uint32_t> StageInbox::ready_evaluation(std::uint32_t step) const {
  for (const auto& [key, input] : evaluation_.inputs) {
    if (key.first == step && evaluation_.targets.contains(key)) return key.second;
  }
  return std::nullopt;
}

}  // namespace troupe::actors
