#include "runtime/transport/crc32c.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

namespace troupe::runtime {
namespace {

using Bytes = std::vector<std::byte>;

struct KnownAnswer {
  const char* what;
  Bytes bytes;
  std::uint32_t value;
};

Bytes counted(int first, int step) {
  Bytes bytes(32);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(std::exchange(first, first + step));
  return bytes;
}

/// An iSCSI read command, as the RFC prints it.
Bytes read_command() {
  constexpr std::array<int, 48> kBytes = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                          0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                          0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
  Bytes bytes;
  for (const int byte : kBytes) bytes.push_back(static_cast<std::byte>(byte));
  return bytes;
}

Bytes letters(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(Crc32c, CC1_KnownAnswers) {
  const std::vector<KnownAnswer> answers = {{"nothing", {}, 0},
                                            {"32 zeros", Bytes(32), 0x8A9136AA},
                                            {"32 ones", Bytes(32, std::byte{0xFF}), 0x62A8AB43},
                                            {"32 rising", counted(0, 1), 0x46DD794E},
                                            {"32 falling", counted(31, -1), 0x113FDB5C},
                                            {"a read command", read_command(), 0xD9963A56},
                                            {"nine digits", letters("123456789"), 0xE3069283}};
  for (const KnownAnswer& known : answers) {
    EXPECT_EQ(crc32c(known.bytes), known.value) << known.what;
    EXPECT_EQ(crc32c_by_table(known.bytes), known.value) << known.what << ", by table";
  }
}

TEST(Crc32c, CC2_ByHardwareByTableAndInPiecesItIsTheSame) {
  std::mt19937 random(7);
  Bytes bytes(50'000);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  const auto check = [&](std::size_t from, std::size_t size) {
    const std::span<const std::byte> all = std::span(bytes).subspan(from, size);
    const std::uint32_t value = crc32c(all);
    ASSERT_EQ(value, crc32c_by_table(all)) << size << " bytes from " << from;
    const std::size_t cut = size == 0 ? 0 : random() % size;
    ASSERT_EQ(value, crc32c(all.subspan(cut), crc32c(all.first(cut)))) << size << " bytes, cut at " << cut;
    ASSERT_EQ(value, crc32c_by_table(all.subspan(cut), crc32c_by_table(all.first(cut)))) << size << ", " << cut;
  };
  for (std::size_t size = 0; size < 2000; ++size) check(size % 16, size);
  for (int round = 0; round < 200; ++round) check(random() % 64, random() % (bytes.size() - 64));
}

TEST(Crc32c, EveryBitCounts) {
  Bytes bytes = counted(0, 7);
  const std::uint32_t before = crc32c(bytes);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_NE(crc32c(bytes), before) << "bit " << bit;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

}  // namespace
}  // namespace troupe::runtime
