#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::gpt2 {

/// How items are dealt to parts: sequential (runs), strided (i mod parts), shuffled (a seeded permutation, then runs),
/// balanced (shuffled within each label, then dealt round robin, so that every part has each label's share).
enum class PartitionMode { sequential, strided, shuffled, balanced };

/// Throws DataError that lists the modes for any other word.
PartitionMode parse_partition_mode(std::string_view word);
std::string_view to_string(PartitionMode mode);

struct PartitionRequest {
  std::uint64_t count = 0;          ///< items, when there are no labels
  std::vector<std::string> labels;  ///< one an item; empty = none
  std::vector<std::string> groups;  ///< one an item: items of a group stay together; empty = every item alone
  std::uint32_t parts = 1;
  PartitionMode mode = PartitionMode::shuffled;
  double bound = 0.10;  ///< with groups: how far a part's size may be from the mean, as a fraction
  std::uint64_t seed = 1;
};

struct PartitionResult {
  struct Label {
    std::string name;
    std::vector<std::uint64_t> counts;  ///< by part
  };
  std::vector<std::vector<std::uint64_t>> parts;  ///< item indices, ascending
  std::vector<Label> labels;                      ///< by name
  double largest_size_deviation = 0.0;            ///< of a part's size from the mean, as a fraction of the mean
  std::uint64_t largest_label_deviation = 0;      ///< of a label's count in a part from its share, in whole items
};

/// Deals items to parts.
///
/// PT-1  Every item is in exactly one part.
/// PT-2  Sizes differ by at most one; with groups every size is within `bound` of the mean.
/// PT-3  balanced: each label's count differs by at most one between parts.
/// PT-4  A pure function of the request.
/// Throws DataError with the numbers when it cannot be done: no parts, more parts than items, groups too large
/// for the bound or not one an item, labels needed.
PartitionResult partition(const PartitionRequest& request);

/// As an aligned table, and as one JSON object (without the item lists).
std::string partition_table(const PartitionResult& result);
std::string partition_json(const PartitionResult& result);

}  // namespace troupe::gpt2
