#include "gpt2/store/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "gpt2/store/json_depth.hpp"

namespace troupe::gpt2 {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxHeader = 100'000'000;  // the format's own cap
constexpr std::size_t kLengthBytes = 8;

}  // namespace

std::string write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata) {
  ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t offset = 0;
  for (const NamedTensor& tensor : tensors) {
    const std::size_t end = offset + tensor.data.size_bytes();
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // data aligned to 8 bytes, as the format asks
  const std::uint64_t length = text.size();
  std::vector<std::span<const std::byte>> parts = {std::as_bytes(std::span(&length, 1)),
                                                   std::as_bytes(std::span(text))};
  for (const NamedTensor& tensor : tensors) parts.push_back(std::as_bytes(tensor.data));
  return write_durable(path, parts);
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path), file_(path) {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.size() < kLengthBytes) refuse("only " + std::to_string(bytes.size()) + " bytes");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeader || length > bytes.size() - kLengthBytes) {
    refuse("header of " + std::to_string(length) + " bytes in a file of " + std::to_string(bytes.size()));
  }
  data_ = bytes.subspan(kLengthBytes + length);
  parse(bytes.subspan(kLengthBytes, length));
}

void SafetensorsFile::refuse(const std::string& why) const {
  throw StorageError(path_.string() + ": not a sound safetensors file: " + why);
}

void SafetensorsFile::parse(std::span<const std::byte> header) {
  const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
  const std::size_t deep = find_too_deep(text);
  if (deep != std::string_view::npos) {
    refuse("at offset " + std::to_string(kLengthBytes + deep) + ": more than " + std::to_string(kMostJsonLevels) +
           " levels of brackets");
  }
  const ordered_json json = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) refuse("the header at offset 8 is not a JSON object");
  std::vector<std::pair<std::size_t, std::size_t>> runs;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      for (const auto& [key, entry] : value.items()) {
        if (entry.is_string()) metadata_[key] = entry.get<std::string>();
      }
      continue;
    }
    if (!value.is_object() || !value.contains("dtype") || value["dtype"] != "F32")
      refuse("tensor " + name + " is not F32");
    const ordered_json shape = value.value("shape", ordered_json());
    const ordered_json offsets = value.value("data_offsets", ordered_json());
    const bool numbers = shape.is_array() && offsets.is_array() && offsets.size() == 2 &&
                         offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned();
    if (!numbers) refuse("tensor " + name + " has no sound shape and offsets");
    Entry entry{{}, offsets[0].get<std::size_t>(), offsets[1].get<std::size_t>()};
    std::size_t floats = 1;
    for (const ordered_json& size : shape) {
      constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      if (!size.is_number_unsigned() || size.get<std::uint64_t>() > kLargest ||
          (size != 0 && floats > data_.size() / size.get<std::size_t>())) {
        refuse("tensor " + name + " has a shape larger than the file");
      }
      entry.shape.push_back(size.get<std::int64_t>());
      floats *= size.get<std::size_t>();
    }
    if (entry.begin > entry.end || entry.end > data_.size() || entry.end - entry.begin != floats * sizeof(float)) {
      refuse("tensor " + name + " lies outside the file, or its size does not fit its shape");
    }
    runs.emplace_back(entry.begin, entry.end);
    entries_.emplace(name, std::move(entry));
  }
  std::sort(runs.begin(), runs.end());
  std::size_t expected = 0;
  for (const auto& [begin, end] : runs) {
    if (begin != expected) refuse("a hole or an overlap at data offset " + std::to_string(std::min(begin, expected)));
    expected = end;
  }
  if (expected != data_.size()) refuse("bytes left over after data offset " + std::to_string(expected));
}

std::span<const std::byte> SafetensorsFile::bytes(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) throw StorageError(path_.string() + " has no tensor " + name);
  return data_.subspan(found->second.begin, found->second.end - found->second.begin);
}

void SafetensorsFile::read(const std::string& name, std::span<float> values) const {
  const std::span<const std::byte> from = bytes(name);
  if (from.size() != values.size_bytes()) {
    throw StorageError(path_.string() + ": tensor " + name + " has " + std::to_string(from.size()) + " bytes, " +
                       std::to_string(values.size_bytes()) + " are wanted");
  }
  if (!from.empty()) std::memcpy(values.data(), from.data(), from.size());
}

}  // namespace troupe::gpt2
