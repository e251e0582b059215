#include "gpt2/config.hpp"

#include "gpt2/model_bounds.hpp"

#include <array>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

struct Count {
  std::string_view key;
  std::int64_t value;
  std::int64_t most;
};

}  // namespace

ModelConfig model_size(std::string_view name) {
  if (name == "tiny") return {};
  ModelConfig config{.layers = 0, .heads = 0, .width = 0, .context = 1024, .vocabulary = 50257};
  if (name == "124M") {
    config.layers = 12, config.heads = 12, config.width = 768;
  } else if (name == "350M") {
    config.layers = 24, config.heads = 16, config.width = 1024;
  } else if (name == "774M") {
    config.layers = 36, config.heads = 20, config.width = 1280;
  } else if (name == "1558M") {
    config.layers = 48, config.heads = 25, config.width = 1600;
  } else {
    throw std::runtime_error("unknown model size '" + std::string(name) + "': use tiny, 124M, 350M, 774M or 1558M");
  }
  return config;
}

std::int64_t parameter_count(const ModelConfig& config) {
  const std::int64_t width = config.width;
  const std::int64_t block = 12 * width * width + 13 * width;
  const std::int64_t tables = (config.head == HeadWeights::untied ? 2 : 1) * config.vocabulary +
                              (config.positions == Positions::learned ? config.context : 0);
  return tables * width + config.layers * block + 2 * width;
}

std::string validate(const ModelConfig& config) {
  const std::array<Count, 5> counts{{{"layers", config.layers, kMostLayers},
                                     {"heads", config.heads, kMostHeads},
                                     {"width", config.width, kMostWidth},
                                     {"context", config.context, kMostContext},
                                     {"vocabulary", config.vocabulary, kMostVocabulary}}};
  for (const auto& [key, value, most] : counts) {
    if (value >= 1 && value <= most) continue;
    return "model." + std::string(key) + " = " + std::to_string(value) + " must be from 1 to " + std::to_string(most);
  }
  if (config.width % config.heads != 0) {
    return "model.width = " + std::to_string(config.width) +
           " must be a multiple of model.heads = " + std::to_string(config.heads) +
           ": every head gets an equal share of the width";
  }
  if (!(config.dropout >= 0.0 && config.dropout < 1.0)) {
    return "model.dropout = " + std::to_string(config.dropout) + " must be at least 0 and below 1";
  }
  return {};
}

}  // namespace troupe::gpt2
