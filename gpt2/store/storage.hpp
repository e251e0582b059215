#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::gpt2 {

/// A file could not be read, or is not what it should be: the text names path, operation and reason. (Writing returns
/// its errors: a full disk is an expected outcome.)
class StorageError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// XXH3-128 as 32 hexadecimal digits: finds damage, not malice.
std::string hash_hex(std::span<const std::byte> bytes);
/// Of the parts one after the other.
std::string hash_hex(std::span<const std::span<const std::byte>> parts);

/// The whole file, mapped read-only.
class MappedFile {
public:
  /// Throws StorageError when it cannot be opened.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }

private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Writes a file as a whole and makes it durable: space is allocated first, every write and the close are checked, then
/// fdatasync. Empty, or what went wrong; the file is removed then.
[[nodiscard]] std::string write_durable(const std::filesystem::path& path,
                                        std::span<const std::span<const std::byte>> parts);
/// Makes what was written to a file durable. Empty, or what went wrong.
[[nodiscard]] std::string sync_file(const std::filesystem::path& path);
/// Makes the entries of a folder durable. Empty, or what went wrong.
[[nodiscard]] std::string sync_folder(const std::filesystem::path& folder);
/// Writes `text` under another name first, then renames: readers see the old file or the new one. Empty, or what went
/// wrong.
[[nodiscard]] std::string replace_file(const std::filesystem::path& path, const std::string& text);

}  // namespace troupe::gpt2
