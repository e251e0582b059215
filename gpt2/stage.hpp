#pragma once

#include "gpt2/config.hpp"
#include "gpt2/gradient_tree.hpp"
#include "gpt2/layers/block.hpp"
#include "gpt2/layers/dropout.hpp"
#include "gpt2/layers/ends.hpp"
#include "gpt2/layers/loss.hpp"
#include "gpt2/layers/torch.hpp"
#include "gpt2/stage_plan.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace troupe::gpt2 {

/// A micro-batch of an optimizer step: its global index within the step, and the ids of its samples in batch order
/// (needed where dropout is on).
struct MicroBatch {
  std::uint32_t step = 0;
  std::uint32_t index = 0;
  std::vector<std::uint64_t> samples;
};

/// The layers of one pipeline stage with hand-written forward and backward passes, fp32. B samples of T tokens; the
/// first stage's input is tokens, int64 (B, T), every other stage's is (B, T, C) floats, and so is every output.
///
/// STG-1  Bitwise the same loss and parameter gradients for any number of stages, schedule and replicas, with dropout
///        too, at equal micro-batches and threads.
/// STG-2  The loss gradient is scaled once, by forward_loss's inverse_valid_tokens; gradients are sums.
/// STG-3  A micro-batch's activations are kept from its forward to its backward and no longer; abort_step drops all.
/// STG-4  evaluate, infer and logits keep nothing and drop nothing.
/// Errors: std::runtime_error for a call out of order (names the micro-batch), c10::Error for shapes.
/// Not for use by two threads at once.
class Stage {
public:
  /// Throws std::runtime_error when validate(config) objects.
  Stage(const ModelConfig& config, const StageSlice& slice, std::uint64_t seed, c10::Device device = c10::kCPU);

  const ModelConfig& config() const { return config_; }
  const StageSlice& slice() const { return slice_; }
  const ParameterTable& parameters() const { return table_; }
  c10::Device device() const { return device_; }

  /// Flat fp32 weights, parameters().flat_size floats; change them in place only, the layers hold views.
  const at::Tensor& weights() const { return weights_; }

  /// Starts a step in which this replica works on micro-batches [first, first + count) of `total`.
  void begin_step(std::uint32_t total, std::uint32_t first, std::uint32_t count);

  /// For all stages but the last: output (B, T, C).
  at::Tensor forward(const MicroBatch& micro_batch, const at::Tensor& input);

  /// For the last stage: targets int64 (B, T), already shifted, kIgnoredTarget where there is none.
  LossSums forward_loss(const MicroBatch& micro_batch, const at::Tensor& input, const at::Tensor& targets,
                        double inverse_valid_tokens);

  /// Gradient of the input (B, T, C), undefined on the first stage, from that of the output.
  at::Tensor backward(std::uint32_t micro_batch, const at::Tensor& output_gradient);
  at::Tensor backward_loss(std::uint32_t micro_batch);

  /// The parameter gradients of the step so far; blocks have parameters().gradient_size floats.
  GradientTree& gradients() { return gradients_; }
  std::vector<GradientBlock> take_gradient_blocks() { return gradients_.take_blocks(); }

  /// Forward only, without dropout: infer for all stages but the last, evaluate for the last.
  at::Tensor infer(const at::Tensor& input) const;
  LossSums evaluate(const at::Tensor& input, const at::Tensor& targets) const;

  /// Logits (B, T, V) of tokens (B, T); only where this stage is the whole model.
  at::Tensor logits(const at::Tensor& tokens) const;

  int kept_micro_batches() const { return static_cast<int>(kept_.size()); }
  void abort_step();

private:
  struct Kept {
    AttentionShape shape{};
    at::Tensor tokens;
    at::Tensor embedding_mask;
    std::vector<BlockKept> blocks;
    std::optional<HeadKept> head;
  };

  AttentionShape shape_of(const at::Tensor& input) const;
  at::Tensor run_training(const MicroBatch& micro_batch, const at::Tensor& input, Kept& kept) const;
  at::Tensor run_inference(const at::Tensor& input) const;
  at::Tensor enter(const at::Tensor& input, const at::Tensor& mask) const;
  at::Tensor mask(const MicroBatch& micro_batch, std::int64_t layer, DropoutSite site,
                  const AttentionShape& shape) const;
  BlockMasks block_masks(const MicroBatch& micro_batch, std::int64_t layer, const AttentionShape& shape) const;
  Kept take_kept(std::uint32_t micro_batch, const char* call);
  at::Tensor finish_backward(std::uint32_t micro_batch, const Kept& kept, at::Tensor gradient,
                             const at::Tensor& flat_gradient);
  HeadWeights2D head_views(const at::Tensor& flat) const;
  void require_end(bool present, const char* call, const char* needed) const;

  ModelConfig config_;
  StageSlice slice_;
  std::uint64_t seed_;
  c10::Device device_;
  ParameterTable table_;
  at::Tensor weights_;
  at::Tensor table_view_;      // (V, C) on the first stage
  at::Tensor position_table_;  // (context, C) on the first stage: a view of the weights, or the fixed sinusoids
  std::vector<BlockWeights> blocks_;
  std::optional<HeadWeights2D> head_;
  std::map<std::uint32_t, Kept> kept_;
  GradientTree gradients_;
};

}  // namespace troupe::gpt2
