#include "scheduler/head_log.hpp"

#include "tests/support/file_size_limit.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

namespace troupe::scheduler {
namespace {

using test::TemporaryFolder;

HeadRecord some_record() {
  HeadRecord record;
  record.kind = HeadRecord::Kind::up;
  record.entry = {{"stage/r0.s1", 3}, "ipc:///run/a"};
  record.node = "local";
  record.slots = 4;
  record.member = {{"member/stage/r0.s1", 3}, "ipc:///run/b"};
  record.process = 4711;
  record.at = -5;
  record.cause = {runtime::FailureKind::faulted, "killed"};
  return record;
}

bool is_same(const HeadRecord& a, const HeadRecord& b) {
  return a.kind == b.kind && a.entry.actor == b.entry.actor && a.entry.endpoint == b.entry.endpoint &&
         a.node == b.node && a.slots == b.slots && a.member.actor == b.member.actor &&
         a.member.endpoint == b.member.endpoint && a.process == b.process && a.at == b.at &&
         a.cause.kind == b.cause.kind && a.cause.text == b.cause.text;
}

TEST(HeadLog, HL1_WhatWasWrittenIsThePastOfTheNext) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "head.log";
  {
    HeadLog log(file);
    EXPECT_TRUE(log.past().empty());
    log.write(some_record());
    log.write({HeadRecord::Kind::node_lost, {}, "b", 0, {}, 0, 0, {}});
    EXPECT_TRUE(log.past().empty());
  }
  HeadLog log(file);
  ASSERT_EQ(log.past().size(), 2U);
  EXPECT_TRUE(is_same(log.past()[0], some_record()));
  EXPECT_EQ(log.past()[1].node, "b");
}

TEST(HeadLog, HL1_ATornLastRecordIsNotOfThePast) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "head.log";
  {
    HeadLog log(file);
    log.write(some_record());
    log.write(some_record());
  }
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 3);
  EXPECT_EQ(HeadLog(file).past().size(), 1U);
}

TEST(HeadLog, WhatCannotBeWrittenStopsTheHead) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "head.log";
  HeadLog log(file);
  const test::FileSizeLimit full(60);
  EXPECT_THROW(log.write(some_record()), std::runtime_error);
  EXPECT_THROW(HeadLog{file}, std::runtime_error) << "another one writes it";
}

TEST(HeadLog, ARecordThatIsNoneIsRefused) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "head.log";
  {
    const auto nothing = [](std::span<const std::byte>) -> runtime::Result<runtime::Done> { return runtime::Done{}; };
    runtime::RecordLog log = runtime::RecordLog::open(file, nothing).value().log;
    const std::string text = "no record of a head";
    EXPECT_TRUE(log.append(std::as_bytes(std::span(text.data(), text.size())), runtime::RecordLog::Durable::no));
  }
  EXPECT_THROW(HeadLog{file}, std::runtime_error);
}

}  // namespace
}  // namespace troupe::scheduler
