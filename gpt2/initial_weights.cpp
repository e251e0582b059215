#include "gpt2/initial_weights.hpp"

#include "gpt2/layers/philox.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string_view>

namespace troupe::gpt2 {
namespace {

constexpr double kStandardDeviation = 0.02;  // GPT-2: both embeddings and every linear

std::uint64_t hash_name(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a, 64 bits
  for (const char letter : name) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3u;
  return hash;
}

void fill_normal(std::span<float> values, std::uint64_t key, double deviation) {
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const std::uint64_t block = i / 4;
    const PhiloxCounter words =
        philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0}, philox_key(key));
    // Box-Muller: two uniforms give two normals.
    for (std::size_t pair = 0; pair < 4; pair += 2) {
      const double radius = deviation * std::sqrt(-2.0 * std::log(open_uniform(words[pair])));
      const double angle = 2.0 * std::numbers::pi * open_uniform(words[pair + 1]);
      if (i + pair < values.size()) values[i + pair] = static_cast<float>(radius * std::cos(angle));
      if (i + pair + 1 < values.size()) values[i + pair + 1] = static_cast<float>(radius * std::sin(angle));
    }
  }
}

}  // namespace

void fill_initial(const ModelConfig& config, const ParameterInfo& info, std::uint64_t seed, std::span<float> values) {
  if (static_cast<std::int64_t>(values.size()) != info.size) {
    throw std::runtime_error("parameter '" + info.name + "' has " + std::to_string(info.size) + " values, not " +
                             std::to_string(values.size()));
  }
  if (info.decay == Decay::no) {
    const bool norm_weight = info.name.ends_with(".weight");
    std::fill(values.begin(), values.end(), norm_weight ? 1.0F : 0.0F);
    return;
  }
  const bool residual = info.name.ends_with("c_proj.weight");
  const double scale = residual ? 1.0 / std::sqrt(2.0 * static_cast<double>(config.layers)) : 1.0;
  fill_normal(values, mix_bits(seed ^ mix_bits(hash_name(info.name))), kStandardDeviation * scale);
}

}  // namespace troupe::gpt2
