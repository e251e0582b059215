#pragma once

#include <cstdint>
#include <vector>

namespace troupe::gpt2 {

/// In which order the samples of a data set are used. The position in the data is one integer q = 0, 1, 2, ...: epoch
/// q / n, sample perm(seed, epoch)[q % n]. A step takes the next global_batch positions, across the end of an epoch if
/// need be. Nothing is stored: the permutation is a four-round Feistel network with cycle walking (Black and Rogaway,
/// "Ciphers with Arbitrary Finite Domains", 2002).
///
/// DO-1  Within an epoch every sample comes exactly once.
/// DO-2  A pure function of (seed, position): the same on every machine, for any number of replicas, after any restart.
class DataOrder {
public:
  /// `samples` > 0.
  DataOrder(std::uint64_t samples, std::uint64_t seed);

  std::uint64_t sample_at(std::uint64_t position) const;
  std::uint64_t epoch_at(std::uint64_t position) const { return position / samples_; }
  /// Samples at positions [first, first + count).
  std::vector<std::uint64_t> samples(std::uint64_t first, std::uint64_t count) const;

private:
  std::uint64_t permute(std::uint64_t index, std::uint64_t epoch) const;

  std::uint64_t samples_;
  std::uint64_t seed_;
  unsigned half_bits_;
};

}  // namespace troupe::gpt2
