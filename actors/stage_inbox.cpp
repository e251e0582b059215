#include "actors/stage_inbox.hpp"

namespace troupe::actors {

void StageInbox::begin_epoch(std::uint32_t epoch) {
  epoch_ = epoch;
  training_ = {};
  evaluation_ = {};
  gradients_.clear();
}

bool StageInbox::is_current(std::uint32_t epoch) {
  if (epoch == epoch_) return true;
  ++refused_;
  return false;
}

bool StageInbox::put(const BatchInputs& message) {
  if (!is_current(message.epoch)) return false;
  pile(message.purpose).inputs.insert_or_assign({message.step, message.micro_batch}, message.tokens);
  return true;
}

bool StageInbox::put(const BatchTargets& message) {
  if (!is_current(message.epoch)) return false;
  pile(message.purpose).targets.insert_or_assign({message.step, message.micro_batch}, message);
  return true;
}

bool StageInbox::put(const ForwardActivations& message) {
  if (!is_current(message.epoch)) return false;
  pile(message.purpose).inputs.insert_or_assign({message.step, message.micro_batch}, message.activations);
  return true;
}

bool StageInbox::put(const BackwardGradients& message) {
  if (!is_current(message.epoch)) return false;
  gradients_.insert_or_assign({message.step, message.micro_batch}, message.gradients);
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
