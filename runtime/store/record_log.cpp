#include "runtime/store/record_log.hpp"

#include "runtime/transport/crc32c.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <tuple>

namespace troupe::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied into the file as they are");

using LogHeader = std::array<std::byte, 12>;
constexpr std::size_t kRecordHead = 8;             // length, checksum
constexpr std::size_t kReplayChunk = 1024 * 1024;  // a few reads for the log of a long run

LogHeader log_header() {
  constexpr std::array<char, 8> kMagic = {'T', 'R', 'O', 'U', 'P', 'E', 'L', 'G'};
  constexpr std::uint32_t kVersion = 1;
  LogHeader header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  std::memcpy(header.data() + kMagic.size(), &kVersion, sizeof(kVersion));
  return header;
}

std::uint32_t number_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + offset, sizeof(number));
  return number;
}

Failure call_failed(const std::string& what) {
  return Failure{FailureKind::faulted, what + ": " + std::strerror(errno)};
}

/// False with errno.
bool write_whole(int descriptor, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t wrote = pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote == 0) errno = ENOSPC;
    if (wrote <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return true;
}

bool sync_folder_of(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = fsync(descriptor) == 0;
  const int error = errno;
  close(descriptor);
  errno = error;
  return synced;
}

/// A file read from a place on, in large pieces.
///
/// Thread-safety: single owner thread.
/// Ownership:     borrows the descriptor.
/// Errors:        failed() says that a read failed; errno then says why.
/// Restart:       made for one replay.
class LogReader final {
public:
  LogReader(int descriptor, std::uint64_t offset) : descriptor_(descriptor), offset_(offset) {}

  /// The next bytes, at most `count`, less at the end of the file or when failed().
  std::span<const std::byte> peek(std::size_t count) {
    if (window_.size() - used_ < count) fill(count);
    return std::span(window_).subspan(used_, std::min(count, window_.size() - used_));
  }
  void skip(std::size_t count) {
    used_ += count;
    offset_ += count;
  }
  /// Of what peek() shows next.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] bool failed() const { return failed_; }

private:
  void fill(std::size_t count) {
    window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ = 0;
    std::size_t have = window_.size();
    window_.resize(std::max(count, kReplayChunk));
    while (have < count) {
      const ssize_t got =
          pread(descriptor_, window_.data() + have, window_.size() - have, static_cast<off_t>(offset_ + have));
      if (got < 0 && errno == EINTR) continue;
      failed_ = got < 0;
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    window_.resize(have);
  }

  const int descriptor_;
  std::uint64_t offset_;
  std::vector<std::byte> window_;
  std::size_t used_ = 0;
  bool failed_ = false;
};

/// The payload of the record that comes next; nothing when it is not whole.
std::optional<std::span<const std::byte>> next_payload(LogReader& reader) {
  const std::span<const std::byte> head = reader.peek(kRecordHead);
  if (head.size() < kRecordHead) return std::nullopt;
  const std::uint32_t length = number_at(head, 0);
  if (length > RecordLog::kMaxRecord) return std::nullopt;
  const std::span<const std::byte> record = reader.peek(kRecordHead + length);
  if (record.size() < kRecordHead + length) return std::nullopt;
  const std::span<const std::byte> payload = record.subspan(kRecordHead);
  const std::uint32_t sum = crc32c(payload, crc32c(record.first(sizeof(length))));
  return sum == number_at(record, sizeof(length)) ? std::optional(payload) : std::nullopt;
}

Result<Replayed> replay(int descriptor, const std::filesystem::path& path, const RecordLog::OnRecord& on_record,
                        std::uint64_t size) {
  Replayed replayed;
  LogReader reader(descriptor, std::tuple_size_v<LogHeader>);
  while (const auto payload = next_payload(reader)) {
    if (const Result<Done> taken = on_record(*payload); !taken) {
      return taken.failure().within("record " + std::to_string(replayed.records + 1) + " of " + path.string());
    }
    reader.skip(kRecordHead + payload->size());
    ++replayed.records;
  }
  if (reader.failed()) return call_failed("cannot read " + path.string());
  replayed.cut_bytes = size - reader.offset();
  replayed.in_words = "replayed " + std::to_string(replayed.records) + " records of " + path.string();
  if (replayed.cut_bytes != 0) {
    replayed.in_words += "; what follows them at byte " + std::to_string(reader.offset()) + ", " +
                         std::to_string(replayed.cut_bytes) +
                         " bytes, was torn by a crash or is damaged, and has been cut off";
  }
  return replayed;
}

/// Makes the header, where there is none or only a part of it: then nothing was ever appended.
Result<Done> start_log(int descriptor, const std::filesystem::path& path) {
  const LogHeader header = log_header();
  const bool made = write_whole(descriptor, header, 0) && fsync(descriptor) == 0 && sync_folder_of(path);
  if (made) return Done{};
  return call_failed("cannot start the log " + path.string());
}

/// The length of the file, with a whole header of ours; a failure when it is another's.
Result<std::uint64_t> require_log(int descriptor, const std::filesystem::path& path) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return call_failed("cannot look at " + path.string());
  if (!S_ISREG(info.st_mode)) return Failure{FailureKind::unknown, path.string() + " is not a file"};
  const auto size = static_cast<std::uint64_t>(info.st_size);
  LogReader reader(descriptor, 0);
  const LogHeader wanted = log_header();
  const std::span<const std::byte> found = reader.peek(wanted.size());
  if (reader.failed()) return call_failed("cannot read " + path.string());
  if (!std::equal(found.begin(), found.end(), wanted.begin())) {
    return Failure{FailureKind::unknown, path.string() +
                                             " is not a log, or not of this version of the program: use the version "
                                             "that wrote it, or move the file away"};
  }
  if (found.size() == wanted.size()) return size;
  if (Result<Done> started = start_log(descriptor, path); !started) return started.failure();
  return wanted.size();
}

}  // namespace

Result<RecordLog::Opened> RecordLog::open(const std::filesystem::path& path, const OnRecord& on_record) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
  if (descriptor < 0) return call_failed("cannot open the log " + path.string());
  RecordLog log(path, descriptor, 0);  // closes it from here on
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return call_failed("cannot lock the log " + path.string());
    return Failure{FailureKind::unknown, "another process writes the log " + path.string() +
                                             ": end it first, or use another folder for this run"};
  }
  const Result<std::uint64_t> size = require_log(descriptor, path);
  if (!size) return size.failure();
  const Result<Replayed> replayed = replay(descriptor, path, on_record, *size);
  if (!replayed) return replayed.failure();
  log.end_ = *size - replayed->cut_bytes;
  // Synced also when nothing is cut: the last records may have been appended without it, and who has seen them here
  // acts on them.
  if ((replayed->cut_bytes != 0 && ftruncate(descriptor, static_cast<off_t>(log.end_)) != 0) ||
      fdatasync(descriptor) != 0) {
    return call_failed("cannot cut the torn end of the log " + path.string());
  }
  return Opened{std::move(log), *replayed};
}

RecordLog::RecordLog(std::filesystem::path path, int descriptor, std::uint64_t end)
    : path_(std::move(path)), descriptor_(descriptor), end_(end) {}

RecordLog::RecordLog(RecordLog&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      end_(other.end_),
      record_(std::move(other.record_)),
      broken_(std::move(other.broken_)) {}

RecordLog::~RecordLog() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<Done> RecordLog::append(std::span<const std::byte> payload, Durable durable) {
  if (broken_) return *broken_;
  if (payload.size() > kMaxRecord) {
    return Failure{FailureKind::unknown, "a record of " + std::to_string(payload.size()) + " bytes is too long for " +
                                             path_.string() + ": " + std::to_string(kMaxRecord) + " at most"};
  }
  const auto length = static_cast<std::uint32_t>(payload.size());
  record_.resize(kRecordHead + payload.size());
  std::memcpy(record_.data(), &length, sizeof(length));
  const std::uint32_t sum = crc32c(payload, crc32c(std::span(record_).first(sizeof(length))));
  std::memcpy(record_.data() + sizeof(length), &sum, sizeof(sum));
  std::copy(payload.begin(), payload.end(), record_.begin() + kRecordHead);
  if (!write_whole(descriptor_, record_, end_)) return give_up("cannot write to");
  // Never tried again: after a failure the system may have dropped the bytes, and the next call would succeed.
  if (durable == Durable::yes && fdatasync(descriptor_) != 0) return give_up("cannot bring to the disk");
  end_ += record_.size();
  return Done{};
}

Failure RecordLog::give_up(const std::string& what) {
  broken_ = Failure{FailureKind::faulted,
                    what + " the log " + path_.string() + ": " + std::strerror(errno) +
                        "; it is not written to any more: make room or mend the disk, then start again from the same "
                        "folder"};
  return *broken_;
}

}  // namespace troupe::runtime
