#pragma once

#include "gpt2/layers/torch.hpp"

#include <cstdint>
#include <span>

namespace troupe::gpt2 {

enum class DropoutSite : std::uint32_t { embedding = 0, attention = 1, attention_residual = 2, mlp_residual = 3 };

/// With a sample's id this names one mask. layer is the block's index in the whole model, 0 for the embedding.
struct DropoutKey {
  std::uint64_t seed;
  std::uint32_t step;
  std::uint32_t layer;
  DropoutSite site;
};

/// Mask of (samples.size(), shape...) floats on the CPU, each 0 with probability p and else 1 / (1 - p).
/// DM-1  A sample's mask depends on the key and the sample's id alone: not on its place in the batch, on the other
///       samples, or on which stage or replica draws it.
/// DM-2  Masks of different seeds, steps, layers, sites and samples are unrelated.
at::Tensor dropout_mask(const DropoutKey& key, std::span<const std::uint64_t> samples, at::IntArrayRef shape, double p);

}  // namespace troupe::gpt2
