#include "gpt2/store/safetensors.hpp"
#include "tests/fuzz/fuzz_target.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace troupe::runtime {

namespace {

/// A file in memory, by a name that can be opened.
class MemoryFile {
public:
  explicit MemoryFile(std::span<const std::byte> bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (::write(descriptor_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("no file in memory");
    }
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

private:
  const int descriptor_;
};

void read_all_of(const std::string& path) {
  const gpt2::SafetensorsFile file(path);
  for (const auto& [name, entry] : file.entries()) {
    if (file.bytes(name).size() != entry.end - entry.begin) throw FuzzFinding("a tensor of another size than its own");
    unsigned sum = 0;
    for (const std::byte each : file.bytes(name)) sum += std::to_integer<unsigned>(each);
    if (sum == 1) (void)file.metadata().size();  // the bytes are read
  }
}

}  // namespace

/// The header of a safetensors file, its length before it.
std::size_t fuzz_checkpoint(FuzzBytes& bytes) {
  const std::size_t data_bytes = bytes.byte();
  const std::span<const std::byte> header = bytes.rest();
  std::string content;
  const std::uint64_t length = header.size();
  content.append(reinterpret_cast<const char*>(&length), sizeof length);
  content += text_of(header);
  content.append(data_bytes, 'd');
  const MemoryFile file(std::as_bytes(std::span(content.data(), content.size())));
  try {
    read_all_of(file.path());
  } catch (const gpt2::StorageError&) {
  }
  return data_bytes;
}

}  // namespace troupe::runtime
