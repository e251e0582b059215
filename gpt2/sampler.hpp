#pragma once

#include "gpt2/stage.hpp"

#include <cstdint>
#include <vector>

namespace troupe::gpt2 {

/// temperature 0 takes the likeliest token always; top_k 0 keeps all tokens; count is the number of new tokens.
struct SamplerOptions {
  double temperature = 1.0;
  std::int64_t top_k = 0;
  std::uint64_t seed = 0;
  std::int64_t count = 100;
};

/// New tokens that follow `prompt`, which must not be empty; beyond the context the oldest tokens are forgotten.
/// SMP-1  Depends on weights, prompt and options alone.
/// SMP-2  temperature 0, or top_k 1, gives the likeliest token at every place.
/// Throws std::runtime_error for an empty prompt, a token outside the vocabulary or a negative option.
std::vector<std::int64_t> generate(const Stage& model, const std::vector<std::int64_t>& prompt,
                                   const SamplerOptions& options);

}  // namespace troupe::gpt2
