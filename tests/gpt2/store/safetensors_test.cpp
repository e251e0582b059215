#include "gpt2/store/safetensors.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <random>

namespace troupe::gpt2 {
namespace {

const std::vector<float> kFirst{1, 2, 3, 4, 5, 6};
const std::vector<float> kSecond{-1, 0.5};

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + header + data;
}

std::string tensor(const std::string& name, const std::string& shape, int begin, int end) {
  return "\"" + name + R"(":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[)" + std::to_string(begin) + "," +
         std::to_string(end) + "]}";
}

/// The StorageError's text, or "accepted".
std::string safetensors_refusal(const std::string& content) {
  const test::TemporaryFolder folder;
  try {
    const SafetensorsFile file(folder.write("weights.safetensors", content));
  } catch (const StorageError& error) {
    EXPECT_NE(std::string(error.what()).find("weights.safetensors"), std::string::npos) << error.what();
    return error.what();
  }
  return "accepted";
}

TEST(Safetensors, ReadsWhatWasWritten) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "weights.safetensors";
  const std::vector<NamedTensor> tensors{{"wte.weight", {2, 3}, kFirst}, {"ln_f.bias", {2}, kSecond}};
  ASSERT_EQ(write_safetensors(path, tensors, {{"format", "pt"}}), "");
  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  ASSERT_EQ(file.entries().size(), 2U);
  EXPECT_EQ(file.entries().at("wte.weight").shape, (std::vector<std::int64_t>{2, 3}));
  std::vector<float> values(6);
  file.read("wte.weight", values);
  EXPECT_EQ(values, kFirst);
  EXPECT_THROW(file.read("ln_f.bias", values), StorageError) << "another size";
  EXPECT_THROW(file.read("nothing", values), StorageError);
}

TEST(Safetensors, SF1_RefusesWhatDoesNotFit) {
  const std::string data(32, 'x');
  ASSERT_EQ(safetensors_refusal(file_of("{" + tensor("a", "[8]", 0, 32) + "}", data)), "accepted");
  EXPECT_NE(safetensors_refusal(""), "accepted");
  EXPECT_NE(safetensors_refusal("1234567"), "accepted");
  EXPECT_NE(safetensors_refusal(file_of("{" + tensor("a", "[8]", 0, 32) + "}", data.substr(1))), "accepted")
      << "outside";
  EXPECT_NE(safetensors_refusal(file_of("{" + tensor("a", "[7]", 0, 32) + "}", data)), "accepted") << "shape and size";
  EXPECT_NE(safetensors_refusal(file_of("{" + tensor("a", "[4611686018427387904,4]", 0, 32) + "}", data)), "accepted");
  EXPECT_NE(safetensors_refusal(file_of("{" + tensor("a", "[-8]", 0, 32) + "}", data)), "accepted");
  EXPECT_NE(
      safetensors_refusal(file_of("{" + tensor("a", "[5]", 0, 20) + "," + tensor("b", "[4]", 16, 32) + "}", data)),
      "accepted")
      << "overlap";
  EXPECT_NE(
      safetensors_refusal(file_of("{" + tensor("a", "[3]", 0, 12) + "," + tensor("b", "[4]", 16, 32) + "}", data)),
      "accepted")
      << "hole";
  EXPECT_NE(safetensors_refusal(file_of("{" + tensor("a", "[8]", 32, 0) + "}", data)), "accepted") << "backwards";
  EXPECT_NE(safetensors_refusal(file_of("[]", data)), "accepted");
  EXPECT_NE(safetensors_refusal(file_of("{", data)), "accepted");
  const std::string deep = R"({"a":{"dtype":"F32","shape":)" + std::string(200'000, '[');
  EXPECT_NE(safetensors_refusal(file_of(deep + std::string(200'000, ']') + R"(,"data_offsets":[0,32]}})", data))
                .find("at offset 42: more than 8 levels"),
            std::string::npos)
      << safetensors_refusal(file_of(deep, data));
  std::string endless = file_of("{}", "");
  endless[7] = 0x7f;
  EXPECT_NE(safetensors_refusal(endless).find("header of"), std::string::npos);
}

TEST(Safetensors, SF1_NoFlippedByteOfTheHeaderCrashesTheReader) {
  const std::string good = file_of("{" + tensor("a", "[8]", 0, 32) + "}", std::string(32, 'x'));
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bad = good;
    bad[random() % (good.size() - 32)] = static_cast<char>(random());
    (void)safetensors_refusal(bad);  // accepted or refused, in words
  }
}

}  // namespace
}  // namespace troupe::gpt2
