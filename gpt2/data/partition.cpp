#include "gpt2/data/partition.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "gpt2/data/data_error.hpp"
#include "gpt2/data/data_order.hpp"

namespace troupe::gpt2 {
namespace {

using Items = std::vector<std::uint64_t>;

Items shuffled(const Items& items, std::uint64_t seed) {
  if (items.empty()) return {};
  const DataOrder order(items.size(), seed);
  Items result;
  result.reserve(items.size());
  for (std::uint64_t i = 0; i < items.size(); ++i) result.push_back(items[order.sample_at(i)]);
  return result;
}

std::vector<Items> cut_into_runs(const Items& items, std::uint32_t parts) {
  std::vector<Items> result(parts);
  for (std::uint32_t part = 0; part < parts; ++part) {
    const std::uint64_t begin = items.size() * part / parts;
    const std::uint64_t end = items.size() * (part + 1) / parts;
    result[part].assign(items.begin() + static_cast<std::ptrdiff_t>(begin),
                        items.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return result;
}

std::map<std::string, Items> by_key(const std::vector<std::string>& keys) {
  std::map<std::string, Items> result;
  for (std::uint64_t i = 0; i < keys.size(); ++i) result[keys[i]].push_back(i);
  return result;
}

/// Deals the labels one after the other, each going on where the one before stopped: counts differ by at most one for
/// each label and in all.
std::vector<Items> deal_balanced(const PartitionRequest& request) {
  std::vector<Items> parts(request.parts);
  std::uint64_t next = 0;
  std::uint64_t label_index = 0;
  for (const auto& [label, items] : by_key(request.labels)) {
    for (const std::uint64_t item : shuffled(items, request.seed + label_index))
      parts[next++ % request.parts].push_back(item);
    ++label_index;
  }
  return parts;
}

/// Longest processing time first: each group, largest first, to the smallest part.
std::vector<Items> deal_groups(const PartitionRequest& request) {
  std::vector<Items> groups;
  for (auto& [name, items] : by_key(request.groups)) groups.push_back(std::move(items));
  if (request.mode == PartitionMode::shuffled) {
    Items order(groups.size());
    for (std::uint64_t i = 0; i < order.size(); ++i) order[i] = i;
    std::vector<Items> mixed;
    for (const std::uint64_t i : shuffled(order, request.seed)) mixed.push_back(groups[i]);
    groups = std::move(mixed);
  }
  std::stable_sort(groups.begin(), groups.end(), [](const Items& a, const Items& b) { return a.size() > b.size(); });
  std::vector<Items> parts(request.parts);
  for (const Items& group : groups) {
    auto smallest = std::min_element(parts.begin(), parts.end(),
                                     [](const Items& a, const Items& b) { return a.size() < b.size(); });
    smallest->insert(smallest->end(), group.begin(), group.end());
  }
  return parts;
}

std::vector<Items> deal(const PartitionRequest& request, std::uint64_t count) {
  if (!request.groups.empty()) return deal_groups(request);
  if (request.mode == PartitionMode::balanced) return deal_balanced(request);
  Items items(count);
  for (std::uint64_t i = 0; i < count; ++i) items[i] = i;
  if (request.mode == PartitionMode::shuffled) items = shuffled(items, request.seed);
  if (request.mode != PartitionMode::strided) return cut_into_runs(items, request.parts);
  std::vector<Items> parts(request.parts);
  for (std::uint64_t i = 0; i < count; ++i) parts[i % request.parts].push_back(items[i]);
  return parts;
}

void check(const PartitionRequest& request, std::uint64_t count) {
  if (request.parts == 0) throw DataError("--parts 0: at least one part is needed");
  if (request.parts > count) {
    throw DataError("--parts " + std::to_string(request.parts) + " but only " + std::to_string(count) +
                    " items: parts would be empty");
  }
  if (request.mode == PartitionMode::balanced && request.labels.empty()) {
    throw DataError("--mode balanced needs --labels FILE: one label a line");
  }
  if (request.mode == PartitionMode::balanced && !request.groups.empty()) {
    throw DataError("--mode balanced cannot keep groups together: use sequential or shuffled");
  }
  if (!request.groups.empty() && request.groups.size() != count) {
    throw DataError(std::to_string(request.groups.size()) + " groups for " + std::to_string(count) +
                    " items: every item needs one");
  }
  if (!(request.bound >= 0.0 && request.bound <= 1.0)) throw DataError("--bound is a fraction from 0 to 1");
}

void measure(const PartitionRequest& request, std::uint64_t count, PartitionResult& result) {
  const double mean = static_cast<double>(count) / request.parts;
  for (const Items& part : result.parts) {
    const double deviation = std::abs(static_cast<double>(part.size()) - mean) / mean;
    result.largest_size_deviation = std::max(result.largest_size_deviation, deviation);
  }
  if (request.labels.empty()) return;
  std::vector<std::uint32_t> part_of(count);
  for (std::uint32_t part = 0; part < request.parts; ++part) {
    for (const std::uint64_t item : result.parts[part]) part_of[item] = part;
  }
  for (const auto& [name, items] : by_key(request.labels)) {
    PartitionResult::Label label{name, std::vector<std::uint64_t>(request.parts)};
    for (const std::uint64_t item : items) ++label.counts[part_of[item]];
    for (std::uint32_t part = 0; part < request.parts; ++part) {
      const double share = static_cast<double>(items.size()) / request.parts;
      const double deviation = std::floor(std::abs(static_cast<double>(label.counts[part]) - share));
      result.largest_label_deviation = std::max(result.largest_label_deviation, static_cast<std::uint64_t>(deviation));
    }
    result.labels.push_back(std::move(label));
  }
}

}  // namespace

std::string_view to_string(PartitionMode mode) {
  switch (mode) {
    case PartitionMode::sequential:
      return "sequential";
    case PartitionMode::strided:
      return "strided";
    case PartitionMode::shuffled:
      return "shuffled";
    case PartitionMode::balanced:
      return "balanced";
  }
  return "invalid";
}

PartitionMode parse_partition_mode(std::string_view word) {
  for (const PartitionMode mode :
       {PartitionMode::sequential, PartitionMode::strided, PartitionMode::shuffled, PartitionMode::balanced}) {
    if (to_string(mode) == word) return mode;
  }
  throw DataError("unknown mode \"" + std::string(word) + "\": use sequential, strided, shuffled or balanced");
}

PartitionResult partition(const PartitionRequest& request) {
  const std::uint64_t count = request.labels.empty() ? request.count : request.labels.size();
  check(request, count);
  PartitionResult result;
  result.parts = deal(request, count);
  for (Items& part : result.parts) std::sort(part.begin(), part.end());
  measure(request, count, result);
  if (!request.groups.empty() && result.largest_size_deviation > request.bound) {
    throw DataError("groups cannot be kept together within --bound " + std::to_string(request.bound) +
                    ": the largest deviation would be " + std::to_string(result.largest_size_deviation));
  }
  return result;
}

}  // namespace troupe::gpt2
