#include "actors/stage_model.hpp"

#include "actors/device_check.hpp"
#include "actors/device_copy.hpp"
#include "gpt2/initial_weights.hpp"
#include "gpt2/optimizer.hpp"
#include "gpt2/stage.hpp"
#include "gpt2/store/checkpoint.hpp"
#include "gpt2/tied.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>
#include <utility>

namespace troupe::actors {
namespace {

using gpt2::ParameterInfo;

c10::Device device_of(const JobConfig& job, std::uint32_t stage, std::uint32_t replica) {
  const std::string name = place_stages(job)[replica * job.layout.stages + stage];
  require_device(name);
  return c10::Device(name);
}

gpt2::AdamWOptions optimizer_options(const TrainConfig& train) {
  return {train.beta1, train.beta2, 1e-8, train.weight_decay};
}

MicroBatchLoss to_message(std::uint32_t micro_batch, const gpt2::LossSums& sums) {
  return {micro_batch, sums.loss_sum, sums.correct, sums.valid};
}

/// The floats of one parameter inside a flat CPU tensor.
std::span<float> floats(const at::Tensor& flat, const ParameterInfo& info) {
  return {flat.data_ptr<float>() + info.offset, static_cast<std::size_t>(info.size)};
}

}  // namespace

struct StageModel::Parts {
  Parts(const JobConfig& job, std::uint32_t stage, std::uint32_t replica)
      : slice(gpt2::plan_stages(job.model, static_cast<int>(job.layout.stages))[stage]),
        model(job.model, slice, job.train.seed, device_of(job, stage, replica)),
        optimizer(model.parameters(), optimizer_options(job.train), model.device()) {}

  const gpt2::ParameterTable& table() const { return model.parameters(); }
  at::Tensor on_device(const TensorBytes& bytes) const { return to_device(to_tensor(bytes), model.device()); }

  /// A tied copy is saved and counted by the first stage only.
  bool is_copy(const ParameterInfo& info) const { return info.name == "wte.weight" && !slice.has_embedding(); }

  const gpt2::StageSlice slice;
  gpt2::Stage model;
  gpt2::AdamW optimizer;
  StepShare share;
  at::Tensor total;     // (gradient_size), as reduced
  at::Tensor gradient;  // (flat_size), ready for the optimizer
};

StageModel::StageModel(const JobConfig& job, std::uint32_t stage, std::uint32_t replica)
    : job_(job), parts_(std::make_unique<Parts>(job, stage, replica)) {}

StageModel::~StageModel() = default;

void StageModel::load(const std::string& checkpoint) {
  Parts& parts = *parts_;
  abort_step();
  at::Tensor weights = at::zeros({parts.table().flat_size});
  at::Tensor first = at::zeros_like(weights);
  at::Tensor second = at::zeros_like(weights);
  std::int64_t steps = 0;
  if (checkpoint.empty()) {
    for (const ParameterInfo& info : parts.table().entries) {
      gpt2::fill_initial(job_.model, info, job_.train.seed, floats(weights, info));
    }
  } else {
    const gpt2::CheckpointReader reader(checkpoint);
    for (const ParameterInfo& info : parts.table().entries) {
      reader.read(info.name, floats(weights, info));
      reader.read("m." + info.name, floats(first, info));
      reader.read("v." + info.name, floats(second, info));
    }
    steps = static_cast<std::int64_t>(reader.head().updates);
  }
  parts.model.weights().copy_(weights);
  parts.optimizer.first_moment().copy_(first);
  parts.optimizer.second_moment().copy_(second);
  parts.optimizer.set_steps(steps);
}

void StageModel::begin_step(const StepShare& share) {
  parts_->share = share;
  parts_->model.begin_step(share.total, share.first, share.count);
}

TensorBytes StageModel::forward(std::uint32_t micro_batch, const StageInbox::Forward& batch) {
  const gpt2::MicroBatch which{parts_->share.step, micro_batch, batch.targets.samples};
  return to_bytes(parts_->model.forward(which, parts_->on_device(batch.input)));  // (B, T, C)
}

MicroBatchLoss StageModel::forward_loss(std::uint32_t micro_batch, const StageInbox::Forward& batch) {
  const gpt2::MicroBatch which{parts_->share.step, micro_batch, batch.targets.samples};
  const double scale = 1.0 / static_cast<double>(std::max<std::int64_t>(batch.targets.valid_tokens, 1));
  return to_message(micro_batch, parts_->model.forward_loss(which, parts_->on_device(batch.input),
                                                            parts_->on_device(batch.targets.targets), scale));
}

TensorBytes StageModel::backward(std::uint32_t micro_batch, const std::optional<TensorBytes>& output_gradient) {
  const at::Tensor input_gradient = output_gradient
                                        ? parts_->model.backward(micro_batch, parts_->on_device(*output_gradient))
                                        : parts_->model.backward_loss(micro_batch);
  return input_gradient.defined() ? to_bytes(input_gradient) : TensorBytes{};
}

TensorBytes StageModel::infer(const StageInbox::Forward& batch) {
  return to_bytes(parts_->model.infer(parts_->on_device(batch.input)));
}

MicroBatchLoss StageModel::infer_loss(std::uint32_t micro_batch, const StageInbox::Forward& batch) {
  return to_message(micro_batch,
                    parts_->model.evaluate(parts_->on_device(batch.input), parts_->on_device(batch.targets.targets)));
}

Contribution StageModel::take_contribution(std::uint32_t epoch) {
  Contribution contribution{epoch, parts_->share.step, {}, {}};
  for (gpt2::GradientBlock& block : parts_->model.take_gradient_blocks()) {
    contribution.blocks.push_back({block.first, block.count});
    contribution.sums.push_back(std::make_shared<at::Tensor>(std::move(block.sum)));
  }
  return contribution;
}

void StageModel::set_gradient(const at::Tensor& total) {
  if (total.numel() != parts_->table().gradient_size) {
    throw std::runtime_error("a gradient of " + std::to_string(total.numel()) + " floats for a stage of " +
                             std::to_string(parts_->table().gradient_size));
  }
  parts_->total = total.is_cpu() ? to_device(total, parts_->model.device()) : total;
}

void StageModel::damage_gradient(FaultDuty how) {
  parts_->total = parts_->total.clone();  // messages on their way keep what they have
  at::Tensor first = parts_->total.slice(0, 0, 1);
  if (how == FaultDuty::poison) {
    first.fill_(std::numeric_limits<float>::quiet_NaN());
  } else {
    const float value = first.item<float>();
    first.fill_(std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) ^ (1U << 22U)));
  }
}

bool StageModel::is_tied_elsewhere() const {
  return job_.model.head == gpt2::HeadWeights::tied && job_.layout.stages > 1 &&
         (parts_->slice.has_embedding() || parts_->slice.has_head());
}

TensorBytes StageModel::tied_part() const {
  // A copy: the fold below writes into the same memory while the message may still be on its way.
  return to_bytes(gpt2::tied_part(parts_->table(), parts_->total).clone());
}

void StageModel::fold_tied(const std::optional<TensorBytes>& other) {
  const at::Tensor other_part = other ? parts_->on_device(*other) : at::Tensor();
  parts_->gradient = gpt2::fold_tied(parts_->table(), parts_->total, other_part);
}

std::vector<ParameterSquare> StageModel::squares() const {
  const std::vector<double> values = gpt2::parameter_squares(parts_->table(), parts_->gradient);
  std::vector<ParameterSquare> squares;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const ParameterInfo& info = parts_->table().entries[i];
    if (!parts_->is_copy(info)) squares.push_back({info.canonical, values[i]});
  }
  return squares;
}

void StageModel::apply(double learning_rate, double scale) {
  parts_->optimizer.step(parts_->model.weights(), parts_->gradient, learning_rate, scale);
}

TensorBytes StageModel::weights() const {
  return to_bytes(parts_->model.weights().clone());  // a copy: the next update must not change a message on its way
}

TensorBytes StageModel::weights_ahead(double learning_rate, std::uint32_t updates) const {
  return to_bytes(parts_->optimizer.ahead(parts_->model.weights(), learning_rate, updates));
}

void StageModel::set_weights(const TensorBytes& weights) {
  parts_->model.weights().copy_(parts_->on_device(weights));
}

std::size_t StageModel::state_bytes() const {
  return 3 * static_cast<std::size_t>(parts_->table().flat_size) * sizeof(float);
}

void StageModel::copy_state(std::span<std::byte> to) const {
  const std::int64_t count = parts_->table().flat_size;
  auto* floats = reinterpret_cast<float*>(to.data());
  at::from_blob(floats, {count}).copy_(parts_->model.weights());
  at::from_blob(floats + count, {count}).copy_(parts_->optimizer.first_moment());
  at::from_blob(floats + 2 * count, {count}).copy_(parts_->optimizer.second_moment());
}

TensorBytes StageModel::state_part(std::uint32_t part) const {
  if (part == 0) return weights();
  const at::Tensor& moment = part == 1 ? parts_->optimizer.first_moment() : parts_->optimizer.second_moment();
  return to_bytes(moment.clone());  // a copy, as in weights()
}

void StageModel::restore_state(std::span<const std::byte> from, std::uint64_t updates) {
  if (from.size() != state_bytes()) {
    throw std::runtime_error("a state of " + std::to_string(from.size()) + " bytes for a stage of " +
                             std::to_string(state_bytes()));
  }
  abort_step();
  const std::int64_t count = parts_->table().flat_size;
  auto* floats = const_cast<float*>(reinterpret_cast<const float*>(from.data()));  // only read, below
  parts_->model.weights().copy_(at::from_blob(floats, {count}));
  parts_->optimizer.first_moment().copy_(at::from_blob(floats + count, {count}));
  parts_->optimizer.second_moment().copy_(at::from_blob(floats + 2 * count, {count}));
  parts_->optimizer.set_steps(static_cast<std::int64_t>(updates));
}

std::uint64_t StageModel::updates() const {
  return static_cast<std::uint64_t>(parts_->optimizer.steps());
}

void StageModel::abort_step() {
  parts_->model.abort_step();
  parts_->total = at::Tensor();
  parts_->gradient = at::Tensor();
}

StageModel::Saved StageModel::save(const std::string& directory) const {
  const at::Tensor weights = parts_->model.weights().to(at::kCPU);
  const at::Tensor first = parts_->optimizer.first_moment().to(at::kCPU);
  const at::Tensor second = parts_->optimizer.second_moment().to(at::kCPU);
  std::vector<gpt2::NamedTensor> model;
  std::vector<gpt2::NamedTensor> moments;
  for (const ParameterInfo& info : parts_->table().entries) {
    if (parts_->is_copy(info)) continue;
    model.push_back({info.name, info.shape, floats(weights, info)});
    moments.push_back({"m." + info.name, info.shape, floats(first, info)});
    moments.push_back({"v." + info.name, info.shape, floats(second, info)});
  }
  const gpt2::ShardNumber number{parts_->slice.index, parts_->slice.count};
  gpt2::WrittenShard shard = gpt2::write_shard(directory, number, model, moments);
  return {std::move(shard.report), std::move(shard.error)};
}

}  // namespace troupe::actors
