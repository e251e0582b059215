#pragma once

#include "runtime/directory.hpp"
#include "runtime/failure.hpp"
#include "runtime/store/record_log.hpp"

#include <cereal/types/string.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::scheduler {

/// One thing that a head has done or learned and that the next one has to know.
struct HeadRecord {
  static constexpr std::string_view kName = "head.record";
  enum class Kind : unsigned char {
    leads = 1,        ///< a head begins: `entry`
    node_joined = 2,  ///< `node` with its agent `entry` and its `slots`
    node_lost = 3,    ///< `node`
    starting = 4,     ///< the incarnation of `entry` is given out, for a start on `node`
    up = 5,           ///< `entry` lives, with `member` in the same `process`
    down = 6,         ///< `entry` is dead, since `at` and for `cause`
  };
  Kind kind = Kind::leads;
  runtime::DirectoryEntry entry;
  std::string node;
  std::uint32_t slots = 0;
  runtime::DirectoryEntry member;
  std::int64_t process = 0;
  std::int64_t at = 0;  ///< nanoseconds of the steady clock, which the processes of one machine share until it boots
  runtime::Failure cause;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(kind, entry, node, slots, member, process, at, cause);
  }
};

/// head.log of the run: what a head wrote before it acted on it, for the one that follows it.
///
/// Thread-safety: single owner thread.
/// Ownership:     owns the file (runtime/store/record_log.hpp).
/// Errors:        the constructor throws std::runtime_error when the file cannot be opened, belongs to another process,
///                or holds what this version does not read; write() throws std::runtime_error when it cannot be
///                written: a head must not give out a number that the next one would give out again.
/// Restart:       what this is for.
///
/// HL-1  past() is what was written before, in order.
class HeadLog final {
public:
  explicit HeadLog(const std::filesystem::path& file);

  /// Of earlier heads; empty for the first.
  [[nodiscard]] const std::vector<HeadRecord>& past() const { return past_; }
  /// Handed to the system before it returns: it outlives this process. Not the machine, and need not: with the machine
  /// end the processes that this is about.
  void write(const HeadRecord& record);

private:
  struct Content {
    std::vector<HeadRecord> past;
    runtime::RecordLog log;
  };
  explicit HeadLog(Content content) : past_(std::move(content.past)), log_(std::move(content.log)) {}
  [[nodiscard]] static Content read(const std::filesystem::path& file);

  const std::vector<HeadRecord> past_;
  runtime::RecordLog log_;
};

}  // namespace troupe::scheduler
