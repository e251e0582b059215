#include "gpt2/stage_plan.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace troupe::gpt2 {
namespace {

constexpr std::int64_t kAlignment = 16;        // floats: 64 bytes, so that kernels see every slot aligned alike
constexpr std::int64_t kBlockParameters = 12;  // entries a block
constexpr double kBytesPerFloat = 4.0;
constexpr double kMostBytes = 0x1p62;

double head_cost(const ModelConfig& config) {
  return 2.0 * static_cast<double>(config.vocabulary) /
         (24.0 * static_cast<double>(config.width) + 4.0 * static_cast<double>(config.context));
}

/// Layers of the last stage that make the slowest stage cheapest; of equals the most, which unloads the others.
std::int64_t layers_of_last_stage(const ModelConfig& config, std::int64_t stages) {
  if (stages == 1) return config.layers;
  const double head = head_cost(config);
  std::int64_t best = 1;
  double best_cost = -1.0;
  for (std::int64_t last = 1; last <= config.layers - (stages - 1); ++last) {
    const std::int64_t others = (config.layers - last + stages - 2) / (stages - 1);
    const double cost = std::max(static_cast<double>(others), static_cast<double>(last) + head);
    if (best_cost < 0.0 || cost <= best_cost) {
      best = last;
      best_cost = cost;
    }
  }
  return best;
}

/// Adds entries one after the other, each at the next aligned offset.
class TableBuilder {
public:
  void add(std::string name, std::vector<std::int64_t> shape, std::int64_t canonical, Decay decay) {
    std::int64_t size = 1;
    for (const std::int64_t extent : shape) size *= extent;
    table_.entries.push_back({std::move(name), std::move(shape), table_.flat_size, size, canonical, decay});
    table_.flat_size += (size + kAlignment - 1) / kAlignment * kAlignment;
  }

  void add_norm(const std::string& name, std::int64_t width, std::int64_t canonical) {
    add(name + ".weight", {width}, canonical, Decay::no);
    add(name + ".bias", {width}, canonical + 1, Decay::no);
  }

  void add_linear(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t canonical) {
    add(name + ".weight", {in, out}, canonical, Decay::yes);
    add(name + ".bias", {out}, canonical + 1, Decay::no);
  }

  void add_block(std::int64_t layer, std::int64_t width, std::int64_t canonical) {
    add_norm(layer_parameter(layer, "ln_1"), width, canonical);
    add_linear(layer_parameter(layer, "attn.c_attn"), width, 3 * width, canonical + 2);
    add_linear(layer_parameter(layer, "attn.c_proj"), width, width, canonical + 4);
    add_norm(layer_parameter(layer, "ln_2"), width, canonical + 6);
    add_linear(layer_parameter(layer, "mlp.c_fc"), width, 4 * width, canonical + 8);
    add_linear(layer_parameter(layer, "mlp.c_proj"), 4 * width, width, canonical + 10);
  }

  ParameterTable table() { return std::move(table_); }

private:
  ParameterTable table_;
};

void mark_tied_segments(ParameterTable& table, const StageSlice& slice) {
  if (!table.contains("wte.weight")) return;
  const ParameterInfo& wte = table.find("wte.weight");
  if (slice.has_embedding()) table.lookup = {wte.offset, wte.size};
  if (!slice.has_head()) return;
  if (slice.has_embedding()) {
    table.head = {table.flat_size, wte.size};
    table.gradient_size += (wte.size + kAlignment - 1) / kAlignment * kAlignment;
  } else {
    table.head = {wte.offset, wte.size};
  }
}

/// Floats a block keeps of one token between forward and backward (see layers/block.hpp).
std::int64_t kept_floats_per_token(const ModelConfig& config) {
  const std::int64_t residual_and_norms = 4 * config.width + 4;
  const std::int64_t attention = 5 * config.width + config.heads;
  const std::int64_t mlp = 8 * config.width;
  const bool masks = config.dropout > 0.0;
  const std::int64_t dropout = masks ? 3 * config.heads * config.context + 2 * config.width : 0;
  return residual_and_norms + attention + mlp + dropout;
}

}  // namespace

std::vector<StageSlice> plan_stages(const ModelConfig& config, int stages) {
  if (stages < 1) throw std::runtime_error("layout.stages = " + std::to_string(stages) + " must be at least 1");
  if (stages > config.layers) {
    throw std::runtime_error("layout.stages = " + std::to_string(stages) + " but the model has " +
                             std::to_string(config.layers) +
                             " layers: every stage needs at least one, so use at most " +
                             std::to_string(config.layers) + " stages or a deeper model");
  }
  const std::int64_t last = layers_of_last_stage(config, stages);
  const std::int64_t others = stages - 1;
  std::vector<StageSlice> slices;
  std::int64_t layer = 0;
  for (int index = 0; index < stages; ++index) {
    std::int64_t layers = last;
    if (index < others) {
      // The remainder goes to later stages: early ones keep more micro-batches.
      const std::int64_t spread = config.layers - last;
      layers = spread / others + (index >= others - spread % others ? 1 : 0);
    }
    slices.push_back({index, stages, layer, layer + layers});
    layer += layers;
  }
  return slices;
}

const ParameterInfo& ParameterTable::find(std::string_view name) const {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.name == name; });
  if (found == entries.end()) {
    throw std::runtime_error("this stage has no parameter '" + std::string(name) + "' among its " +
                             std::to_string(entries.size()));
  }
  return *found;
}

bool ParameterTable::contains(std::string_view name) const {
  return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) { return entry.name == name; });
}

std::string layer_parameter(std::int64_t layer, std::string_view suffix) {
  return "h." + std::to_string(layer) + "." + std::string(suffix);
}

ParameterTable parameters_of(const ModelConfig& config, const StageSlice& slice) {
  const bool learned = config.positions == Positions::learned;
  const bool tied = config.head == HeadWeights::tied;
  const std::int64_t first_block = learned ? 2 : 1;
  const std::int64_t after_blocks = first_block + kBlockParameters * config.layers;
  TableBuilder builder;
  if (slice.has_embedding()) {
    builder.add("wte.weight", {config.vocabulary, config.width}, 0, Decay::yes);
    if (learned) builder.add("wpe.weight", {config.context, config.width}, 1, Decay::yes);
  }
  for (std::int64_t layer = slice.first_layer; layer < slice.layer_end; ++layer) {
    builder.add_block(layer, config.width, first_block + kBlockParameters * layer);
  }
  if (slice.has_head()) {
    builder.add_norm("ln_f", config.width, after_blocks);
    if (!tied) {
      builder.add("lm_head.weight", {config.vocabulary, config.width}, after_blocks + 2, Decay::yes);
    } else if (!slice.has_embedding()) {
      builder.add("wte.weight", {config.vocabulary, config.width}, 0, Decay::yes);
    }
  }
  ParameterTable table = builder.table();
  table.gradient_size = table.flat_size;
  if (tied) mark_tied_segments(table, slice);
  return table;
}

std::int64_t bytes_needed(const ModelConfig& config, const StageSlice& slice, std::int64_t micro_batch, int in_flight) {
  const ParameterTable table = parameters_of(config, slice);
  constexpr std::int64_t kGradientCopies = 4;  // the one being filled, and the open sums of the gradient tree
  const std::int64_t states = 3 * table.flat_size + kGradientCopies * table.gradient_size;
  // The largest layouts that a job can name go beyond 64 bits.
  const double tokens = static_cast<double>(micro_batch) * static_cast<double>(config.context);
  const std::int64_t head = slice.has_head() ? 2 * config.vocabulary + 2 * config.width : 0;
  const std::int64_t kept = slice.layers() * kept_floats_per_token(config) + 2 * config.width + head;
  const std::int64_t working = 12 * config.width + config.heads * config.context;
  const double kept_in_flight = static_cast<double>(kept) * in_flight;
  const double bytes =
      kBytesPerFloat * (static_cast<double>(states) + tokens * (kept_in_flight + static_cast<double>(working)));
  return static_cast<std::int64_t>(std::min(bytes, kMostBytes));
}

}  // namespace troupe::gpt2
