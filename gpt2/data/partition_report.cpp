#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "gpt2/data/partition.hpp"

namespace troupe::gpt2 {
namespace {

template <class... Values>
std::string format(const char* pattern, Values... values) {
  std::array<char, 160> text{};
  const int length = std::snprintf(text.data(), text.size(), pattern, values...);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

std::string partition_table(const PartitionResult& result) {
  std::string table = "part        items";
  for (const PartitionResult::Label& label : result.labels) table += format(" %12.12s", label.name.c_str());
  table += "\n";
  for (std::size_t part = 0; part < result.parts.size(); ++part) {
    const std::size_t size = result.parts[part].size();
    table += format("%-6zu %10zu", part, size);
    for (const PartitionResult::Label& label : result.labels) {
      const double share =
          size == 0 ? 0.0 : 100.0 * static_cast<double>(label.counts[part]) / static_cast<double>(size);
      table += format(" %11.3f%%", share);
    }
    table += "\n";
  }
  table += format("largest deviation of a size from the mean: %.4f %%\n", 100.0 * result.largest_size_deviation);
  if (!result.labels.empty()) {
    table += format("largest deviation of a label from its share: %llu items\n",
                    static_cast<unsigned long long>(result.largest_label_deviation));
  }
  return table;
}

std::string partition_json(const PartitionResult& result) {
  nlohmann::ordered_json json;
  json["sizes"] = nlohmann::ordered_json::array();
  for (const auto& part : result.parts) json["sizes"].push_back(part.size());
  json["labels"] = nlohmann::ordered_json::object();
  for (const PartitionResult::Label& label : result.labels) json["labels"][label.name] = label.counts;
  json["largest_size_deviation"] = result.largest_size_deviation;
  json["largest_label_deviation"] = result.largest_label_deviation;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace troupe::gpt2
