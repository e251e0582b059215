#pragma once

#include <cstdint>

namespace troupe::gpt2 {

// Far beyond what anybody trains with this program, and small enough that no count of floats overflows 64 bits.
inline constexpr std::int64_t kMostLayers = 1024;
inline constexpr std::int64_t kMostHeads = 1024;
inline constexpr std::int64_t kMostWidth = 65536;
inline constexpr std::int64_t kMostContext = 65536;
inline constexpr std::int64_t kMostVocabulary = 65536;  // tokens are 16 bits wide

}  // namespace troupe::gpt2
