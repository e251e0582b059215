#include "runtime/transport/crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace troupe::runtime {

namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // its bits from the lowest power up
constexpr std::size_t kByteValues = 256;
constexpr std::size_t kWord = sizeof(std::uint64_t);

using ByteTable = std::array<std::uint32_t, kByteValues>;

// Eight bytes at a time: table k is of a byte that k others follow.
constexpr std::array<ByteTable, kWord> make_slices() {
  std::array<ByteTable, kWord> slices{};
  for (std::uint32_t byte = 0; byte < kByteValues; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1U) != 0 ? kPolynomial : 0);
    slices[0][byte] = value;
  }
  for (std::uint32_t byte = 0; byte < kByteValues; ++byte) {
    for (std::size_t k = 1; k < kWord; ++k) {
      const std::uint32_t before = slices[k - 1][byte];
      slices[k][byte] = (before >> 8) ^ slices[0][before & 0xFFU];
    }
  }
  return slices;
}
constexpr std::array<ByteTable, kWord> kSlices = make_slices();

std::uint64_t word_from(const std::byte* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

std::uint32_t step_by_table(std::uint32_t state, std::byte byte) {
  return (state >> 8) ^ kSlices[0][(state ^ std::to_integer<std::uint32_t>(byte)) & 0xFFU];
}

#if defined(__x86_64__)

// The instruction takes three cycles, and one can begin in each: so three parts of a block go side by side. Each ends
// in a state that began with nothing; to append the next part is to let its length in zeros follow.
constexpr std::size_t kLongPart = 4096;
constexpr std::size_t kShortPart = 256;

using Matrix = std::array<std::uint32_t, 32>;  // column i = what bit i becomes

constexpr std::uint32_t times(const Matrix& matrix, std::uint32_t bits) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < matrix.size(); ++i) sum ^= ((bits >> i) & 1U) != 0 ? matrix[i] : 0;
  return sum;
}

/// What `zeros` bytes of zeros, a power of two, do to a state; a table for each of its bytes.
constexpr std::array<ByteTable, 4> make_shift(std::size_t zeros) {
  Matrix shift{};
  for (std::uint32_t bit = 0; bit < shift.size(); ++bit) {
    std::uint32_t value = 1U << bit;
    for (int step = 0; step < 8; ++step) value = (value >> 1) ^ ((value & 1U) != 0 ? kPolynomial : 0);
    shift[bit] = value;
  }
  for (std::size_t length = 1; length < zeros; length *= 2) {
    Matrix twice{};
    for (std::size_t bit = 0; bit < shift.size(); ++bit) twice[bit] = times(shift, shift[bit]);
    shift = twice;
  }
  std::array<ByteTable, 4> tables{};
  for (std::size_t place = 0; place < tables.size(); ++place) {
    for (std::uint32_t byte = 0; byte < kByteValues; ++byte) {
      tables[place][byte] = times(shift, byte << (8 * static_cast<std::uint32_t>(place)));
    }
  }
  return tables;
}
constexpr std::array<ByteTable, 4> kLongShift = make_shift(kLongPart);
constexpr std::array<ByteTable, 4> kShortShift = make_shift(kShortPart);

std::uint32_t shifted(const std::array<ByteTable, 4>& tables, std::uint64_t state) {
  const auto bits = static_cast<std::uint32_t>(state);
  return tables[0][bits & 0xFFU] ^ tables[1][(bits >> 8) & 0xFFU] ^ tables[2][(bits >> 16) & 0xFFU] ^
         tables[3][bits >> 24];
}

template <std::size_t Part>
__attribute__((target("sse4.2"))) std::uint64_t three_parts(const std::byte* at, std::uint64_t first,
                                                            const std::array<ByteTable, 4>& shift) {
  std::uint64_t second = 0;
  std::uint64_t third = 0;
  for (const std::byte* const end = at + Part; at < end; at += kWord) {
    first = _mm_crc32_u64(first, word_from(at));
    second = _mm_crc32_u64(second, word_from(at + Part));
    third = _mm_crc32_u64(third, word_from(at + 2 * Part));
  }
  return shifted(shift, shifted(shift, first) ^ second) ^ third;
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_hardware(std::span<const std::byte> bytes,
                                                                   std::uint32_t before) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = ~before;
  for (; left >= 3 * kLongPart; at += 3 * kLongPart, left -= 3 * kLongPart) {
    state = three_parts<kLongPart>(at, state, kLongShift);
  }
  for (; left >= 3 * kShortPart; at += 3 * kShortPart, left -= 3 * kShortPart) {
    state = three_parts<kShortPart>(at, state, kShortShift);
  }
  for (; left >= kWord; at += kWord, left -= kWord) state = _mm_crc32_u64(state, word_from(at));
  auto rest = static_cast<std::uint32_t>(state);
  for (; left > 0; ++at, --left) rest = _mm_crc32_u8(rest, std::to_integer<std::uint8_t>(*at));
  return ~rest;
}

#endif

}  // namespace

std::uint32_t crc32c_by_table(std::span<const std::byte> bytes, std::uint32_t before) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint32_t state = ~before;
  for (; left >= kWord; at += kWord, left -= kWord) {
    const std::uint64_t word = word_from(at) ^ state;
    state = 0;
    for (std::size_t k = 0; k < kWord; ++k) state ^= kSlices[kWord - 1 - k][(word >> (8 * k)) & 0xFFU];
  }
  for (; left > 0; ++at, --left) state = step_by_table(state, *at);
  return ~state;
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_by_hardware(bytes, before);
#endif
  return crc32c_by_table(bytes, before);
}

}  // namespace troupe::runtime
