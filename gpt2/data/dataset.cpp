#include "gpt2/data/dataset.hpp"

#include "gpt2/data/data_error.hpp"
#include "gpt2/data/token_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace troupe::gpt2 {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    const std::string reason = std::filesystem::is_directory(path) ? "is a folder" : std::strerror(errno);
    throw DataError("cannot read data file " + path.string() + ": " + reason +
                    "; ./setup makes the default data set, data.path names another");
  }
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) throw DataError("data file " + path.string() + " is empty");
  return text;
}

/// Refuses a token file that is sound but of something else. What it says of itself is compared with the tokenizer and
/// with the tokens: a program may have written it that is not ours.
void check_fit(const TokenFile& file, const DatasetSpec& spec, const Tokenizer& tokenizer) {
  const std::string name = "token file " + spec.path.string();
  if (file.head.tokenizer != tokenizer.name()) {
    throw DataError(name + " was made with tokenizer " + file.head.tokenizer + ", data.tokenizer is " +
                    std::string(tokenizer.name()));
  }
  if (file.head.vocabulary != tokenizer.vocabulary()) {
    throw DataError(name + " is of a vocabulary of " + std::to_string(file.head.vocabulary) + ", that of tokenizer " +
                    file.head.tokenizer + " is " + std::to_string(tokenizer.vocabulary()));
  }
  if ((file.head.lines > 0) != (spec.format == DataFormat::lines)) {
    throw DataError(name + " was made for format " + (file.head.lines > 0 ? "lines" : "stream") +
                    ", data.format is the other one");
  }
  if (spec.format == DataFormat::stream) return;
  const auto ends = std::count(file.tokens.begin(), file.tokens.end(), tokenizer.end_of_text());
  if (ends != file.head.lines || file.tokens.back() != tokenizer.end_of_text()) {
    throw DataError(name + " promises " + std::to_string(file.head.lines) + " lines, its tokens end " +
                    std::to_string(ends));
  }
}

/// The tokens of a token file that fits the job, or of a text.
std::vector<std::uint16_t> load_tokens(const DatasetSpec& spec, const Tokenizer& tokenizer) {
  const std::string text = read_text(spec.path);
  if (!is_token_file(std::as_bytes(std::span(text)))) {
    const std::vector<TokenId> tokens =
        spec.format == DataFormat::stream ? tokenizer.encode(text) : encode_lines(text, tokenizer).tokens;
    return {tokens.begin(), tokens.end()};
  }
  TokenFile file = read_token_file(spec.path);
  check_fit(file, spec, tokenizer);
  return std::move(file.tokens);
}

}  // namespace

EncodedLines encode_lines(std::string_view text, const Tokenizer& tokenizer) {
  EncodedLines encoded;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::vector<TokenId> tokens = tokenizer.encode(line);
    encoded.tokens.insert(encoded.tokens.end(), tokens.begin(), tokens.end());
    encoded.tokens.push_back(tokenizer.end_of_text());
    ++encoded.lines;
  }
  return encoded;
}

Dataset::Dataset(const DatasetSpec& spec, const Tokenizer& tokenizer) : format_(spec.format), context_(spec.context) {
  std::vector<std::uint16_t> tokens = load_tokens(spec, tokenizer);
  if (format_ == DataFormat::stream) {
    take_stream(std::move(tokens));
  } else {
    take_lines(tokens, static_cast<std::uint16_t>(tokenizer.end_of_text()));
  }
  if (all_ == 0) {
    throw DataError("data file " + spec.path.string() + " holds " + std::to_string(tokens_.size()) +
                    " tokens, but one sample takes model.context + 1 = " + std::to_string(context_ + 1) +
                    ": use a longer text or a shorter context");
  }
  const auto held_out = static_cast<std::uint64_t>(std::ceil(static_cast<double>(all_) * spec.validation_fraction));
  if (held_out >= all_) {
    throw DataError("data.validation_fraction = " + std::to_string(spec.validation_fraction) + " of " +
                    std::to_string(all_) + " samples leaves none to train on");
  }
  training_ = all_ - held_out;
}

void Dataset::take_stream(std::vector<std::uint16_t> tokens) {
  tokens_ = std::move(tokens);
  all_ = tokens_.empty() ? 0 : (tokens_.size() - 1) / static_cast<std::uint64_t>(context_);
}

void Dataset::take_lines(std::span<const std::uint16_t> tokens, std::uint16_t end_of_line) {
  const auto longest = static_cast<std::size_t>(context_) + 1;
  for (auto begin = tokens.begin(); begin != tokens.end();) {
    const auto end = std::find(begin, tokens.end(), end_of_line);
    const auto next = end == tokens.end() ? end : end + 1;
    begins_.push_back(tokens_.size());
    tokens_.insert(tokens_.end(), begin,
                   begin + std::min<std::ptrdiff_t>(next - begin, static_cast<std::ptrdiff_t>(longest)));
    begin = next;
  }
  all_ = begins_.size();
  begins_.push_back(tokens_.size());
}

std::uint64_t Dataset::samples(Split split) const {
  return split == Split::training ? training_ : all_ - training_;
}

std::span<const std::uint16_t> Dataset::tokens_of(Split split, std::uint64_t sample) const {
  if (sample >= samples(split)) {
    throw std::runtime_error("sample " + std::to_string(sample) + " of " + std::to_string(samples(split)));
  }
  const std::uint64_t index = split == Split::training ? sample : training_ + sample;
  const std::span<const std::uint16_t> all(tokens_);
  const auto length = static_cast<std::uint64_t>(context_) + 1;
  if (format_ == DataFormat::stream) return all.subspan(index * static_cast<std::uint64_t>(context_), length);
  return all.subspan(begins_[index], begins_[index + 1] - begins_[index]);
}

Batch Dataset::batch(Split split, std::span<const std::uint64_t> samples) const {
  Batch batch;
  batch.rows = static_cast<std::int64_t>(samples.size());
  const auto width = static_cast<std::size_t>(context_);
  batch.inputs.assign(samples.size() * width, 0);
  batch.targets.assign(samples.size() * width, kPaddingTarget);
  for (std::size_t row = 0; row < samples.size(); ++row) {
    const std::span<const std::uint16_t> tokens = tokens_of(split, samples[row]);
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      batch.inputs[row * width + i] = tokens[i];
      batch.targets[row * width + i] = tokens[i + 1];
      ++batch.valid_tokens;
    }
  }
  return batch;
}

std::int64_t Dataset::valid_tokens(Split split, std::span<const std::uint64_t> samples) const {
  std::int64_t total = 0;
  for (const std::uint64_t sample : samples) total += static_cast<std::int64_t>(tokens_of(split, sample).size()) - 1;
  return total;
}

}  // namespace troupe::gpt2
