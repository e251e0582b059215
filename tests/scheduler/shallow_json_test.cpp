#include "scheduler/shallow_json.hpp"

#include <gtest/gtest.h>

#include <string>

namespace troupe::scheduler {
namespace {

std::string nested(std::size_t levels) {
  return std::string(levels, '[') + std::string(levels, ']');
}

TEST(ShallowJson, SJ1_RefusesDepthAndSurvivesAnyOfIt) {
  EXPECT_TRUE(parse_shallow_json(nested(kMostJsonLevels)).is_array());
  EXPECT_TRUE(parse_shallow_json(nested(kMostJsonLevels + 1)).is_discarded());
  EXPECT_TRUE(parse_shallow_json(nested(200'000)).is_discarded());
  EXPECT_TRUE(parse_shallow_json(R"({"actor":)" + std::string(200'000, '[')).is_discarded());
  EXPECT_TRUE(parse_shallow_json("no json").is_discarded());
}

TEST(ShallowJson, KeepsTheOrderOfFieldsWhereAsked) {
  const auto object = parse_shallow_json<nlohmann::ordered_json>(R"({"b":1,"a":"[[[[[[[[[[["})");
  EXPECT_EQ(object.dump(), R"({"b":1,"a":"[[[[[[[[[[["})");
}

}  // namespace
}  // namespace troupe::scheduler
