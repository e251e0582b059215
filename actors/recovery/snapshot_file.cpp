#include "actors/recovery/snapshot_file.hpp"

#include "gpt2/store/storage.hpp"
#include "runtime/observe/log.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace troupe::actors {
namespace {

constexpr std::uint64_t kSnapshotMagic = 0x3170616e73707274ULL;  // "trpsnap1"
constexpr std::size_t kHeadBytes = 4096;
constexpr std::size_t kDigestDigits = 32;

runtime::Failure snapshot_failure(const std::string& what, const std::filesystem::path& path, int code) {
  return {runtime::FailureKind::disconnected, "cannot " + what + " " + path.string() + ": " + std::strerror(code)};
}

}  // namespace

struct SnapshotFile::Slot {
  std::atomic<std::uint64_t> sealed;  // 1 + step; 0 = not sealed
  std::uint64_t updates;
  std::array<char, kDigestDigits> digest;
};

struct SnapshotFile::Head {
  std::uint64_t magic;
  std::uint64_t fingerprint;
  std::uint64_t bytes;
  std::array<Slot, 2> slots;
};

SnapshotFile::SnapshotFile(std::span<std::byte> memory, std::size_t bytes) : memory_(memory), bytes_(bytes) {}

SnapshotFile::~SnapshotFile() {
  munmap(memory_.data(), memory_.size());
}

SnapshotFile::Head& SnapshotFile::head() const {
  return *reinterpret_cast<Head*>(memory_.data());
}

std::span<std::byte> SnapshotFile::buffer(std::size_t slot) const {
  return memory_.subspan(kHeadBytes + slot * bytes_, bytes_);
}

runtime::Result<std::unique_ptr<SnapshotFile>> SnapshotFile::open(const std::filesystem::path& path, std::size_t bytes,
                                                                  std::uint64_t fingerprint) {
  static_assert(sizeof(Head) <= kHeadBytes);
  const std::size_t size = kHeadBytes + 2 * bytes;
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return snapshot_failure("open", path, errno);
  const int reserved = posix_fallocate(descriptor, 0, static_cast<off_t>(size));
  if (reserved != 0) {
    ::close(descriptor);
    ::unlink(path.c_str());
    return snapshot_failure("reserve " + std::to_string(size >> 20) + " MiB for snapshots in", path, reserved);
  }
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  const int error = errno;
  ::close(descriptor);
  if (memory == MAP_FAILED) return snapshot_failure("map", path, error);
  std::unique_ptr<SnapshotFile> file(new SnapshotFile({static_cast<std::byte*>(memory), size}, bytes));
  Head& head = file->head();
  if (head.magic != kSnapshotMagic || head.fingerprint != fingerprint || head.bytes != bytes) {
    head.magic = 0;
    for (Slot& slot : head.slots) slot.sealed = 0;
    head.fingerprint = fingerprint;
    head.bytes = bytes;
    head.magic = kSnapshotMagic;
  }
  return file;
}

std::unique_ptr<SnapshotFile> SnapshotFile::open_or_warn(const std::filesystem::path& path, std::size_t bytes,
                                                         std::uint64_t fingerprint) {
  auto file = open(path, bytes, fingerprint);
  if (file) return std::move(file).value();
  runtime::log_warning("event=no_snapshots cause=\"" + file.failure().text +
                       "\" next=\"after a death the state comes from a replica or a checkpoint\"");
  return nullptr;
}

std::vector<std::uint32_t> SnapshotFile::steps() const {
  std::vector<std::uint32_t> steps;
  for (const Slot& slot : head().slots) {
    if (slot.sealed != 0) steps.push_back(static_cast<std::uint32_t>(slot.sealed - 1));
  }
  std::ranges::sort(steps, std::greater<>());
  return steps;
}

std::span<std::byte> SnapshotFile::begin(std::uint32_t kept) {
  const std::uint64_t mark = std::uint64_t{kept} + 1;
  const Slot& first = head().slots[0];
  const Slot& second = head().slots[1];
  // Where neither holds it (it came from elsewhere), the older one goes.
  open_slot_ = first.sealed == mark || (second.sealed != mark && second.sealed < first.sealed) ? 1 : 0;
  head().slots[open_slot_].sealed.store(0, std::memory_order_seq_cst);
  return buffer(open_slot_);
}

std::string SnapshotFile::seal(std::uint32_t step, std::uint64_t updates) {
  Slot& slot = head().slots[open_slot_];
  const std::string digest = gpt2::hash_hex(buffer(open_slot_));
  std::copy_n(digest.begin(), std::min(digest.size(), kDigestDigits), slot.digest.begin());
  slot.updates = updates;
  // Two buffers of one step would be one too few for the step after it.
  Slot& other = head().slots[1 - open_slot_];
  if (other.sealed == std::uint64_t{step} + 1) other.sealed = 0;
  slot.sealed.store(std::uint64_t{step} + 1, std::memory_order_release);
  return digest;
}

void SnapshotFile::forget(std::uint32_t step) {
  for (Slot& slot : head().slots) {
    if (slot.sealed == std::uint64_t{step} + 1) slot.sealed = 0;
  }
}

std::optional<SnapshotFile::State> SnapshotFile::read(std::uint32_t step) const {
  for (std::size_t i = 0; i < head().slots.size(); ++i) {
    const Slot& slot = head().slots[i];
    if (slot.sealed != std::uint64_t{step} + 1) continue;
    State state{buffer(i), slot.updates, std::string(slot.digest.data(), kDigestDigits)};
    if (gpt2::hash_hex(state.bytes) == state.digest) return state;
  }
  return std::nullopt;
}

}  // namespace troupe::actors
