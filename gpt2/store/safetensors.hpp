#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "gpt2/store/storage.hpp"

namespace troupe::gpt2 {

/// A tensor to write: fp32, row-major.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> data;
};

/// Writes a safetensors file (u64 little-endian header length, JSON header, raw data), durable. Tensors lie in the
/// order given. Empty, or what went wrong.
[[nodiscard]] std::string write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                                            const std::map<std::string, std::string>& metadata);

/// A safetensors file, mapped; everything is checked before use.
///
/// SF-1  A header beyond 100 MB or 8 levels of brackets, a tensor outside the file, overlaps, holes, and sizes that do
///       not fit dtype and shape are refused with the file's name and the reason.
class SafetensorsFile {
public:
  struct Entry {
    std::vector<std::int64_t> shape;
    std::size_t begin = 0;  ///< bytes, in the data part
    std::size_t end = 0;
  };
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// Copies a tensor's floats into `values`, which has its size. Throws StorageError when it is not there or of another
  /// size.
  void read(const std::string& name, std::span<float> values) const;
  std::span<const std::byte> bytes(const std::string& name) const;

private:
  void parse(std::span<const std::byte> header);
  [[noreturn]] void refuse(const std::string& why) const;

  std::filesystem::path path_;
  MappedFile file_;
  std::span<const std::byte> data_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace troupe::gpt2
