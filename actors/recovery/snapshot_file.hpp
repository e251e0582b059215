#pragma once

#include "runtime/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::actors {

/// A stage's newest two states in its node's shared memory, where they outlive its process.
///
/// Thread-safety: single owner thread; one process at a time has a file open.
/// Ownership:     owns the mapping; the file belongs to the node's agent, which removes it with its folder.
/// Errors:        open() says why there is none: no room (it is reserved before it is used: no SIGBUS), no such folder.
///                A file of another job, or a damaged one, begins empty.
/// Restart:       what was sealed is there again.
///
/// SF-1  Only whole states are found: a buffer is unsealed before its first byte is written, and read() checks what it
///       gives against the digest.
/// SF-2  The buffer of the state that is being continued is never written to.
class SnapshotFile final {
public:
  /// `bytes` of each state; `fingerprint` of everything that must be the same for a state to be of use.
  [[nodiscard]] static runtime::Result<std::unique_ptr<SnapshotFile>> open(const std::filesystem::path& path,
                                                                           std::size_t bytes,
                                                                           std::uint64_t fingerprint);
  /// open(); without one, the log says why and what follows.
  [[nodiscard]] static std::unique_ptr<SnapshotFile> open_or_warn(const std::filesystem::path& path, std::size_t bytes,
                                                                  std::uint64_t fingerprint);
  ~SnapshotFile();
  SnapshotFile(const SnapshotFile&) = delete;
  SnapshotFile& operator=(const SnapshotFile&) = delete;

  /// Steps that are sealed, the newest first.
  [[nodiscard]] std::vector<std::uint32_t> steps() const;
  /// The buffer that does not hold `kept`, not sealed any more, to be written and then sealed.
  [[nodiscard]] std::span<std::byte> begin(std::uint32_t kept);
  /// What begin() gave holds the state of `step` now, after `updates` of the optimizer. Returns its digest.
  std::string seal(std::uint32_t step, std::uint64_t updates);

  /// The state of `step` is of no use.
  void forget(std::uint32_t step);

  struct State {
    std::span<const std::byte> bytes;  ///< valid until begin()
    std::uint64_t updates = 0;
    std::string digest;
  };
  /// The state of `step`; nothing when it is not there, or not what was sealed.
  [[nodiscard]] std::optional<State> read(std::uint32_t step) const;

private:
  struct Head;
  struct Slot;
  SnapshotFile(std::span<std::byte> memory, std::size_t bytes);
  [[nodiscard]] Head& head() const;
  [[nodiscard]] std::span<std::byte> buffer(std::size_t slot) const;

  const std::span<std::byte> memory_;
  const std::size_t bytes_;
  std::size_t open_slot_ = 0;
};

}  // namespace troupe::actors
