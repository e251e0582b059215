#include "gpt2/config.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace troupe::gpt2 {
namespace {

TEST(Config, MC1_PublishedSizesHaveTheirExactCounts) {
  EXPECT_EQ(parameter_count(model_size("124M")), 124'439'808);
  EXPECT_EQ(parameter_count(model_size("350M")), 354'823'168);
  EXPECT_EQ(parameter_count(model_size("774M")), 774'030'080);
  EXPECT_EQ(parameter_count(model_size("1558M")), 1'557'611'200);
}

TEST(Config, MC1_UntiedHeadAndFixedPositionsChangeTheCountByTheirMatrix) {
  ModelConfig config = model_size("tiny");
  const std::int64_t tied = parameter_count(config);
  config.head = HeadWeights::untied;
  EXPECT_EQ(parameter_count(config), tied + 256 * 128);
  config.positions = Positions::sinusoidal;
  EXPECT_EQ(parameter_count(config), tied + 256 * 128 - 64 * 128);
}

TEST(Config, MC2_EveryKeyOutOfRangeIsNamed) {
  EXPECT_EQ(validate(ModelConfig{}), "");
  EXPECT_NE(validate({.layers = 0}).find("model.layers = 0"), std::string::npos);
  EXPECT_NE(validate({.heads = -1}).find("model.heads = -1"), std::string::npos);
  EXPECT_NE(validate({.width = 0}).find("model.width = 0"), std::string::npos);
  EXPECT_NE(validate({.context = 0}).find("model.context = 0"), std::string::npos);
  EXPECT_NE(validate({.vocabulary = 0}).find("model.vocabulary = 0"), std::string::npos);
  EXPECT_EQ(validate({.width = 2'000'000'000}), "model.width = 2000000000 must be from 1 to 65536");
  EXPECT_NE(validate({.layers = 1025}).find("model.layers = 1025"), std::string::npos);
  EXPECT_NE(validate({.heads = 1025}).find("model.heads = 1025"), std::string::npos);
  EXPECT_NE(validate({.context = 65537}).find("model.context = 65537"), std::string::npos);
  EXPECT_NE(validate({.vocabulary = 65537}).find("model.vocabulary = 65537"), std::string::npos);
  EXPECT_NE(validate({.heads = 3}).find("multiple of model.heads = 3"), std::string::npos);
  EXPECT_NE(validate({.dropout = 1.0}).find("model.dropout"), std::string::npos);
  EXPECT_NE(validate({.dropout = -0.1}).find("model.dropout"), std::string::npos);
}

TEST(Config, UnknownSizeIsRefusedWithTheNames) {
  EXPECT_THROW(model_size("125M"), std::runtime_error);
}

}  // namespace
}  // namespace troupe::gpt2
