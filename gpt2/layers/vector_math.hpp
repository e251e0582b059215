#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

/// Put before a function whose loops should use the widest vectors of the processor it runs on. With contraction off
/// the versions differ in speed only, never in bits. Off under sanitizers, whose runtime is not up when versions are
/// picked.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TROUPE_WIDEST_VECTORS __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TROUPE_WIDEST_VECTORS
#endif

namespace troupe::gpt2 {

/// exp(x) for vectorized loops: no branch, no call, relative error below 2e-7 in [-87, 88], clamped outside; exactly 0
/// below -104 so that a masked score has no weight. NaN is not kept.
/// VM-1  Within that error of std::exp, and 0 for minus infinity.
inline float vector_exp(float x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;  // Cody and Waite 1980
  constexpr float kRound = 12582912.0F;                                // 1.5 * 2^23: adding it rounds to an integer
  const float clamped = std::min(std::max(x, -87.0F), 88.0F);
  const float shifted = clamped * kLog2E + kRound;
  const float whole = shifted - kRound;
  const float r = (clamped - whole * kLn2High) - whole * kLn2Low;  // in [-ln2 / 2, ln2 / 2]
  float sum = 1.9875691500e-4F;                                    // Cephes expf polynomial
  sum = sum * r + 1.3981999507e-3F;
  sum = sum * r + 8.3334519073e-3F;
  sum = sum * r + 4.1665795894e-2F;
  sum = sum * r + 1.6666665459e-1F;
  sum = sum * r + 5.0000001201e-1F;
  sum = sum * (r * r) + r + 1.0F;
  const auto exponent = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(shifted) << 23);
  const float scaled = std::bit_cast<float>(std::bit_cast<std::int32_t>(sum) + exponent);
  return x < -104.0F ? 0.0F : scaled;
}

}  // namespace troupe::gpt2
