#include "gpt2/stage_plan.hpp"

#include "gpt2/model_bounds.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

double slowest(const ModelConfig& config, const std::vector<std::int64_t>& layers) {
  const double head =
      2.0 * static_cast<double>(config.vocabulary) / static_cast<double>(24 * config.width + 4 * config.context);
  double most = 0.0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    most = std::max(most, static_cast<double>(layers[i]) + (i + 1 == layers.size() ? head : 0.0));
  }
  return most;
}

double best_cut(const ModelConfig& config, std::int64_t left, int stages, std::vector<std::int64_t> chosen) {
  if (stages == 1) {
    chosen.push_back(left);
    return slowest(config, chosen);
  }
  double best = 1e9;
  for (std::int64_t take = 1; take <= left - (stages - 1); ++take) {
    auto longer = chosen;
    longer.push_back(take);
    best = std::min(best, best_cut(config, left - take, stages - 1, longer));
  }
  return best;
}

TEST(StagePlan, PLN1_EveryLayerBelongsToOneStageInOrder) {
  for (std::int64_t layers = 1; layers <= 12; ++layers) {
    for (int stages = 1; stages <= layers; ++stages) {
      std::int64_t reached = 0;
      for (const StageSlice& slice : plan_stages({.layers = layers}, stages)) {
        EXPECT_EQ(slice.first_layer, reached);
        EXPECT_GE(slice.layers(), 1);
        reached = slice.layer_end;
      }
      EXPECT_EQ(reached, layers);
    }
  }
}

TEST(StagePlan, PLN2_NoOtherCutIsFaster) {
  for (const std::int64_t vocabulary : {256, 4096, 20000, 50257}) {
    for (int stages = 1; stages <= 4; ++stages) {
      const ModelConfig config{.layers = 9, .vocabulary = vocabulary};
      std::vector<std::int64_t> layers;
      for (const StageSlice& slice : plan_stages(config, stages)) layers.push_back(slice.layers());
      EXPECT_DOUBLE_EQ(slowest(config, layers), best_cut(config, 9, stages, {})) << vocabulary << " " << stages;
    }
  }
}

TEST(StagePlan, PLN2_TheHeadOfGpt2CostsThreeAndAHalfBlocks) {
  const auto slices = plan_stages(model_size("124M"), 4);
  EXPECT_EQ(slices.back().layers(), 1);
  EXPECT_EQ(slices.front().layers(), 3);
}

TEST(StagePlan, TooManyStagesAreRefusedWithTheNumbers) {
  EXPECT_THROW(
      {
        try {
          plan_stages({}, 9);
        } catch (const std::runtime_error& error) {
          EXPECT_NE(std::string(error.what()).find("layout.stages = 9 but the model has 4 layers"), std::string::npos);
          throw;
        }
      },
      std::runtime_error);
  EXPECT_THROW(plan_stages({}, 0), std::runtime_error);
}

TEST(StagePlan, PLN3_SlotsAreAlignedAndDoNotOverlap) {
  const ModelConfig config{.layers = 3, .heads = 1, .width = 5, .context = 7, .vocabulary = 11};
  for (const StageSlice& slice : plan_stages(config, 2)) {
    const ParameterTable table = parameters_of(config, slice);
    std::int64_t end = 0;
    for (const ParameterInfo& info : table.entries) {
      EXPECT_EQ(info.offset % 16, 0) << info.name;
      EXPECT_GE(info.offset, end) << info.name;
      end = info.offset + info.size;
    }
    EXPECT_LE(end, table.flat_size);
    EXPECT_EQ(table.flat_size % 16, 0);
  }
}

TEST(StagePlan, PLN4_StagesTogetherNameEachParameterOnce) {
  for (const HeadWeights head : {HeadWeights::tied, HeadWeights::untied}) {
    ModelConfig config = model_size("tiny");
    config.head = head;
    const ParameterTable whole = parameters_of(config, plan_stages(config, 1)[0]);
    std::int64_t total = 0;
    for (std::size_t i = 0; i < whole.entries.size(); ++i) {
      EXPECT_EQ(whole.entries[i].canonical, static_cast<std::int64_t>(i));
      total += whole.entries[i].size;
    }
    EXPECT_EQ(total, parameter_count(config));
    std::map<std::string, int> seen;
    for (const StageSlice& slice : plan_stages(config, 4)) {
      for (const ParameterInfo& info : parameters_of(config, slice).entries) {
        const ParameterInfo& same = whole.find(info.name);
        EXPECT_EQ(info.canonical, same.canonical);
        EXPECT_EQ(info.shape, same.shape);
        ++seen[info.name];
      }
    }
    EXPECT_EQ(seen.size(), whole.entries.size());
    for (const auto& [name, count] : seen) {
      EXPECT_EQ(count, name == "wte.weight" && head == HeadWeights::tied ? 2 : 1) << name;
    }
  }
}

TEST(StagePlan, PLN4_Gpt2HasTheTensorsOfItsCheckpoint) {
  const ModelConfig config = model_size("124M");
  const ParameterTable table = parameters_of(config, plan_stages(config, 1)[0]);
  EXPECT_EQ(table.entries.size(), 148U);
  EXPECT_EQ(table.find("h.11.mlp.c_fc.weight").shape, (std::vector<std::int64_t>{768, 3072}));
  EXPECT_EQ(table.find("wpe.weight").decay, Decay::yes);
  EXPECT_EQ(table.find("h.0.ln_1.weight").decay, Decay::no);
  EXPECT_EQ(table.find("h.0.attn.c_attn.bias").decay, Decay::no);
  EXPECT_THROW(table.find("h.12.ln_1.weight"), std::runtime_error);
}

TEST(StagePlan, PLN5_MemoryGrowsWithEachCause) {
  const ModelConfig config = model_size("124M");
  const StageSlice half = plan_stages(config, 2)[0];
  const std::int64_t bytes = bytes_needed(config, half, 4, 2);
  EXPECT_GT(bytes_needed(config, half, 8, 2), bytes);
  EXPECT_GT(bytes_needed(config, half, 4, 3), bytes);
  EXPECT_GT(bytes_needed(config, plan_stages(config, 1)[0], 4, 2), bytes);
  EXPECT_GT(bytes, 4 * 4 * parameters_of(config, half).flat_size);
  const ModelConfig largest{kMostLayers, kMostHeads, kMostWidth, kMostContext, kMostVocabulary, 0.1};
  EXPECT_EQ(bytes_needed(largest, plan_stages(largest, 1)[0], 4'000'000'000, 1000), std::int64_t{1} << 62);
}

}  // namespace
}  // namespace troupe::gpt2
