#pragma once

#include "runtime/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// What RecordLog::open() found in the file.
struct Replayed {
  std::uint64_t records = 0;    ///< whole records, each handed out once
  std::uint64_t cut_bytes = 0;  ///< behind the last whole record: torn by a crash, or damaged; they are gone
  /// For people, ready to be logged: "replayed 12 records of ...", and what was cut.
  std::string in_words;
};

/// A file of records that is only ever appended to: what must be known again after a crash is written here before
/// anybody acts on it.
///
///     header   8 bytes "TROUPELG", u32 version                       all numbers little-endian
///     record   u32 length of the payload, u32 CRC32C of (length, payload), the payload
///
/// A record is whole or it is not there: a crash can tear only what was being written, which is the end of the file,
/// and the next open() cuts it. The checksum covers the length too, so that zeros at the end (a file that grew, but
/// whose bytes did not reach the disk) are no record.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the file: nobody else can open it as a RecordLog while this lives, or a process forked since.
/// Errors:        values, in words with the file's name; after a failed append() every other one fails too, because
/// what
///                is on the disk then is not known: open() again, or stop.
/// Restart:       what this is for: open() gives back every record whose append() with Durable::yes succeeded, whatever
///                happened since; those without it survive a crash of the process, not of the machine.
///
/// RL-1  open() hands out the whole records in the order of append(), up to the first that is torn or damaged; that and
///       everything behind it is cut, and the result says how many bytes.
/// RL-2  A file torn at any byte, or with any bit flipped, never yields a record that was not appended.
/// RL-3  One writer at a time: a second open() of the file fails, and says so.
/// RL-4  After an append() that failed, no other succeeds; the records before it are still there.
/// RL-5  What is no log, or one of another version, is refused and left as it is.
class RecordLog final {
public:
  /// Longest payload. Bounds what a damaged length can make open() allocate.
  static constexpr std::size_t kMaxRecord = std::size_t{1} << 20;

  /// What of a record must survive.
  enum class Durable : unsigned char {
    no,   ///< handed to the system: survives the end of this process
    yes,  ///< on the disk (fdatasync) before append() returns: survives the end of the machine
  };

  /// Gets one payload, which lives for the call only. A failure stops the open() and leaves the file as it is.
  using OnRecord = std::function<Result<Done>(std::span<const std::byte> payload)>;

  struct Opened;
  /// Opens `path`, or makes it (in a folder that is there, which is synced too), and replays it. The end of the file is
  /// on the disk when this returns: a record handed out here is not lost by a later crash.
  static Result<Opened> open(const std::filesystem::path& path, const OnRecord& on_record);

  ~RecordLog();
  /// What it was moved from is good for nothing but its end.
  RecordLog(RecordLog&& other) noexcept;
  RecordLog& operator=(RecordLog&& other) noexcept = delete;
  RecordLog(const RecordLog&) = delete;
  RecordLog& operator=(const RecordLog&) = delete;

  /// Adds a record of at most kMaxRecord bytes (a longer one is refused, and harms nothing). A failure leaves open
  /// whether the record will be there after the next open(): all of it, or nothing.
  Result<Done> append(std::span<const std::byte> payload, Durable durable);

  /// Length of the file up to the last record, in bytes.
  [[nodiscard]] std::uint64_t size() const { return end_; }
  /// Of the file.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
  RecordLog(std::filesystem::path path, int descriptor, std::uint64_t end);
  Failure give_up(const std::string& what);

  std::filesystem::path path_;     // constant after construction
  int descriptor_ = -1;            // constant after construction; -1 in what was moved from
  std::uint64_t end_ = 0;          // where the next record goes
  std::vector<std::byte> record_;  // of one append(), kept for its memory
  std::optional<Failure> broken_;  // set once
};

/// A log that is ready to be appended to, and what was in it.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the log.
/// Errors:        none.
/// Restart:       see RecordLog.
struct RecordLog::Opened {
  RecordLog log;      ///< ready to be appended to
  Replayed replayed;  ///< what was in it
};

}  // namespace troupe::runtime
