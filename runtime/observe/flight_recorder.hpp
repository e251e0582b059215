#pragma once

#include "runtime/message/mail.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::runtime {

/// One message that an actor took from its mailbox.
struct FlightRecord {
  std::uint64_t number = 0;                   ///< of the actor's messages, from 1
  std::int64_t began_ns = 0;                  ///< when its turn began, CLOCK_MONOTONIC
  std::string message;                        ///< its name, at most kFlightNameBytes of it
  std::uint64_t sender = 0;                   ///< name_hash() of who sent it; 0 = nobody with a name
  std::uint64_t cause = 0;                    ///< Header::cause
  std::uint32_t step = 0;                     ///< Header::step
  std::uint32_t micro_batch = 0;              ///< Header::micro_batch, its lower 24 bits
  EnvelopeKind kind = EnvelopeKind::message;  ///< Header::kind

  bool operator==(const FlightRecord&) const = default;
};

/// As much of a message's name as a record keeps.
inline constexpr std::size_t kFlightNameBytes = NameWords::kBytes;

/// A record as it lies in memory that others may read at any time: a cache line of atomic words.
struct FlightEntry {
  std::atomic<std::uint64_t> number;                ///< 0 = never written, or being written
  std::array<std::atomic<std::uint64_t>, 7> words;  ///< the record's other fields
};
static_assert(sizeof(FlightEntry) == 64);

/// The last messages of one actor, as an aircraft's flight recorder has the last hours: it is always on, and read when
/// something has gone wrong. In the memory of a StatusPage it is still there when the process was killed.
///
/// Thread-safety: note() from the actor's turn; read() from any thread, or of a shared mapping from any process.
/// Ownership:     owns its entries, or borrows those of a page that outlives it.
/// Errors:        none.
/// Restart:       each incarnation has its own.
///
/// FR-1  read() gives the last messages noted, oldest first, each as it was noted or not at all.
/// FR-2  A note() that was cut off by the end of its process spoils no other record.
class FlightRecorder {
public:
  /// With memory of its own for that many records.
  explicit FlightRecorder(std::size_t entries)
      : own_(std::make_unique<FlightEntry[]>(entries)), entries_(own_.get(), entries) {}
  /// In memory that outlives it, a page's.
  explicit FlightRecorder(std::span<FlightEntry> entries) : entries_(entries) {}

  /// A message was taken at `now_ns`; `number` = which one of the actor's, growing, from 1.
  void note(std::uint64_t number, std::int64_t now_ns, const Header& header, const NameWords& message) {
    FlightEntry& entry = entries_[next_];
    if (++next_ == entries_.size()) next_ = 0;
    entry.number.store(0, std::memory_order_relaxed);
    // Release, so that whoever sees a new word sees the number gone.
    const auto store = [&entry](std::size_t at, std::uint64_t word) {
      entry.words[at].store(word, std::memory_order_release);
    };
    store(0, static_cast<std::uint64_t>(now_ns));
    store(1, header.sender);
    store(2, header.cause);
    store(3, std::uint64_t{header.step} << kStepShift | (header.micro_batch & kMicroBatchMask) << kMicroBatchShift |
                 static_cast<std::uint64_t>(header.kind));
    for (std::size_t i = 0; i < message.words.size(); ++i) store(kNameAt + i, message.words[i]);
    entry.number.store(number, std::memory_order_release);
  }
  /// What it holds, oldest first.
  [[nodiscard]] std::vector<FlightRecord> read() const { return read_flight(entries_); }

  /// The same of entries that another process may be writing.
  [[nodiscard]] static std::vector<FlightRecord> read_flight(std::span<const FlightEntry> entries);

private:
  static constexpr unsigned kStepShift = 32;
  static constexpr unsigned kMicroBatchShift = 8;
  static constexpr std::uint64_t kMicroBatchMask = 0xFFFFFF;
  static constexpr std::size_t kNameAt = 4;
  [[nodiscard]] static std::optional<FlightRecord> read_entry(const FlightEntry& entry);

  std::unique_ptr<FlightEntry[]> own_;
  std::span<FlightEntry> entries_;
  std::size_t next_ = 0;
};

}  // namespace troupe::runtime
