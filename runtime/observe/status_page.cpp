#include "runtime/observe/status_page.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

namespace troupe::runtime {
namespace {

constexpr std::uint64_t kPageMagic = 0x3453'4554'5055'4F52ULL;  // "ROUPETS4"
constexpr std::size_t kWords = 254;                             // of a snapshot
constexpr std::size_t kReadAttempts = 1000;

/// One published snapshot as atomic words: a reader in another process may look at any time, and sees by the number,
/// before and after, whether what it read is whole (0 = never written, or being written).
struct Slot {
  std::atomic<std::uint64_t> number;
  std::atomic<std::uint64_t> words[kWords];
};

/// Two slots in turn: a writer that is killed while it publishes leaves the snapshot before.
struct Page {
  std::atomic<std::uint64_t> magic;
  std::atomic<std::uint64_t> reserved;
  Slot slots[2];
  FlightEntry flight[64];
};
static_assert(sizeof(Page) == 2 * 4096);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "pages are shared between processes");

/// The snapshot without its pointers.
struct Flat {
  std::uint64_t handled, stale_rejected, dead_letters, dropped;
  std::int64_t updated_ns, busy_since_ns;
  std::uint32_t incarnation, queued, step, micro_batch, epoch;
  std::int32_t process;
  std::uint8_t status, phase;
  char name[208];
  char last_message[96];
  char failure[1400];
};
static_assert(sizeof(Flat) <= sizeof(Slot::words));

template <std::size_t N>
void put_text(char (&field)[N], const std::string& text) {
  const std::size_t length = std::min(text.size(), N - 1);
  std::memcpy(field, text.data(), length);
  field[length] = '\0';
}

template <std::size_t N>
std::string get_text(const char (&field)[N]) {
  return {field, strnlen(field, N)};
}

Flat flatten(const Snapshot& snapshot) {
  Flat flat{};
  flat.handled = snapshot.handled;
  flat.stale_rejected = snapshot.stale_rejected;
  flat.dead_letters = snapshot.dead_letters;
  flat.dropped = snapshot.dropped;
  flat.updated_ns = snapshot.updated_ns;
  flat.busy_since_ns = snapshot.busy_since_ns;
  flat.incarnation = snapshot.actor.incarnation;
  flat.queued = snapshot.queued;
  flat.step = snapshot.step;
  flat.micro_batch = snapshot.micro_batch;
  flat.epoch = snapshot.epoch;
  flat.process = snapshot.process;
  flat.status = static_cast<std::uint8_t>(snapshot.status);
  flat.phase = static_cast<std::uint8_t>(snapshot.phase);
  put_text(flat.name, snapshot.actor.name);
  put_text(flat.last_message, snapshot.last_message);
  put_text(flat.failure, snapshot.failure);
  return flat;
}

std::optional<Snapshot> unflatten(const Flat& flat) {
  const bool known = flat.status >= 1 && flat.status <= static_cast<std::uint8_t>(ActorStatus::failed) &&
                     flat.phase <= static_cast<std::uint8_t>(Phase::load);
  if (!known) return std::nullopt;
  Snapshot snapshot;
  snapshot.actor = {get_text(flat.name), flat.incarnation};
  snapshot.status = static_cast<ActorStatus>(flat.status);
  snapshot.process = flat.process;
  snapshot.queued = flat.queued;
  snapshot.handled = flat.handled;
  snapshot.stale_rejected = flat.stale_rejected;
  snapshot.dead_letters = flat.dead_letters;
  snapshot.dropped = flat.dropped;
  snapshot.phase = static_cast<Phase>(flat.phase);
  snapshot.step = flat.step;
  snapshot.micro_batch = flat.micro_batch;
  snapshot.epoch = flat.epoch;
  snapshot.updated_ns = flat.updated_ns;
  snapshot.busy_since_ns = flat.busy_since_ns;
  snapshot.last_message = get_text(flat.last_message);
  snapshot.failure = get_text(flat.failure);
  return snapshot;
}

std::uint64_t newest_number(const Page& page) {
  return std::max(page.slots[0].number.load(std::memory_order_acquire),
                  page.slots[1].number.load(std::memory_order_acquire));
}

std::optional<Snapshot> read_page(const Page& page) {
  if (page.magic.load() != kPageMagic) return std::nullopt;
  for (std::size_t attempt = 0; attempt < kReadAttempts; ++attempt) {
    const Slot& slot = page.slots[newest_number(page) % 2];
    const std::uint64_t before = slot.number.load(std::memory_order_acquire);
    if (before == 0) continue;
    std::uint64_t words[kWords];
    // Acquire, so that the number is read again after the last word.
    for (std::size_t i = 0; i < kWords; ++i) words[i] = slot.words[i].load(std::memory_order_acquire);
    if (slot.number.load(std::memory_order_relaxed) != before) continue;
    Flat flat{};
    std::memcpy(&flat, words, sizeof flat);
    return unflatten(flat);
  }
  return std::nullopt;  // nothing published yet
}

/// A page of another process, for as long as it is looked at.
class PageView {
public:
  [[nodiscard]] static std::optional<PageView> open(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return std::nullopt;
    struct stat info {};
    const bool whole = fstat(descriptor, &info) == 0 && info.st_size >= static_cast<off_t>(sizeof(Page));
    void* mapping = whole ? mmap(nullptr, sizeof(Page), PROT_READ, MAP_SHARED, descriptor, 0) : MAP_FAILED;
    close(descriptor);
    if (mapping == MAP_FAILED) return std::nullopt;
    return PageView(mapping);
  }
  ~PageView() {
    if (mapping_ != nullptr) munmap(mapping_, sizeof(Page));
  }
  PageView(PageView&& other) noexcept : mapping_(std::exchange(other.mapping_, nullptr)) {}
  PageView& operator=(PageView&&) = delete;

  const Page& operator*() const { return *static_cast<const Page*>(mapping_); }

private:
  explicit PageView(void* mapping) : mapping_(mapping) {}
  void* mapping_;
};

std::string file_name(const ActorId& actor) {
  std::string name = actor.name;
  std::replace(name.begin(), name.end(), '/', '_');
  return name + "." + std::to_string(actor.incarnation) + ".status";
}

Failure cannot(const std::string& what, const std::filesystem::path& path) {
  return {FailureKind::faulted, "cannot " + what + " status page " + path.string() + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<StatusPage>> StatusPage::open(const std::filesystem::path& directory, const ActorId& actor) {
  const std::filesystem::path path = directory / file_name(actor);
  // A page of the same name may be mapped by readers, and to shorten it would be their SIGBUS: the new one is made
  // aside, in full, and takes the name when it is whole.
  // Its name there is no other thread's: two nodes of one process may make a page of the same name at the same time.
  const std::filesystem::path aside = path.string() + ".new." + std::to_string(gettid());
  const int descriptor = ::open(aside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) return cannot("make", path);
  // Allocated now, so that a full disk is an error here and not a SIGBUS later.
  const int allocated = posix_fallocate(descriptor, 0, sizeof(Page));
  void* mapping =
      allocated == 0 ? mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0) : MAP_FAILED;
  if (allocated != 0) errno = allocated;
  Failure failure = mapping == MAP_FAILED ? cannot("map", path) : Failure{};
  close(descriptor);
  std::unique_ptr<StatusPage> page(mapping == MAP_FAILED ? nullptr : new StatusPage(mapping));
  if (page && std::rename(aside.c_str(), path.c_str()) == 0) return page;
  if (page) failure = cannot("name", path);
  ::unlink(aside.c_str());
  return failure;
}

StatusPage::StatusPage(void* mapping) : mapping_(mapping) {
  static_cast<Page*>(mapping_)->magic.store(kPageMagic);
}

StatusPage::~StatusPage() {
  munmap(mapping_, sizeof(Page));
}

void StatusPage::publish(const Snapshot& snapshot) {
  Page& page = *static_cast<Page*>(mapping_);
  const Flat flat = flatten(snapshot);
  std::uint64_t words[kWords] = {};
  std::memcpy(words, &flat, sizeof flat);
  const std::uint64_t number = newest_number(page) + 1;
  Slot& slot = page.slots[number % 2];
  slot.number.store(0, std::memory_order_relaxed);
  // Release, so that whoever sees a new word sees the number gone.
  for (std::size_t i = 0; i < kWords; ++i) slot.words[i].store(words[i], std::memory_order_release);
  slot.number.store(number, std::memory_order_release);
}

std::span<FlightEntry> StatusPage::flight() {
  return static_cast<Page*>(mapping_)->flight;
}

std::vector<Snapshot> read_status_pages(const std::filesystem::path& directory) {
  std::vector<Snapshot> snapshots;
  std::error_code error;
  // Not a range for: its ++ throws where a network file system fails in the middle.
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::filesystem::path path = at->path();
    if (path.extension() != ".status") continue;
    if (const std::optional<PageView> page = PageView::open(path)) {
      if (const std::optional<Snapshot> snapshot = read_page(**page)) snapshots.push_back(*snapshot);
    }
  }
  std::sort(snapshots.begin(), snapshots.end(), [](const Snapshot& a, const Snapshot& b) {
    return a.actor.name != b.actor.name ? a.actor.name < b.actor.name : a.actor.incarnation < b.actor.incarnation;
  });
  return snapshots;
}

std::optional<Snapshot> read_status_page(const std::filesystem::path& directory, const ActorId& actor) {
  const std::optional<PageView> page = PageView::open(directory / file_name(actor));
  return page ? read_page(**page) : std::nullopt;
}

std::vector<FlightRecord> read_flight(const std::filesystem::path& directory, const ActorId& actor) {
  const std::optional<PageView> page = PageView::open(directory / file_name(actor));
  if (!page || (**page).magic.load() != kPageMagic) return {};
  return FlightRecorder::read_flight((**page).flight);
}

}  // namespace troupe::runtime
