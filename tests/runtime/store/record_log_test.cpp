#include "runtime/store/record_log.hpp"

#include "tests/support/file_size_limit.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::runtime {
namespace {

using test::FileSizeLimit;
using test::read_all;
using test::TemporaryFolder;
using Durable = RecordLog::Durable;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// The records of a file as texts, and what open() said.
struct Seen {
  std::vector<std::string> records;
  Replayed replayed;
};

Result<RecordLog::Opened> open_log(const std::filesystem::path& path, std::vector<std::string>& records) {
  return RecordLog::open(path, [&records](std::span<const std::byte> payload) {
    records.emplace_back(reinterpret_cast<const char*>(payload.data()), payload.size());
    return Done{};
  });
}

Seen see(const std::filesystem::path& path) {
  Seen seen;
  seen.replayed = open_log(path, seen.records).value().replayed;
  return seen;
}

/// Makes a log of these records; the length of the file after each, the first being that of the header.
std::vector<std::size_t> write_log(const std::filesystem::path& path, const std::vector<std::string>& records) {
  std::vector<std::string> none;
  RecordLog log = open_log(path, none).value().log;
  std::vector<std::size_t> ends = {log.size()};
  for (const std::string& record : records) {
    EXPECT_TRUE(log.append(bytes_of(record), Durable::no));
    ends.push_back(log.size());
  }
  EXPECT_TRUE(none.empty());
  return ends;
}

const std::vector<std::string>& three_records() {
  static const std::vector<std::string> kRecords = {"first", "", std::string("bytes\0and\nlines", 15)};
  return kRecords;
}

TEST(RecordLog, RL1_RecordsComeBackInOrder) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  std::vector<std::string> written;
  for (int i = 0; i < 500; ++i) written.push_back(std::string(static_cast<std::size_t>(i) * 37 % 9000, 'a') + "!");
  written.push_back(std::string(RecordLog::kMaxRecord, 'z'));
  written.emplace_back("the last");
  const std::size_t end = write_log(path, written).back();
  EXPECT_EQ(end, std::filesystem::file_size(path));
  const Seen seen = see(path);
  EXPECT_EQ(seen.records, written);
  EXPECT_EQ(seen.replayed.records, written.size());
  EXPECT_EQ(seen.replayed.cut_bytes, 0U);
  EXPECT_EQ(seen.replayed.in_words, "replayed 502 records of " + path.string());
}

TEST(RecordLog, RL1_GoesOnWhereItWasTorn) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  write_log(path, three_records());
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  {
    std::vector<std::string> records;
    RecordLog::Opened opened = open_log(path, records).value();
    EXPECT_EQ(opened.replayed.cut_bytes, 8U + 14U);
    EXPECT_NE(opened.replayed.in_words.find("22 bytes, was torn"), std::string::npos) << opened.replayed.in_words;
    EXPECT_TRUE(opened.log.append(bytes_of("after"), Durable::yes));
  }
  EXPECT_EQ(see(path).records, (std::vector<std::string>{"first", "", "after"}));
}

TEST(RecordLog, RL2_TornAtAnyByteItKeepsTheWholeRecords) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  const std::vector<std::size_t> ends = write_log(path, three_records());
  const std::string whole = read_all(path);
  for (std::size_t length = 0; length <= whole.size(); ++length) {
    folder.write("torn.log", whole.substr(0, length));
    std::size_t expected = 0;
    while (expected < three_records().size() && ends[expected + 1] <= length) ++expected;
    const Seen seen = see(folder.path() / "torn.log");
    EXPECT_EQ(seen.records, std::vector(three_records().begin(), three_records().begin() + expected)) << length;
    EXPECT_EQ(read_all(folder.path() / "torn.log"), whole.substr(0, ends[expected])) << "the header at least";
  }
}

TEST(RecordLog, RL2_ATornEndFilledWithZerosOrRubbishIsNoRecord) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  write_log(path, three_records());
  const std::string whole = read_all(path);
  for (const std::string& rest : {std::string(3, '\0'), std::string(8, '\0'), std::string(4096, '\0'),
                                  std::string(64, '\xff'), std::string(10, '\x01')}) {
    folder.write("torn.log", whole + rest);
    const Seen seen = see(folder.path() / "torn.log");
    EXPECT_EQ(seen.records, three_records());
    EXPECT_EQ(seen.replayed.cut_bytes, rest.size());
  }
}

TEST(RecordLog, RL2_AnyFlippedBitCutsFromItsRecordOn) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  const std::vector<std::size_t> ends = write_log(path, three_records());
  const std::string whole = read_all(path);
  for (std::size_t bit = ends[0] * 8; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    folder.write("damaged.log", damaged);
    std::size_t expected = 0;
    while (ends[expected + 1] <= bit / 8) ++expected;
    const Seen seen = see(folder.path() / "damaged.log");
    EXPECT_EQ(seen.records, std::vector(three_records().begin(), three_records().begin() + expected)) << bit;
    EXPECT_EQ(seen.replayed.cut_bytes, whole.size() - ends[expected]);
  }
}

TEST(RecordLog, RL1_WhatAKilledProcessAppendedIsThere) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  const pid_t child = fork();
  if (child == 0) {
    std::vector<std::string> none;
    auto opened = open_log(path, none);
    const bool appended =
        opened && RecordLog(std::move(opened).value().log).append(bytes_of("last words"), Durable::yes);
    raise(appended ? SIGKILL : SIGTERM);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(WTERMSIG(status), SIGKILL);
  EXPECT_EQ(see(path).records, std::vector<std::string>{"last words"});
}

TEST(RecordLog, RL3_OneWriterAtATime) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  std::vector<std::string> none;
  std::optional<RecordLog> first(open_log(path, none).value().log);
  const auto second = open_log(path, none);
  ASSERT_FALSE(second);
  EXPECT_NE(second.failure().text.find("another process writes the log " + path.string()), std::string::npos)
      << second.failure().text;
  EXPECT_TRUE(first->append(bytes_of("mine"), Durable::no));
  const RecordLog moved = std::move(*first);
  first.reset();
  EXPECT_FALSE(open_log(path, none)) << "the lock moves along";
}

TEST(RecordLog, RL3_TheNextWriterComesWhenTheFirstHasGone) {
  const TemporaryFolder folder;
  write_log(folder.path() / "a.log", {"mine"});
  EXPECT_EQ(see(folder.path() / "a.log").records, std::vector<std::string>{"mine"});
}

TEST(RecordLog, RL4_AFullDiskEndsTheLogAndHarmsNothingBefore) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  std::vector<std::string> none;
  {
    RecordLog log = open_log(path, none).value().log;
    ASSERT_TRUE(log.append(bytes_of("before"), Durable::yes));
    const std::string large(4000, 'x');
    {
      const FileSizeLimit full(1000);
      const Result<Done> refused = log.append(bytes_of(large), Durable::yes);
      ASSERT_FALSE(refused);
      EXPECT_NE(refused.failure().text.find("cannot write to the log " + path.string()), std::string::npos);
      EXPECT_NE(refused.failure().text.find("make room"), std::string::npos) << refused.failure().text;
    }
    const Result<Done> later = log.append(bytes_of("small"), Durable::no);
    ASSERT_FALSE(later) << "there is room again, but half a record lies in the way";
    EXPECT_NE(later.failure().text.find("make room"), std::string::npos);
  }
  EXPECT_EQ(see(path).records, std::vector<std::string>{"before"});
}

TEST(RecordLog, RL4_OneThatIsTooLongHarmsNothing) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  {
    std::vector<std::string> none;
    RecordLog log = open_log(path, none).value().log;
    const Result<Done> refused = log.append(bytes_of(std::string(RecordLog::kMaxRecord + 1, 'x')), Durable::no);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.failure().text.find("1048577 bytes is too long"), std::string::npos) << refused.failure().text;
    EXPECT_TRUE(log.append(bytes_of("short"), Durable::no));
  }
  EXPECT_EQ(see(path).records, std::vector<std::string>{"short"});
}

TEST(RecordLog, RL5_WhatIsNoLogIsLeftAsItIs) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  write_log(path, three_records());
  const std::string whole = read_all(path);
  std::string newer = whole;
  newer[8] = 2;
  for (const std::string& other : {std::string("{\"event\": \"x\"}\n"), std::string("TRX"), newer}) {
    folder.write("other", other);
    std::vector<std::string> records;
    const auto opened = open_log(folder.path() / "other", records);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.failure().text.find("is not a log, or not of this version"), std::string::npos);
    EXPECT_TRUE(records.empty());
    EXPECT_EQ(read_all(folder.path() / "other"), other);
  }
  std::vector<std::string> none;
  EXPECT_FALSE(open_log(folder.path(), none)) << "a folder";
  EXPECT_FALSE(open_log("/dev/zero", none));
  EXPECT_FALSE(open_log(folder.path() / "not there" / "a.log", none));
}

TEST(RecordLog, AReaderThatUnderstandsARecordNoMoreStopsTheOpen) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.log";
  write_log(path, three_records());
  const std::string whole = read_all(path) + "torn";
  folder.write("a.log", whole);
  int seen = 0;
  const auto opened = RecordLog::open(path, [&seen](std::span<const std::byte>) -> Result<Done> {
    if (++seen == 2) return Failure{FailureKind::unknown, "a record of kind 7"};
    return Done{};
  });
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.failure().text, "record 2 of " + path.string() + ": a record of kind 7");
  EXPECT_EQ(read_all(path), whole);
}

}  // namespace
}  // namespace troupe::runtime
