#include "gpt2/data/dataset.hpp"

#include "gpt2/data/data_error.hpp"
#include "gpt2/data/token_file.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace troupe::gpt2 {
namespace {

class DatasetFiles {
public:
  [[nodiscard]] Dataset open(const std::string& text, DataFormat format, std::int64_t context, double held_out) const {
    const auto path = folder_.write("data", text);
    return Dataset({path, format, context, held_out}, *make_byte_tokenizer());
  }
  [[nodiscard]] std::string refusal(const std::string& text, DataFormat format = DataFormat::stream) const {
    try {
      (void)open(text, format, 4, 0.0);
    } catch (const DataError& error) {
      return error.what();
    }
    return "accepted";
  }

private:
  test::TemporaryFolder folder_;
};

std::string alphabet(std::size_t length) {
  std::string text;
  for (std::size_t i = 0; i < length; ++i) text += static_cast<char>('a' + i % 26);
  return text;
}

std::vector<std::uint64_t> first(std::uint64_t count) {
  std::vector<std::uint64_t> samples(count);
  std::iota(samples.begin(), samples.end(), 0U);
  return samples;
}

TEST(Dataset, DS1_TrainingAndValidationAreAllAndDoNotOverlap) {
  const DatasetFiles files;
  const std::string text = alphabet(101);  // 25 windows of 4 tokens and the target behind them
  const Dataset data = files.open(text, DataFormat::stream, 4, 0.2);
  ASSERT_EQ(data.samples(Split::training), 20U);
  ASSERT_EQ(data.samples(Split::validation), 5U);
  std::string joined;
  for (const Split split : {Split::training, Split::validation}) {
    for (const std::int64_t token : data.batch(split, first(data.samples(split))).inputs) {
      joined += static_cast<char>(token);
    }
  }
  EXPECT_EQ(joined, text.substr(0, 100));
}

TEST(Dataset, DS1_ValidationIsRoundedUp) {
  const DatasetFiles files;
  EXPECT_EQ(files.open(alphabet(101), DataFormat::stream, 4, 0.01).samples(Split::validation), 1U);
  EXPECT_EQ(files.open(alphabet(101), DataFormat::stream, 4, 0.0).samples(Split::validation), 0U);
}

TEST(Dataset, DS2_ASampleIsTheSameInEveryBatch) {
  const DatasetFiles files;
  const Dataset data = files.open(alphabet(200), DataFormat::stream, 4, 0.1);
  const Batch alone = data.batch(Split::training, std::vector<std::uint64_t>{7});
  const Batch together = data.batch(Split::training, std::vector<std::uint64_t>{3, 7, 7});
  EXPECT_EQ(alone.inputs, std::vector<std::int64_t>(together.inputs.begin() + 4, together.inputs.begin() + 8));
  EXPECT_EQ(alone.targets, std::vector<std::int64_t>(together.targets.begin() + 8, together.targets.end()));
  EXPECT_EQ(together.rows, 3);
}

TEST(Dataset, TargetsAreShiftedByOne) {
  const DatasetFiles files;
  const Batch batch = files.open("abcdefghi", DataFormat::stream, 4, 0.0).batch(Split::training, first(2));
  EXPECT_EQ(batch.inputs, (std::vector<std::int64_t>{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}));
  EXPECT_EQ(batch.targets, (std::vector<std::int64_t>{'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'}));
  EXPECT_EQ(batch.valid_tokens, 8);
}

TEST(Dataset, LinesArePaddedOrCut) {
  const DatasetFiles files;
  const Dataset data = files.open("ab\n\nabcdefgh\n", DataFormat::lines, 4, 0.0);
  ASSERT_EQ(data.samples(Split::training), 2U) << "empty lines are left out";
  const Batch batch = data.batch(Split::training, first(2));
  const std::int64_t none = kPaddingTarget;
  EXPECT_EQ(batch.targets, (std::vector<std::int64_t>{'b', '\n', none, none, 'b', 'c', 'd', 'e'}));
  EXPECT_EQ(batch.valid_tokens, 6);
  EXPECT_EQ(data.valid_tokens(Split::training, std::vector<std::uint64_t>{0}), 2);
}

TEST(Dataset, ATokenFileGivesTheSamplesOfItsText) {
  const test::TemporaryFolder folder;
  const auto tokenizer = make_byte_tokenizer();
  const std::string text = alphabet(50);
  const Dataset plain({folder.write("text", text), DataFormat::stream, 4, 0.1}, *tokenizer);
  const std::string bytes = token_file_bytes({"bytes", 256, 0}, tokenizer->encode(text));
  const Dataset tokens({folder.write("tokens", bytes), DataFormat::stream, 4, 0.1}, *tokenizer);
  ASSERT_EQ(tokens.samples(Split::training), plain.samples(Split::training));
  const auto all = first(plain.samples(Split::training));
  EXPECT_EQ(tokens.batch(Split::training, all).targets, plain.batch(Split::training, all).targets);
}

TEST(Dataset, ATokenFileThatLiesOfItselfIsRefused) {
  const DatasetFiles files;
  const std::vector<TokenId> lines{'a', 'b', '\n', 'c', '\n'};
  const auto lines_refusal = [&](const TokenFileHead& head, const std::vector<TokenId>& tokens) {
    return files.refusal(token_file_bytes(head, tokens), DataFormat::lines);
  };
  ASSERT_EQ(lines_refusal({"bytes", 256, 2}, lines), "accepted");
  EXPECT_NE(lines_refusal({"bytes", 256, 3}, lines).find("promises 3 lines, its tokens end 2"), std::string::npos);
  EXPECT_NE(lines_refusal({"bytes", 256, 2}, {'\n', '\n', 'a'}), "accepted") << "the last line has no end";
  EXPECT_NE(lines_refusal({"bytes", 256, 1}, {}), "accepted");
  EXPECT_NE(lines_refusal({"gpt2", 256, 2}, lines).find("made with tokenizer gpt2"), std::string::npos);
  EXPECT_NE(files.refusal(token_file_bytes({"bytes", 256, 2}, lines)).find("made for format lines"), std::string::npos);
  const std::vector<TokenId> foreign{1, 2, 3, 50000, 5, 6};
  const std::string other = token_file_bytes({"bytes", 50257, 0}, foreign);
  EXPECT_NE(files.refusal(other).find("is of a vocabulary of 50257, that of tokenizer bytes is 256"), std::string::npos)
      << files.refusal(other);
}

TEST(Dataset, SaysWhyAFileDoesNotDo) {
  const DatasetFiles files;
  EXPECT_NE(files.refusal("").find("is empty"), std::string::npos);
  EXPECT_NE(files.refusal("abc").find("5"), std::string::npos) << "names what it needs";
  EXPECT_NE(files.refusal("\n\n", DataFormat::lines), "accepted");
  EXPECT_THROW(Dataset({"/nowhere/text.txt", DataFormat::stream, 4, 0.0}, *make_byte_tokenizer()), DataError);
}

}  // namespace
}  // namespace troupe::gpt2
