#pragma once

#include "runtime/message/payload.hpp"
#include "runtime/result.hpp"
#include "runtime/transport/process_mark.hpp"
#include "runtime/transport/shm_directory.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {

/// Where a payload lies in its sender's arena: what travels instead of the bytes. Offset and length in bytes, the
/// offset counted from the start of the data area.
struct BlockRef {
  std::uint32_t slot = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t generation = 0;

  bool operator==(const BlockRef&) const = default;
};

/// One mapping of an arena file, and its descriptor; both go with the object.
///
/// Thread-safety: constant after creation; what lies in the memory has its own rules.
/// Ownership:     owns descriptor and mappings.
/// Errors:        open() and create() say what failed, with the path and the system's words.
/// Restart:       gone with the process; the file's name stays until somebody removes it.
class ArenaFile {
public:
  ArenaFile() = default;
  ArenaFile(const ArenaFile&) = delete;
  ArenaFile& operator=(const ArenaFile&) = delete;
  ~ArenaFile();

  int descriptor = -1;
  std::byte* head = nullptr;  // header and slot table
  std::byte* data = nullptr;  // payloads
  std::size_t data_bytes = 0;
};

/// A sender's shared memory for payloads to processes of the same machine: lent with lend(), freed by the borrower in
/// place (a compare-and-swap on the block's state word, so no message is needed), found free again by the sender.
///
/// Thread-safety: one thread (the post office); borrowers in other processes touch only the state words.
/// Ownership:     owns the file and its name.
/// Errors:        lend() gives nothing when there is no room (then the bytes go by wire); never SIGBUS: room is
///                reserved in the file system before it is written.
/// Restart:       a new process has a new arena; the file of a killed one is removed by sweep_arenas().
///
/// AR-1  A lent block is not lent again before its borrower freed it or was taken back as dead.
/// AR-2  A borrower that comes late (its block was taken back) changes nothing: generations differ.
/// AR-3  borrow() refuses every descriptor that is not exactly a lent block inside the mapping, and lends each once.
/// AR-4  A full file system or arena is an empty answer, not a signal.
/// AR-6  A payload that was put once lies in the arena once, however many borrow it, each by a slot of its own. It is
///       never taken from under one of them, and free again when none has it, or all are taken back as dead, and the
///       payload is gone, or its room is needed.
/// AR-5  sweep_arenas() removes the files of dead owners, and no others.
class ShmArena {
public:
  /// An arena of `bytes` of payload room in `directory`, named after the job and this process.
  [[nodiscard]] static Result<std::unique_ptr<ShmArena>> create(const std::filesystem::path& directory,
                                                                std::uint64_t job, std::size_t bytes);
  ~ShmArena();
  ShmArena(const ShmArena&) = delete;
  ShmArena& operator=(const ShmArena&) = delete;

  /// File name within the directory.
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Random number in the file's header: proof that a mapping is of this very arena.
  [[nodiscard]] std::uint64_t cookie() const { return cookie_; }

  /// Copies `bytes` into a block lent to `borrower`; nothing when there is no room.
  [[nodiscard]] std::optional<BlockRef> lend(std::span<const std::byte> bytes, std::uint64_t borrower);
  /// The same; of a payload that was put once the bytes are copied for the first borrower.
  [[nodiscard]] std::optional<BlockRef> lend(const Payload& payload, std::uint64_t borrower);
  /// The borrower is dead for certain: all its blocks are free now.
  void take_back(std::uint64_t borrower);
  /// Blocks lent and not yet found free; looks at all of them.
  [[nodiscard]] std::size_t lent_blocks();
  /// Payloads that lie there once for all; after lent_blocks() only those that live or are borrowed.
  [[nodiscard]] std::size_t shared_payloads() const { return shared_.size(); }

private:
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };
  struct Shared {
    Extent extent;
    std::size_t borrowers = 0;
  };
  struct Lent {
    std::uint32_t slot = 0;
    std::uint64_t word = 0;  // generation and state as lent
    Extent extent;
    std::uint64_t borrower = 0;
    Shared* shared = nullptr;  // whose extent it is; none = its own
  };
  // By the owner of the payload, which a weak pointer tells from all that are made after it.
  using SharedPayloads = std::map<std::weak_ptr<const void>, Shared, std::owner_less<std::weak_ptr<const void>>>;
  enum class Keep : unsigned char { living, borrowed };

  ShmArena() = default;
  [[nodiscard]] Result<Done> make_file(const std::filesystem::path& directory, std::uint64_t job);
  [[nodiscard]] std::optional<Extent> find_room(std::size_t bytes);
  [[nodiscard]] std::optional<BlockRef> lend_shared(const Payload& payload, std::uint64_t borrower);
  [[nodiscard]] bool has_slot();
  BlockRef hand_out(const Extent& extent, std::size_t bytes, std::uint64_t borrower, Shared* shared);
  void drop_shared(Keep keep);
  [[nodiscard]] std::optional<std::uint64_t> carve(std::uint64_t length, std::uint64_t limit);
  [[nodiscard]] bool reserve(std::uint64_t end);
  void give_extent(Extent extent);
  void collect(std::size_t how_many);
  [[nodiscard]] std::atomic_ref<std::uint64_t> word_of(std::uint32_t slot);

  std::filesystem::path path_;
  std::string name_;
  std::uint64_t cookie_ = 0;
  std::uint64_t generation_ = 0;
  ArenaFile file_;
  std::uint64_t reserved_ = 0;                   // bytes of the data area backed by the file system
  std::map<std::uint64_t, std::uint64_t> free_;  // offset -> length, coalesced
  std::vector<std::uint32_t> free_slots_;
  std::vector<Lent> lent_;
  SharedPayloads shared_;
};

/// Another process's arena, mapped: payload bytes read-only, state words read-write.
///
/// Thread-safety: borrow() from any thread; payloads may be dropped on any thread.
/// Ownership:     payloads keep the mapping alive.
/// Errors:        open() and borrow() give a Failure for anything that does not fit.
/// Restart:       a new mapping for a new arena.
class ArenaView : public std::enable_shared_from_this<ArenaView> {
public:
  [[nodiscard]] static Result<std::shared_ptr<ArenaView>> open(const std::filesystem::path& directory,
                                                               const std::string& name, std::uint64_t cookie);
  /// The payload at `block`, without a copy; the block is freed when the last handle of it goes.
  [[nodiscard]] Result<Payload> borrow(const BlockRef& block);

private:
  ArenaFile file_;
};

}  // namespace troupe::runtime
