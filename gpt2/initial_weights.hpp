#pragma once

#include "gpt2/config.hpp"
#include "gpt2/stage_plan.hpp"

#include <cstdint>
#include <span>

namespace troupe::gpt2 {

/// Writes a parameter's initial values, `values.size()` == info.size: N(0, 0.02) for matrices and embeddings,
/// N(0, 0.02 / sqrt(2L)) for the two projections into the residual, 1 for layer-norm weights, 0 for biases.
/// IW-1  Values depend on (seed, name) alone, so every layout starts from the same bits and tied copies are equal.
/// Throws std::runtime_error when the sizes differ.
void fill_initial(const ModelConfig& config, const ParameterInfo& info, std::uint64_t seed, std::span<float> values);

}  // namespace troupe::gpt2
