#include "gpt2/data/data_order.hpp"

#include <bit>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

constexpr unsigned kRounds = 4;

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): each output bit depends on each input bit.
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

}  // namespace

DataOrder::DataOrder(std::uint64_t samples, std::uint64_t seed) : samples_(samples), seed_(seed) {
  if (samples == 0) throw std::runtime_error("a data order needs at least one sample");
  // The smallest even number of bits that holds every index: at most 4 times as many values as samples.
  half_bits_ = (static_cast<unsigned>(std::bit_width(samples - 1)) + 1) / 2;
}

std::uint64_t DataOrder::permute(std::uint64_t index, std::uint64_t epoch) const {
  if (samples_ == 1) return 0;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  const std::uint64_t key = mix(seed_ + 0x9e3779b97f4a7c15ULL * (epoch + 1));
  std::uint64_t value = index;
  do {  // cycle walking: values beyond the samples are permuted again until one is inside
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask;
    for (unsigned round = 0; round < kRounds; ++round) {
      const std::uint64_t next = left ^ (mix(key + right * kRounds + round) & mask);
      left = right;
      right = next;
    }
    value = (left << half_bits_) | right;
  } while (value >= samples_);
  return value;
}

std::uint64_t DataOrder::sample_at(std::uint64_t position) const {
  return permute(position % samples_, position / samples_);
}

std::vector<std::uint64_t> DataOrder::samples(std::uint64_t first, std::uint64_t count) const {
  std::vector<std::uint64_t> list;
  list.reserve(count);
  for (std::uint64_t position = first; position < first + count; ++position) list.push_back(sample_at(position));
  return list;
}

}  // namespace troupe::gpt2
