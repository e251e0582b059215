#include "gpt2/initial_weights.hpp"

#include "gpt2/layers/philox.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>
#include <vector>

namespace troupe::gpt2 {
namespace {

std::vector<float> values_of(const ModelConfig& config, const ParameterTable& table, std::string_view name) {
  const ParameterInfo& info = table.find(name);
  std::vector<float> values(static_cast<std::size_t>(info.size));
  fill_initial(config, info, 42, values);
  return values;
}

double deviation(const std::vector<float>& values) {
  double sum = 0.0, squares = 0.0;
  for (const double value : values) sum += value, squares += value * value;
  const double mean = sum / static_cast<double>(values.size());
  EXPECT_NEAR(mean, 0.0, 3e-4);
  return std::sqrt(squares / static_cast<double>(values.size()) - mean * mean);
}

TEST(InitialWeights, PX1_KnownAnswersOfRandom123) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(InitialWeights, MatricesHaveGpt2sDeviations) {
  const ModelConfig config = model_size("tiny");
  const ParameterTable table = parameters_of(config, plan_stages(config, 1)[0]);
  EXPECT_NEAR(deviation(values_of(config, table, "wte.weight")), 0.02, 3e-4);
  EXPECT_NEAR(deviation(values_of(config, table, "h.1.mlp.c_fc.weight")), 0.02, 3e-4);
  EXPECT_NEAR(deviation(values_of(config, table, "h.1.mlp.c_proj.weight")), 0.02 / std::sqrt(8.0), 3e-4);
  EXPECT_NEAR(deviation(values_of(config, table, "h.3.attn.c_proj.weight")), 0.02 / std::sqrt(8.0), 3e-4);
  for (const float one : values_of(config, table, "ln_f.weight")) EXPECT_EQ(one, 1.0F);
  for (const float zero : values_of(config, table, "h.0.ln_2.bias")) EXPECT_EQ(zero, 0.0F);
}

TEST(InitialWeights, IW1_ValuesDoNotDependOnTheLayout) {
  const ModelConfig config = model_size("tiny");
  const ParameterTable whole = parameters_of(config, plan_stages(config, 1)[0]);
  for (const StageSlice& slice : plan_stages(config, 4)) {
    const ParameterTable table = parameters_of(config, slice);
    for (const ParameterInfo& info : table.entries) {
      EXPECT_EQ(values_of(config, table, info.name), values_of(config, whole, info.name)) << info.name;
    }
  }
  EXPECT_NE(values_of(config, whole, "h.0.mlp.c_fc.weight"), values_of(config, whole, "h.1.mlp.c_fc.weight"));
}

TEST(InitialWeights, AWrongSizeIsRefused) {
  const ModelConfig config = model_size("tiny");
  const ParameterTable table = parameters_of(config, plan_stages(config, 1)[0]);
  std::vector<float> values(3);
  EXPECT_THROW(fill_initial(config, table.entries[0], 1, values), std::runtime_error);
}

}  // namespace
}  // namespace troupe::gpt2
