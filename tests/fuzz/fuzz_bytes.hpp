#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace troupe::runtime {

/// Takes values off the front of hostile bytes; what is not there reads as zeros and nothing.
class FuzzBytes {
public:
  explicit FuzzBytes(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool is_empty() const { return bytes_.empty(); }
  [[nodiscard]] std::uint8_t byte() {
    const std::span<const std::byte> one = take(1);
    return one.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(one[0]);
  }
  [[nodiscard]] std::uint16_t word() {
    const unsigned low = byte();
    return static_cast<std::uint16_t>(low | (static_cast<unsigned>(byte()) << 8));
  }
  [[nodiscard]] std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 8) value |= static_cast<std::uint64_t>(byte()) << shift;
    return value;
  }
  [[nodiscard]] std::span<const std::byte> take(std::size_t most) {
    const std::span<const std::byte> taken = bytes_.first(std::min(most, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  [[nodiscard]] std::span<const std::byte> rest() { return take(bytes_.size()); }

private:
  std::span<const std::byte> bytes_;
};

[[nodiscard]] inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace troupe::runtime
