#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gpt2/data/tokenizer.hpp"

namespace troupe::gpt2 {

/// stream: the text as one run of tokens, cut into windows; lines: each line a sample of its own.
enum class DataFormat { stream, lines };

/// Targets that count for nothing: padding.
inline constexpr std::int64_t kPaddingTarget = -100;

/// A text of lines as tokens: each line followed by the tokenizer's end of text; empty lines are left out.
struct EncodedLines {
  std::vector<TokenId> tokens;
  std::uint32_t lines = 0;
};
EncodedLines encode_lines(std::string_view text, const Tokenizer& tokenizer);

/// What a data set is made of.
struct DatasetSpec {
  std::filesystem::path path;
  DataFormat format = DataFormat::stream;
  std::int64_t context = 64;          ///< T
  double validation_fraction = 0.05;  ///< of the samples, taken from the end
};

/// B samples: inputs (B, T), targets (B, T) shifted by one, kPaddingTarget where padding.
struct Batch {
  std::int64_t rows = 0;
  std::vector<std::int64_t> inputs;
  std::vector<std::int64_t> targets;
  std::int64_t valid_tokens = 0;
};

/// Which part of a data set: sample numbers of each begin at 0.
enum class Split { training, validation };

/// A text as samples of `context` tokens.
///
/// stream: sample i is tokens [i T, (i + 1) T], T inputs and T targets; a rest shorter than that is dropped.
/// lines:  sample i is line i with the tokenizer's end of text behind it, cut to T + 1 tokens or padded; empty lines
///         are skipped. The last `validation_fraction` of the samples (rounded up, if not 0) are the validation split.
///
/// DS-1  Training and validation samples do not overlap, and together are all.
/// DS-2  A sample is the same whenever and in whichever batch it is asked for.
/// The file may be a text, or the token file made of it (token_file.hpp) by the same tokenizer and for the same format.
/// Errors: DataError for a missing, unreadable or empty file, for a token file of another tokenizer or format,
///         and for data shorter than one sample, with numbers.
class Dataset {
public:
  Dataset(const DatasetSpec& spec, const Tokenizer& tokenizer);

  std::uint64_t samples(Split split) const;
  Batch batch(Split split, std::span<const std::uint64_t> samples) const;
  /// Targets of those samples that are not padding.
  std::int64_t valid_tokens(Split split, std::span<const std::uint64_t> samples) const;

private:
  void take_stream(std::vector<std::uint16_t> tokens);
  void take_lines(std::span<const std::uint16_t> tokens, std::uint16_t end_of_line);
  std::span<const std::uint16_t> tokens_of(Split split, std::uint64_t sample) const;

  DataFormat format_;
  std::int64_t context_;
  std::vector<std::uint16_t> tokens_;  // every vocabulary here has less than 65,536 entries
  std::vector<std::uint64_t> begins_;  // lines: first token of each, and the end
  std::uint64_t training_ = 0;
  std::uint64_t all_ = 0;
};

}  // namespace troupe::gpt2
