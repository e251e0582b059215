#include "gpt2/data/dataset.hpp"

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
    throw std::runtime_error("cannot read data file " + path.string() + ": " + reason +
                             "; ./setup makes the default data set, data.path names another");
  }
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) throw std::runtime_error("data file " + path.string() + " is empty");
  return text;
}

std::vector<std::uint16_t> narrow(const std::vector<TokenId>& tokens) {
  return {tokens.begin(), tokens.end()};
}

}  // namespace

Dataset::Dataset(const DatasetSpec& spec, const Tokenizer& tokenizer) : format_(spec.format), context_(spec.context) {
  const std::string text = read_text(spec.path);
  if (format_ == DataFormat::stream) {
    tokens_ = narrow(tokenizer.encode(text));
    const auto count = static_cast<std::int64_t>(tokens_.size());
    all_ = count > 0 ? static_cast<std::uint64_t>((count - 1) / context_) : 0;
  } else {
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view line = std::string_view(text).substr(begin, end - begin);
      begin = end + 1;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      std::vector<TokenId> tokens = tokenizer.encode(line);
      tokens.push_back(tokenizer.end_of_text());
      tokens.resize(std::min(tokens.size(), static_cast<std::size_t>(context_) + 1));
      begins_.push_back(tokens_.size());
      tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    }
    all_ = begins_.size();
    begins_.push_back(tokens_.size());
  }
  if (all_ == 0) {
    throw std::runtime_error("data file " + spec.path.string() + " holds " + std::to_string(tokens_.size()) +
                             " tokens, but one sample takes model.context + 1 = " + std::to_string(context_ + 1) +
                             ": use a longer text or a shorter context");
  }
  const auto held_out = static_cast<std::uint64_t>(std::ceil(static_cast<double>(all_) * spec.validation_fraction));
  if (held_out >= all_) {
    throw std::runtime_error("data.validation_fraction = " + std::to_string(spec.validation_fraction) + " of " +
                             std::to_string(all_) + " samples leaves none to train on");
  }
  training_ = all_ - held_out;
}

std::uint64_t Dataset::samples(Split split) const { return split == Split::training ? training_ : all_ - training_; }

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
