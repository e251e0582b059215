#include "scheduler/event_log.hpp"

#include "tests/support/file_size_limit.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace troupe::scheduler {
namespace {

using nlohmann::json;
using test::FileSizeLimit;
using test::read_all;
using test::read_lines;
using test::TemporaryFolder;

/// A clock whose hands the test turns.
class HandClock final : public runtime::Clock {
public:
  [[nodiscard]] runtime::TimePoint now() const override { return time; }
  runtime::TimePoint time{std::chrono::hours(5)};
};

/// What the log said while it lives.
class CapturedLog final {
public:
  CapturedLog() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  [[nodiscard]] std::size_t count(const std::string& word) const {
    std::size_t count = 0;
    const std::string text = text_.str();
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
    return count;
  }

private:
  std::shared_ptr<spdlog::logger> before_;
  std::ostringstream text_;
};

TEST(EventLog, EL1_EveryLineIsAWholeObjectWithTimesAndEvent) {
  const TemporaryFolder folder;
  HandClock clock;
  {
    EventLog log(folder.path() / "events.jsonl", clock);
    clock.time += std::chrono::milliseconds(1500);
    log.record("actor_up", {{"actor", "stage/r0.s0"}, {"pid", 12}});
    log.record("note", {{"text", "two\nlines and \xff bytes"}});
    log.record("bare", json::object());
  }
  const std::vector<std::string> lines = read_lines(folder.path() / "events.jsonl");
  ASSERT_EQ(lines.size(), 3U);
  const json first = json::parse(lines[0]);
  EXPECT_EQ(first["event"], "actor_up");
  EXPECT_EQ(first["seconds"], 1.5);
  EXPECT_EQ(first["monotonic"], 5 * 3600 + 1.5);
  EXPECT_EQ(first["pid"], 12);
  EXPECT_TRUE(
      std::regex_match(first["time"].get<std::string>(), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
  EXPECT_TRUE(lines[0].starts_with("{\"time\":")) << "in the order people read";
  EXPECT_TRUE(json::parse(lines[1])["text"].get<std::string>().starts_with("two\nlines and "));
  EXPECT_EQ(json::parse(lines[2]).size(), 4U);
}

TEST(EventLog, EL1_LinesOfManyThreadsAreNotMixed) {
  const TemporaryFolder folder;
  const runtime::SteadyClock clock;
  constexpr int kThreads = 8;
  constexpr int kEach = 200;
  {
    EventLog log(folder.path() / "events.jsonl", clock);
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&log, thread] {
        for (int i = 0; i < kEach; ++i) log.record("e", {{"thread", thread}, {"i", i}, {"pad", std::string(300, 'x')}});
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  std::vector<int> next(kThreads, 0);
  for (const std::string& line : read_lines(folder.path() / "events.jsonl")) {
    const json event = json::parse(line);
    EXPECT_EQ(event["i"], next.at(event["thread"].get<std::size_t>())++);
  }
  EXPECT_EQ(next, std::vector<int>(kThreads, kEach));
}

TEST(EventLog, AppendsAndDropsTheTornLineOfACrash) {
  const TemporaryFolder folder;
  const runtime::SteadyClock clock;
  const auto file = folder.path() / "events.jsonl";
  { EventLog(file, clock).record("first", json::object()); }
  const std::string whole = read_all(file);
  folder.write("events.jsonl", whole + "{\"time\":\"2026-01-01T" + std::string(10'000, 'x'));
  { EventLog(file, clock).record("second", json::object()); }
  const std::vector<std::string> lines = read_lines(file);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(json::parse(lines[0])["event"], "first");
  EXPECT_EQ(json::parse(lines[1])["event"], "second");
  folder.write("torn_only", "{\"tim");
  { EventLog(folder.path() / "torn_only", clock).record("third", json::object()); }
  EXPECT_EQ(read_lines(folder.path() / "torn_only").size(), 1U);
}

TEST(EventLog, AFullDeviceIsReportedOnceAndStopsNothing) {
  const CapturedLog said;
  const runtime::SteadyClock clock;
  EventLog log("/dev/full", clock);
  for (int i = 0; i < 5; ++i) log.record("lost", {{"i", i}});
  EXPECT_EQ(said.count("event=event_log_failed"), 1U);
  EXPECT_EQ(said.count("No space left on device"), 1U);
  EXPECT_EQ(said.count("lost=\"lost\""), 1U);
}

TEST(EventLog, EL1_ADiskThatFillsUpInTheMiddleOfALineLeavesNoTornLine) {
  const TemporaryFolder folder;
  const CapturedLog said;
  const runtime::SteadyClock clock;
  const auto file = folder.path() / "events.jsonl";
  EventLog log(file, clock);
  log.record("before", json::object());
  {
    const FileSizeLimit limit(std::filesystem::file_size(file) + 40);  // room for half a line
    log.record("half", {{"pad", std::string(100, 'x')}});
    log.record("half", {{"pad", std::string(100, 'x')}});
  }
  log.record("after", json::object());
  const std::vector<std::string> lines = read_lines(file);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(json::parse(lines[0])["event"], "before");
  EXPECT_EQ(json::parse(lines[1])["event"], "after");
  EXPECT_EQ(said.count("event=event_log_failed"), 1U);
}

TEST(EventLog, AFileThatCannotBeOpenedIsAnError) {
  const runtime::SteadyClock clock;
  try {
    EventLog log("/nowhere/at/all/events.jsonl", clock);
    ADD_FAILURE() << "it was opened";
  } catch (const std::runtime_error& refused) {
    EXPECT_STREQ(refused.what(), "cannot open /nowhere/at/all/events.jsonl: No such file or directory");
  }
}

}  // namespace
}  // namespace troupe::scheduler
