#include "gpt2/stage.hpp"

#include "gpt2/initial_weights.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace troupe::gpt2 {
namespace {

at::Tensor initial_weights(const ModelConfig& config, const ParameterTable& table, std::uint64_t seed) {
  at::Tensor flat = at::zeros({table.flat_size}, at::kFloat);
  float* values = flat.mutable_data_ptr<float>();
  for (const ParameterInfo& info : table.entries) {
    fill_initial(config, info, seed, {values + info.offset, static_cast<std::size_t>(info.size)});
  }
  return flat;
}

/// The segment holding the head matrix's gradient: its own slot, or behind the flat gradient where the lookup has it.
at::Tensor head_matrix_view(const ParameterTable& table, const ModelConfig& config, const at::Tensor& flat) {
  const bool tied = config.head == HeadWeights::tied;
  const ParameterInfo& info = table.find(tied ? "wte.weight" : "lm_head.weight");
  const bool is_gradient = flat.numel() > table.flat_size;
  if (tied && is_gradient) return flat.narrow(0, table.head.offset, table.head.size).view(info.shape);
  return parameter_view(flat, info);
}

const ModelConfig& checked(const ModelConfig& config) {
  if (const std::string problem = validate(config); !problem.empty()) throw std::runtime_error(problem);
  return config;
}

}  // namespace

Stage::Stage(const ModelConfig& config, const StageSlice& slice, std::uint64_t seed, c10::Device device)
    : config_(checked(config)),
      slice_(slice),
      seed_(seed),
      device_(device),
      table_(parameters_of(config, slice)),
      weights_(initial_weights(config, table_, seed).to(device)),
      gradients_(table_.gradient_size, device) {
  if (slice_.has_embedding()) {
    table_view_ = parameter_view(weights_, table_.find("wte.weight"));
    position_table_ = config_.positions == Positions::learned
                          ? parameter_view(weights_, table_.find("wpe.weight"))
                          : sinusoidal_positions(config_.context, config_.width).to(device);
  }
  for (std::int64_t layer = slice_.first_layer; layer < slice_.layer_end; ++layer) {
    blocks_.push_back(block_views(table_, weights_, layer));
  }
  if (slice_.has_head()) head_ = head_views(weights_);
}

HeadWeights2D Stage::head_views(const at::Tensor& flat) const {
  return {norm_views(table_, flat, "ln_f"), head_matrix_view(table_, config_, flat)};
}

void Stage::require_end(bool present, const char* call, const char* needed) const {
  if (present) return;
  throw std::runtime_error(std::string(call) + " needs " + needed + ", but this is stage " +
                           std::to_string(slice_.index) + " of " + std::to_string(slice_.count));
}

void Stage::begin_step(std::uint32_t total, std::uint32_t first, std::uint32_t count) {
  if (!kept_.empty()) {
    throw std::runtime_error("a step began while micro-batch " + std::to_string(kept_.begin()->first) +
                             " of the last one still waits for its backward: call abort_step first");
  }
  gradients_.begin(total, first, count);
}

AttentionShape Stage::shape_of(const at::Tensor& input) const {
  const std::int64_t expected = slice_.has_embedding() ? 2 : 3;
  if (input.dim() != expected || input.size(1) > config_.context) {
    throw std::runtime_error("the input of stage " + std::to_string(slice_.index) + " must have " +
                             std::to_string(expected) + " dimensions and at most " + std::to_string(config_.context) +
                             " tokens a sample, not " + std::to_string(input.dim()) + " dimensions and " +
                             std::to_string(input.dim() > 1 ? input.size(1) : 0) + " tokens");
  }
  return {input.size(0), input.size(1), config_.heads, config_.width / config_.heads};
}

at::Tensor Stage::mask(const MicroBatch& micro_batch, std::int64_t layer, DropoutSite site,
                       const AttentionShape& shape) const {
  if (config_.dropout == 0.0) return {};
  if (static_cast<std::int64_t>(micro_batch.samples.size()) != shape.batch) {
    throw std::runtime_error("micro-batch " + std::to_string(micro_batch.index) + " has " +
                             std::to_string(shape.batch) + " rows but " + std::to_string(micro_batch.samples.size()) +
                             " sample ids, which dropout needs");
  }
  const DropoutKey key{seed_, micro_batch.step, static_cast<std::uint32_t>(layer), site};
  if (site == DropoutSite::attention) {
    return dropout_mask(key, micro_batch.samples, {shape.heads, shape.tokens, shape.tokens}, config_.dropout)
        .view({-1, shape.tokens, shape.tokens})
        .to(device_);  // (B*H, T, T)
  }
  return dropout_mask(key, micro_batch.samples, {shape.tokens, config_.width}, config_.dropout)
      .view({-1, config_.width})
      .to(device_);  // (N, C)
}

BlockMasks Stage::block_masks(const MicroBatch& micro_batch, std::int64_t layer, const AttentionShape& shape) const {
  return {mask(micro_batch, layer, DropoutSite::attention, shape),
          mask(micro_batch, layer, DropoutSite::attention_residual, shape),
          mask(micro_batch, layer, DropoutSite::mlp_residual, shape)};
}

at::Tensor Stage::enter(const at::Tensor& input, const at::Tensor& embedding_mask) const {
  if (slice_.has_embedding()) return embed(input, table_view_, position_table_, embedding_mask);  // (N, C)
  return input.reshape({-1, config_.width});                                                      // (N, C)
}

at::Tensor Stage::run_training(const MicroBatch& micro_batch, const at::Tensor& input, Kept& kept) const {
  const at::Tensor placed = input.to(device_);
  kept.shape = shape_of(placed);
  if (slice_.has_embedding()) {
    kept.tokens = placed;
    kept.embedding_mask = mask(micro_batch, 0, DropoutSite::embedding, kept.shape);
  }
  at::Tensor x = enter(placed, kept.embedding_mask);  // (N, C)
  kept.blocks.reserve(blocks_.size());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::int64_t layer = slice_.first_layer + static_cast<std::int64_t>(i);
    BlockForward block = block_forward(x, blocks_[i], kept.shape, block_masks(micro_batch, layer, kept.shape));
    kept.blocks.push_back(std::move(block.kept));
    x = std::move(block.output);
  }
  return x;
}

at::Tensor Stage::forward(const MicroBatch& micro_batch, const at::Tensor& input) {
  const c10::NoGradGuard no_grad;
  require_end(!slice_.has_head(), "forward", "a stage without the head");
  Kept kept;
  const at::Tensor output = run_training(micro_batch, input, kept);
  const AttentionShape shape = kept.shape;
  if (!kept_.emplace(micro_batch.index, std::move(kept)).second) {
    throw std::runtime_error("forward of micro-batch " + std::to_string(micro_batch.index) + " came twice");
  }
  return output.view({shape.batch, shape.tokens, config_.width});
}

LossSums Stage::forward_loss(const MicroBatch& micro_batch, const at::Tensor& input, const at::Tensor& targets,
                             double inverse_valid_tokens) {
  const c10::NoGradGuard no_grad;
  require_end(slice_.has_head(), "forward_loss", "the head");
  Kept kept;
  const at::Tensor x = run_training(micro_batch, input, kept);
  HeadForward head = head_forward(x, targets.to(device_), *head_, inverse_valid_tokens);
  kept.head = std::move(head.kept);
  if (!kept_.emplace(micro_batch.index, std::move(kept)).second) {
    throw std::runtime_error("forward of micro-batch " + std::to_string(micro_batch.index) + " came twice");
  }
  return head.sums;
}

Stage::Kept Stage::take_kept(std::uint32_t micro_batch, const char* call) {
  auto node = kept_.extract(micro_batch);
  if (node.empty()) {
    throw std::runtime_error(std::string(call) + " of micro-batch " + std::to_string(micro_batch) +
                             " without its forward, or twice");
  }
  return std::move(node.mapped());
}

at::Tensor Stage::backward(std::uint32_t micro_batch, const at::Tensor& output_gradient) {
  const c10::NoGradGuard no_grad;
  require_end(!slice_.has_head(), "backward", "a stage without the head");
  const Kept kept = take_kept(micro_batch, "backward");
  return finish_backward(micro_batch, kept, output_gradient.to(device_).reshape({-1, config_.width}),
                         gradients_.buffer());
}

at::Tensor Stage::backward_loss(std::uint32_t micro_batch) {
  const c10::NoGradGuard no_grad;
  require_end(slice_.has_head(), "backward_loss", "the head");
  const Kept kept = take_kept(micro_batch, "backward_loss");
  const at::Tensor flat_gradient = gradients_.buffer();
  const at::Tensor gradient = head_backward(*kept.head, *head_, head_views(flat_gradient));  // (N, C)
  return finish_backward(micro_batch, kept, gradient, flat_gradient);
}

at::Tensor Stage::finish_backward(std::uint32_t micro_batch, const Kept& kept, at::Tensor gradient,
                                  const at::Tensor& flat_gradient) {
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    const BlockWeights views = block_views(table_, flat_gradient, slice_.first_layer + static_cast<std::int64_t>(i));
    gradient = block_backward(gradient, kept.blocks[i], blocks_[i], views, kept.shape);  // (N, C)
  }
  if (slice_.has_embedding()) {
    EmbeddingGradients views{parameter_view(flat_gradient, table_.find("wte.weight")), {}};
    if (config_.positions == Positions::learned) {
      views.positions = parameter_view(flat_gradient, table_.find("wpe.weight"));
    }
    embed_backward(gradient, kept.tokens, kept.embedding_mask, views);
    gradient.reset();
  }
  gradients_.add(micro_batch, flat_gradient);
  return gradient.defined() ? gradient.view({kept.shape.batch, kept.shape.tokens, config_.width}) : gradient;
}

at::Tensor Stage::run_inference(const at::Tensor& input) const {
  const at::Tensor placed = input.to(device_);
  const AttentionShape shape = shape_of(placed);
  at::Tensor x = enter(placed, {});  // (N, C)
  for (const BlockWeights& block : blocks_) x = block_forward(x, block, shape, {}).output;
  return x;
}

at::Tensor Stage::infer(const at::Tensor& input) const {
  const c10::NoGradGuard no_grad;
  require_end(!slice_.has_head(), "infer", "a stage without the head");
  return run_inference(input).view({input.size(0), input.size(1), config_.width});
}

LossSums Stage::evaluate(const at::Tensor& input, const at::Tensor& targets) const {
  const c10::NoGradGuard no_grad;
  require_end(slice_.has_head(), "evaluate", "the head");
  return head_loss(run_inference(input), targets.to(device_), *head_);
}

at::Tensor Stage::logits(const at::Tensor& tokens) const {
  const c10::NoGradGuard no_grad;
  require_end(slice_.has_head() && slice_.has_embedding(), "logits", "the whole model");
  return head_logits(run_inference(tokens), *head_).view({tokens.size(0), tokens.size(1), config_.vocabulary});
}

void Stage::abort_step() {
  kept_.clear();
  gradients_.begin(0, 0, 0);
}

}  // namespace troupe::gpt2
