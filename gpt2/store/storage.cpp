#include "gpt2/store/storage.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#ifdef __SANITIZE_ADDRESS__
#define XXH_NO_INLINE_HINTS 1  // its always_inline functions are reached by pointers that are checked there
#endif
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace troupe::gpt2 {
namespace {

[[noreturn]] void fail(const std::string& what, const std::filesystem::path& path, int error) {
  throw StorageError("cannot " + what + " " + path.string() + ": " + std::strerror(error));
}

std::string free_space(const std::filesystem::path& folder) {
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) return "";
  return ", " + std::to_string(info.f_bavail * info.f_frsize) + " bytes free; make room or choose another --run-dir";
}

std::string cannot(const std::string& what, const std::filesystem::path& path, int error) {
  return "cannot " + what + " " + path.string() + ": " + std::strerror(error);
}

/// Closes and removes an unfinished file.
std::string abandon(int descriptor, const std::string& what, const std::filesystem::path& path, int error) {
  close(descriptor);
  unlink(path.c_str());
  return cannot(what, path, error) + free_space(path.parent_path());
}

/// 0, or the error.
int write_all(int descriptor, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written == 0 ? ENOSPC : errno;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return 0;
}

std::string hex_of(XXH128_hash_t hash) {
  std::array<char, 33> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                static_cast<unsigned long long>(hash.low64));
  return {text.data(), 32};
}

}  // namespace

std::string hash_hex(std::span<const std::byte> bytes) {
  return hex_of(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string hash_hex(std::span<const std::span<const std::byte>> parts) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  for (const std::span<const std::byte> part : parts) XXH3_128bits_update(&state, part.data(), part.size());
  return hex_of(XXH3_128bits_digest(&state));
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail("open", path, errno);
  struct stat info {};
  if (fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(descriptor);
    fail("read", path, EINVAL);
  }
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ > 0) data_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int error = errno;
  close(descriptor);
  if (size_ > 0 && data_ == MAP_FAILED) fail("map", path, error);
}

MappedFile::~MappedFile() {
  if (size_ > 0) munmap(data_, size_);
}

std::string write_durable(const std::filesystem::path& path, std::span<const std::span<const std::byte>> parts) {
  std::size_t total = 0;
  for (const auto& part : parts) total += part.size();
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return cannot("create", path, errno);
  // All the space before the first byte: a full disk is found while nothing is half written.
  int allocated = 0;
  do {
    allocated = total > 0 ? posix_fallocate(descriptor, 0, static_cast<off_t>(total)) : 0;
  } while (allocated == EINTR);
  if (allocated != 0 && allocated != EOPNOTSUPP && allocated != EINVAL) {
    return abandon(descriptor, "allocate " + std::to_string(total) + " bytes for", path, allocated);
  }
  for (const auto& part : parts) {
    if (const int error = write_all(descriptor, part); error != 0) {
      return abandon(descriptor, "write " + std::to_string(total) + " bytes to", path, error);
    }
  }
  // After a failed sync the kernel may have dropped the pages: never retried on the same file.
  if (fdatasync(descriptor) != 0) return abandon(descriptor, "sync", path, errno);
  if (close(descriptor) == 0) return "";
  const std::string problem = cannot("close", path, errno);
  unlink(path.c_str());
  return problem;
}

std::string sync_file(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return cannot("open", path, errno);
  const int error = fdatasync(descriptor) != 0 ? errno : 0;
  close(descriptor);
  return error == 0 ? "" : cannot("make durable", path, error);
}

std::string sync_folder(const std::filesystem::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return cannot("open", folder, errno);
  const std::string problem = fsync(descriptor) == 0 ? "" : cannot("sync", folder, errno);
  close(descriptor);
  return problem;
}

std::string replace_file(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path fresh = path.string() + ".new";
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  std::string problem = write_durable(fresh, {&bytes, 1});
  if (problem.empty() && rename(fresh.c_str(), path.c_str()) != 0) {
    problem = cannot("rename", fresh, errno);
    unlink(fresh.c_str());
  }
  return problem.empty() ? sync_folder(path.parent_path()) : problem;
}

}  // namespace troupe::gpt2
