#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::gpt2 {

enum class Positions { learned, sinusoidal };
enum class HeadWeights { tied, untied };

/// The shape of a GPT-2 model (Radford et al. 2019). All counts are plain numbers; dropout is a probability.
struct ModelConfig {
  std::int64_t layers = 4;
  std::int64_t heads = 4;
  std::int64_t width = 128;
  std::int64_t context = 64;
  std::int64_t vocabulary = 256;
  double dropout = 0.0;
  Positions positions = Positions::learned;
  HeadWeights head = HeadWeights::tied;

  bool operator==(const ModelConfig&) const = default;
};

/// Named sizes: "tiny" (the default config) and the published "124M", "350M", "774M", "1558M" (context 1024, vocabulary
/// 50257). Throws std::runtime_error that lists the names for any other.
ModelConfig model_size(std::string_view name);

/// Number of trained floats. Tied and learned: V*C + T*C + L*(12*C^2 + 13*C) + 2*C.
/// MC-1  The four published sizes have exactly 124,439,808, 354,823,168, 774,030,080 and 1,557,611,200 parameters.
std::int64_t parameter_count(const ModelConfig& config);

/// Empty when the config can be built, else one sentence naming the key, its value and what would be right.
/// MC-2  Every key out of its range is refused by name.
std::string validate(const ModelConfig& config);

}  // namespace troupe::gpt2
