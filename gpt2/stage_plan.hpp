#pragma once

#include "gpt2/config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gpt2 {

/// Layers [first_layer, layer_end) as stage `index` of `count`. The first stage also has the embeddings, the last the
/// final layer norm and the head.
struct StageSlice {
  int index = 0;
  int count = 1;
  std::int64_t first_layer = 0;
  std::int64_t layer_end = 0;

  bool has_embedding() const { return index == 0; }
  bool has_head() const { return index + 1 == count; }
  std::int64_t layers() const { return layer_end - first_layer; }
  bool operator==(const StageSlice&) const = default;
};

/// Cuts the layers into contiguous stages so that the slowest stage is as fast as it can be; the head costs as much as
/// 2V / (24C + 4T) blocks (its and a block's matrix products per token).
/// PLN-1  Every layer belongs to exactly one stage, in order, and every stage has at least one.
/// PLN-2  No other contiguous cut has a cheaper slowest stage.
/// Throws std::runtime_error with the numbers when stages < 1 or stages > layers.
std::vector<StageSlice> plan_stages(const ModelConfig& config, int stages);

enum class Decay { no, yes };

/// One parameter inside a stage's flat buffer. Names, shapes and memory order are those of Hugging Face GPT-2 files
/// (linear weights are (in, out)). offset and size in floats; canonical is the index in the whole model's list.
struct ParameterInfo {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;
  std::int64_t size = 0;
  std::int64_t canonical = 0;
  Decay decay = Decay::no;
};

/// A run of floats in a flat buffer; size 0 means there is none.
struct Segment {
  std::int64_t offset = 0;
  std::int64_t size = 0;
};

/// A stage's parameters.
/// PLN-3  Every offset is a multiple of 16 floats (64 bytes) and the entries do not overlap.
/// PLN-4  The stages' tables together name each parameter of the whole model once, with the same shape and canonical
///       index, except that a tied wte.weight is named by both ends.
struct ParameterTable {
  std::vector<ParameterInfo> entries;
  std::int64_t flat_size = 0;  ///< floats in the flat weights, a multiple of 16
  /// Floats in a flat gradient: flat_size, and behind it the head's V*C accumulator where one slice has both ends of a
  /// tied model.
  std::int64_t gradient_size = 0;
  /// Where the gradient of the tied matrix gathers: what the lookup adds, and what the head adds. In a model of several
  /// stages the first has only the former, the last only the latter, both in the slot of wte.weight.
  Segment lookup;
  Segment head;

  /// Throws std::runtime_error when the stage does not have it.
  const ParameterInfo& find(std::string_view name) const;
  bool contains(std::string_view name) const;
};

ParameterTable parameters_of(const ModelConfig& config, const StageSlice& slice);

/// Name of a parameter of block `layer`, such as layer_parameter(3, "attn.c_attn.weight").
std::string layer_parameter(std::int64_t layer, std::string_view suffix);

/// Estimate of a stage's device memory in bytes with `in_flight` micro-batches of `micro_batch` samples kept: weights,
/// gradient and its partial sums, both moments, and activations. Meant to refuse layouts that cannot fit.
/// PLN-5  Grows with each of micro_batch, in_flight and layers, up to 2^62.
std::int64_t bytes_needed(const ModelConfig& config, const StageSlice& slice, std::int64_t micro_batch, int in_flight);

}  // namespace troupe::gpt2
