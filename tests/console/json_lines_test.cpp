#include "console/view/json_lines.hpp"

#include "tests/console/scratch_folder.hpp"

namespace troupe::console {
namespace {

TEST(JsonLines, JL1_TornAndForeignLinesAreLeftOut) {
  const ScratchFolder folder("json_lines");
  folder.write("a.jsonl", "{\"step\":1}\n{\"step\":2,\"lo{\"step\":3}\n\n17\nnoise\n{\"step\":4}\n{\"step\":5,");
  const auto lines = read_json_lines(folder.path() / "a.jsonl");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(integer_of(lines[0], "step"), 1);
  EXPECT_EQ(integer_of(lines[1], "step"), 4);
  EXPECT_TRUE(read_json_lines(folder.path() / "absent.jsonl").empty());
}

TEST(JsonLines, JL1_ALineOfBracketsIsLeftOut) {
  const ScratchFolder folder("json_lines_deep");
  const std::string deep = "{\"step\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}";
  folder.write("a.jsonl", deep + "\n{\"step\":2}\n");
  ASSERT_EQ(read_json_lines(folder.path() / "a.jsonl").size(), 1U);
}

TEST(JsonLines, MembersOfAnotherTypeCountAsAbsent) {
  const nlohmann::json object = {{"text", "a"}, {"real", 1.5}, {"null", nullptr}};
  EXPECT_EQ(text_of(object, "text"), "a");
  EXPECT_EQ(text_of(object, "real", "none"), "none");
  EXPECT_EQ(number_of(object, "real"), 1.5);
  EXPECT_EQ(number_of(object, "null", -1), -1);
  EXPECT_EQ(integer_of(object, "real", -1), -1);
  EXPECT_EQ(integer_of(object, "absent", -1), -1);
}

}  // namespace
}  // namespace troupe::console
