#include "gpt2/layers/dropout.hpp"

#include "gpt2/layers/philox.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace troupe::gpt2 {
namespace {

struct Levels {
  std::uint32_t threshold;  // words below it drop
  float keep;
};

/// A word of 32 bits cannot drop more often than all values but one: beyond that the threshold would wrap to 0.
Levels levels_of(double p) {
  const double share = std::min(p, 1.0 - 0x1p-32);
  return {static_cast<std::uint32_t>(std::llround(share * 0x1p32)), static_cast<float>(1.0 / (1.0 - share))};
}

/// Words of one counter block each: the loop over blocks has no dependence, so it vectorizes.
void fill_sample(std::span<float> mask, PhiloxKey key, PhiloxCounter first, Levels levels) {
  constexpr std::size_t kLanes = 16;
  for (std::size_t start = 0; start < mask.size(); start += 4 * kLanes) {
    std::uint32_t words[4 * kLanes];
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const auto block = static_cast<std::uint32_t>(start / 4 + lane);
      const PhiloxCounter four = philox({block, first[1], first[2], first[3]}, key);
      for (std::size_t i = 0; i < 4; ++i) words[4 * lane + i] = four[i];
    }
    const std::size_t count = std::min(mask.size() - start, 4 * kLanes);
    for (std::size_t i = 0; i < count; ++i) mask[start + i] = words[i] < levels.threshold ? 0.0F : levels.keep;
  }
}

}  // namespace

at::Tensor dropout_mask(const DropoutKey& key, std::span<const std::uint64_t> samples, at::IntArrayRef shape,
                        double p) {
  std::vector<std::int64_t> sizes{static_cast<std::int64_t>(samples.size())};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  at::Tensor mask = at::empty(sizes, at::kFloat);
  const Levels levels = levels_of(p);
  const PhiloxKey philox_words = philox_key(mix_bits(key.seed) ^ key.step);
  const std::uint32_t place = (key.layer << 2) | static_cast<std::uint32_t>(key.site);
  const std::size_t per_sample = samples.empty() ? 0 : static_cast<std::size_t>(mask.numel()) / samples.size();
  const std::span<float> values(mask.mutable_data_ptr<float>(), static_cast<std::size_t>(mask.numel()));
  at::parallel_for(0, static_cast<std::int64_t>(samples.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const PhiloxCounter first{0, static_cast<std::uint32_t>(samples[i]), static_cast<std::uint32_t>(samples[i] >> 32),
                                place};
      fill_sample(values.subspan(i * per_sample, per_sample), philox_words, first, levels);
    }
  });
  return mask;
}

}  // namespace troupe::gpt2
