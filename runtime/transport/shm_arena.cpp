#include "runtime/transport/shm_arena.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>

namespace troupe::runtime {

namespace {

constexpr std::uint64_t kArenaMagic = 0x616e657261707274ULL;  // "trparena"
constexpr std::uint32_t kSlots = 16384;
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kHeadBytes = kPage + kSlots * sizeof(std::uint64_t);
constexpr std::uint64_t kReserveStep = 8ULL << 20;
constexpr std::uint64_t kMaxArenaBytes = 1ULL << 40;
constexpr std::size_t kCollectPerLend = 8;
constexpr std::size_t kMaxArenaNameBytes = 96;

// A state word is the block's generation, shifted by two, and one of these.
constexpr std::uint64_t kFree = 0;
constexpr std::uint64_t kLent = 1;
constexpr std::uint64_t kHeld = 2;
constexpr std::uint64_t kStateMask = 3;

struct ArenaHeader {
  std::uint64_t magic = 0;
  std::uint64_t cookie = 0;
  std::uint64_t data_bytes = 0;
  std::uint64_t slots = 0;
};

std::uint64_t random_number() {
  std::random_device source;
  return (static_cast<std::uint64_t>(source()) << 32) | source();
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) {
  return (value + step - 1) / step * step;
}

std::string hex(std::uint64_t value) {
  std::ostringstream text;
  text << std::hex << value;
  return text.str();
}

Failure system_failure(const std::string& what, const std::filesystem::path& path, int code) {
  return {FailureKind::disconnected, what + " " + path.string() + ": " + std::strerror(code)};
}

Result<Done> map_file(ArenaFile& file, const std::filesystem::path& path, std::uint64_t data_bytes, int data_access) {
  void* head = ::mmap(nullptr, kHeadBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0);
  if (head == MAP_FAILED) return system_failure("cannot map the head of arena", path, errno);
  file.head = static_cast<std::byte*>(head);
  void* data = ::mmap(nullptr, data_bytes, data_access, MAP_SHARED, file.descriptor, static_cast<off_t>(kHeadBytes));
  if (data == MAP_FAILED) return system_failure("cannot map the data of arena", path, errno);
  file.data = static_cast<std::byte*>(data);
  file.data_bytes = data_bytes;
  return Done{};
}

std::atomic_ref<std::uint64_t> word_at(std::byte* head, std::uint32_t slot) {
  return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(head + kPage + slot * sizeof(std::uint64_t)));
}

bool is_arena_name(std::string_view name) {
  if (!name.starts_with("troupe-") || name.size() > kMaxArenaNameBytes) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-'; });
}

// Frees the block when the last handle of its payload goes; keeps the mapping until then.
struct Borrowed {
  std::shared_ptr<ArenaView> view;
  std::byte* head;
  std::uint32_t slot;
  std::uint64_t generation;

  // Written out: clang before 16 makes no aggregate from arguments in parentheses.
  Borrowed(std::shared_ptr<ArenaView> of, std::byte* at, const BlockRef& block)
      : view(std::move(of)), head(at), slot(block.slot), generation(block.generation) {}
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() {
    std::uint64_t expected = (generation << 2) | kHeld;
    word_at(head, slot).compare_exchange_strong(expected, (generation << 2) | kFree, std::memory_order_acq_rel);
  }
};

}  // namespace

ArenaFile::~ArenaFile() {
  if (head != nullptr) ::munmap(head, kHeadBytes);
  if (data != nullptr) ::munmap(data, data_bytes);
  if (descriptor >= 0) ::close(descriptor);
}

Result<std::unique_ptr<ShmArena>> ShmArena::create(const std::filesystem::path& directory, std::uint64_t job,
                                                   std::size_t bytes) {
  const std::uint64_t data_bytes = round_up(std::max<std::uint64_t>(bytes, kPage), kPage);
  if (data_bytes > kMaxArenaBytes) {
    return Failure{FailureKind::unknown, "arena of " + std::to_string(bytes) + " bytes is larger than 1 TiB"};
  }
  std::unique_ptr<ShmArena> arena(new ShmArena);
  arena->cookie_ = random_number();
  arena->generation_ = random_number() >> 3;  // shifted by two in the state word, and room to count
  if (Result<Done> made = arena->make_file(directory, job); !made) return made.failure();
  const std::filesystem::path& path = arena->path_;
  if (::ftruncate(arena->file_.descriptor, static_cast<off_t>(kHeadBytes + data_bytes)) != 0) {
    return system_failure("cannot size arena", path, errno);
  }
  if (const int code = ::posix_fallocate(arena->file_.descriptor, 0, static_cast<off_t>(kHeadBytes)); code != 0) {
    return system_failure("no room for the head of arena", path, code);
  }
  if (Result<Done> mapped = map_file(arena->file_, path, data_bytes, PROT_READ | PROT_WRITE); !mapped) {
    return mapped.failure();
  }
  const ArenaHeader header{kArenaMagic, arena->cookie_, data_bytes, kSlots};
  std::memcpy(arena->file_.head, &header, sizeof header);
  arena->free_.emplace(0, data_bytes);
  for (std::uint32_t slot = kSlots; slot-- > 0;) arena->free_slots_.push_back(slot);
  return arena;
}

// The lock is held until this process ends: who sweeps knows by it that the owner lives. Between open() and flock() a
// sweep may take the file for a dead owner's; then it has no name any more, and another one is made.
Result<Done> ShmArena::make_file(const std::filesystem::path& directory, std::uint64_t job) {
  struct stat status {};
  while (status.st_nlink == 0) {
    name_ = "troupe-" + hex(job) + "-" + std::to_string(::getpid()) + "-" + hex(random_number());
    const std::filesystem::path path = directory / name_;
    if (file_.descriptor >= 0) ::close(file_.descriptor);
    file_.descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file_.descriptor < 0) return system_failure("cannot create arena", path, errno);
    path_ = path;
    if (::flock(file_.descriptor, LOCK_EX) != 0) return system_failure("cannot lock arena", path, errno);
    if (::fstat(file_.descriptor, &status) != 0) return system_failure("cannot look at arena", path, errno);
  }
  return Done{};
}

ShmArena::~ShmArena() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::atomic_ref<std::uint64_t> ShmArena::word_of(std::uint32_t slot) {
  return word_at(file_.head, slot);
}

std::optional<BlockRef> ShmArena::lend(std::span<const std::byte> bytes, std::uint64_t borrower) {
  collect(kCollectPerLend);
  if (!has_slot()) return std::nullopt;
  const std::optional<Extent> extent = find_room(bytes.size());
  if (!extent) return std::nullopt;
  std::memcpy(file_.data + extent->offset, bytes.data(), bytes.size());
  return hand_out(*extent, bytes.size(), borrower, nullptr);
}

std::optional<BlockRef> ShmArena::lend(const Payload& payload, std::uint64_t borrower) {
  return payload.sharing() == Sharing::once ? lend_shared(payload, borrower) : lend(payload.bytes(), borrower);
}

std::optional<BlockRef> ShmArena::lend_shared(const Payload& payload, std::uint64_t borrower) {
  collect(kCollectPerLend);
  if (!has_slot()) return std::nullopt;
  auto found = shared_.find(payload.owner());
  if (found == shared_.end()) {
    const std::optional<Extent> extent = find_room(payload.size());
    if (!extent) return std::nullopt;
    std::memcpy(file_.data + extent->offset, payload.data(), payload.size());
    found = shared_.emplace(payload.owner(), Shared{*extent}).first;
  }
  Shared& shared = found->second;
  ++shared.borrowers;
  return hand_out(shared.extent, payload.size(), borrower, &shared);
}

BlockRef ShmArena::hand_out(const Extent& extent, std::size_t bytes, std::uint64_t borrower, Shared* shared) {
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  const std::uint64_t generation = ++generation_;
  const std::uint64_t word = (generation << 2) | kLent;
  word_of(slot).store(word, std::memory_order_release);
  lent_.push_back({slot, word, extent, borrower, shared});
  return {slot, extent.offset, bytes, generation};
}

bool ShmArena::has_slot() {
  if (free_slots_.empty()) collect(lent_.size());
  return !free_slots_.empty();
}

std::optional<ShmArena::Extent> ShmArena::find_room(std::size_t bytes) {
  const std::uint64_t length = round_up(std::max<std::uint64_t>(bytes, 1), kPage);
  if (length > file_.data_bytes) return std::nullopt;
  std::optional<std::uint64_t> offset = carve(length, reserved_);
  if (!offset) {  // before the arena grows, everything that was given back is used
    collect(lent_.size());
    offset = carve(length, reserved_);
  }
  if (!offset) offset = carve(length, file_.data_bytes);
  if (!offset) {  // what nobody looks at now can be copied again
    drop_shared(Keep::borrowed);
    offset = carve(length, file_.data_bytes);
  }
  return offset ? std::optional(Extent{*offset, length}) : std::nullopt;
}

void ShmArena::drop_shared(Keep keep) {
  std::erase_if(shared_, [this, keep](const auto& entry) {
    const bool is_kept = keep == Keep::living && !entry.first.expired();
    if (is_kept || entry.second.borrowers > 0) return false;
    give_extent(entry.second.extent);
    return true;
  });
}

// First fit by lowest offset: the same few blocks are used again and again while they are warm in the cache.
std::optional<std::uint64_t> ShmArena::carve(std::uint64_t length, std::uint64_t limit) {
  const auto found = std::find_if(free_.begin(), free_.end(), [&](const auto& extent) {
    return extent.second >= length && extent.first + length <= limit;
  });
  if (found == free_.end()) return std::nullopt;
  const auto [offset, room] = *found;
  if (!reserve(offset + length)) return std::nullopt;
  free_.erase(found);
  if (room > length) free_.emplace(offset + length, room - length);
  return offset;
}

// Pages are asked of the file system before they are touched: without room, touching would be SIGBUS.
bool ShmArena::reserve(std::uint64_t end) {
  if (end <= reserved_) return true;
  const std::uint64_t target = std::min<std::uint64_t>(round_up(end, kReserveStep), file_.data_bytes);
  const std::uint64_t step = target - reserved_;
  if (::posix_fallocate(file_.descriptor, static_cast<off_t>(kHeadBytes + reserved_), static_cast<off_t>(step)) != 0) {
    return false;
  }
#ifdef MADV_POPULATE_WRITE
  ::madvise(file_.data + reserved_, step, MADV_POPULATE_WRITE);  // only a hint: page faults would come later instead
#endif
  reserved_ = target;
  return true;
}

void ShmArena::give_extent(Extent extent) {
  auto [offset, length] = extent;
  auto next = free_.lower_bound(offset);
  if (next != free_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      offset = before->first;
      length += before->second;
      free_.erase(before);
    }
  }
  if (next != free_.end() && offset + length == next->first) {
    length += next->second;
    free_.erase(next);
  }
  free_.emplace(offset, length);
}

// Looks at the `how_many` oldest lent blocks and takes in those whose borrower has freed them; with all of them also
// what was shared and is over.
void ShmArena::collect(std::size_t how_many) {
  const std::size_t end = std::min(how_many, lent_.size());
  const bool is_all = end == lent_.size();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < end; ++i) {
    const Lent block = lent_[i];
    if ((word_of(block.slot).load(std::memory_order_acquire) & kStateMask) == kFree) {
      if (block.shared == nullptr) {
        give_extent(block.extent);
      } else {
        --block.shared->borrowers;
      }
      free_slots_.push_back(block.slot);
    } else {
      lent_[kept++] = block;
    }
  }
  lent_.erase(lent_.begin() + static_cast<std::ptrdiff_t>(kept), lent_.begin() + static_cast<std::ptrdiff_t>(end));
  if (is_all) drop_shared(Keep::living);
}

void ShmArena::take_back(std::uint64_t borrower) {
  for (const Lent& block : lent_) {
    if (block.borrower == borrower) word_of(block.slot).store(block.word & ~kStateMask, std::memory_order_release);
  }
  collect(lent_.size());
}

std::size_t ShmArena::lent_blocks() {
  collect(lent_.size());
  return lent_.size();
}

Result<std::shared_ptr<ArenaView>> ArenaView::open(const std::filesystem::path& directory, const std::string& name,
                                                   std::uint64_t cookie) {
  if (!is_arena_name(name)) return Failure{FailureKind::unknown, "not the name of an arena"};
  const std::filesystem::path path = directory / name;
  auto view = std::make_shared<ArenaView>();
  view->file_.descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (view->file_.descriptor < 0) return system_failure("cannot open arena", path, errno);
  struct stat status {};
  if (::fstat(view->file_.descriptor, &status) != 0) return system_failure("cannot look at arena", path, errno);
  const auto size = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || size <= kHeadBytes || size > kMaxArenaBytes) {
    return Failure{FailureKind::unknown, path.string() + " is not an arena of this user"};
  }
  if (Result<Done> mapped = map_file(view->file_, path, size - kHeadBytes, PROT_READ); !mapped) return mapped.failure();
  ArenaHeader header;
  std::memcpy(&header, view->file_.head, sizeof header);
  if (header.magic != kArenaMagic || header.cookie != cookie || header.slots != kSlots ||
      header.data_bytes != view->file_.data_bytes) {
    return Failure{FailureKind::unknown, path.string() + " is another arena than the one announced"};
  }
  return view;
}

Result<Payload> ArenaView::borrow(const BlockRef& block) {
  if (block.slot >= kSlots || block.offset % kPage != 0 || block.length > file_.data_bytes ||
      block.offset > file_.data_bytes - block.length ||
      block.generation > (std::numeric_limits<std::uint64_t>::max() >> 2)) {
    return Failure{FailureKind::unknown, "arena block outside the arena"};
  }
  std::uint64_t expected = (block.generation << 2) | kLent;
  if (!word_at(file_.head, block.slot)
           .compare_exchange_strong(expected, (block.generation << 2) | kHeld, std::memory_order_acq_rel)) {
    return Failure{FailureKind::unknown, "arena block is not lent (any more)"};
  }
  auto owner = std::make_shared<Borrowed>(shared_from_this(), file_.head, block);
  return Payload(std::move(owner), {file_.data + block.offset, block.length});
}

namespace {

/// Of the form "troupe-JOB-PID-RANDOM"? The number is for people: in another container it is another process's.
bool names_an_owner(std::string_view name) {
  const std::size_t second = name.find('-', name.find('-') + 1);
  if (!is_arena_name(name) || second == std::string_view::npos) return false;
  std::int64_t pid = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + second + 1, end, pid);
  return parsed.ec == std::errc{} && pid > 0 && parsed.ptr != end && *parsed.ptr == '-';
}

/// The kernel drops an owner's lock when it dies, in whatever container it lived. Removed under the lock: an owner that
/// has just made the file and waits for its lock then sees that the file is gone.
bool remove_when_unlocked(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);  // a FIFO would wait
  if (descriptor < 0) return false;
  struct stat status {};
  const bool is_ours = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::geteuid();
  const bool is_removed = is_ours && ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 && ::unlink(path.c_str()) == 0;
  ::close(descriptor);
  return is_removed;
}

std::size_t sweep(const std::filesystem::path& directory, const std::string& prefix) {
  std::error_code error;
  std::size_t removed = 0;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::filesystem::path path = at->path();
    const std::string name = path.filename().string();
    if (!name.starts_with(prefix)) continue;
    if (names_an_owner(name) && remove_when_unlocked(path)) ++removed;
  }
  return removed;
}

}  // namespace

std::filesystem::path shared_memory_directory() {
  const char* wanted = std::getenv("TROUPE_SHM_DIR");
  return wanted != nullptr && *wanted != '\0' ? wanted : "/dev/shm";
}

std::size_t sweep_arenas(const std::filesystem::path& directory, std::uint64_t job) {
  return sweep(directory, "troupe-" + hex(job) + "-");
}

std::size_t sweep_all_arenas(const std::filesystem::path& directory) {
  return sweep(directory, "troupe-");
}

}  // namespace troupe::runtime
