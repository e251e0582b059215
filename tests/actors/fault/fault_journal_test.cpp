#include "actors/fault/fault_journal.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <unistd.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <fstream>
#include <limits>

namespace troupe::actors {
namespace {

FaultRule journal_rule(std::string_view text = "kill9 stage/r0.s1 @step=20,phase=backward") {
  return parse_fault_rule(text).value();
}

const FaultMoment kMoment{"stage/r0.s1", 1, 20, "backward", 5};

TEST(FaultJournal, FJ1_TheLineSaysWhatStruckWhomAndWhen) {
  const test::TemporaryFolder folder;
  const FaultJournal journal{folder.path() / "faults.jsonl", 0};
  const std::int64_t before = std::chrono::steady_clock::now().time_since_epoch().count();
  journal.note(journal_rule(), kMoment);
  std::ifstream in(journal.file);
  std::string text;
  ASSERT_TRUE(std::getline(in, text));
  const auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["rule"], "kill9 stage/r0.s1 @step=20,phase=backward");
  EXPECT_EQ(line["actor"], "stage/r0.s1");
  EXPECT_EQ(line["incarnation"], 1);
  EXPECT_EQ(line["pid"], getpid());
  EXPECT_GE(line["monotonic_ns"].get<std::int64_t>(), before);
  EXPECT_EQ(line["step"], 20);
  EXPECT_EQ(line["at"], "backward");
  EXPECT_EQ(line["micro_batch"], 5);
}

TEST(FaultJournal, FJ2_KnowsWhatHasFiredSinceTheBeginning) {
  const test::TemporaryFolder folder;
  const FaultJournal journal{folder.path() / "faults.jsonl", 0};
  EXPECT_FALSE(journal.has_fired(journal_rule()));
  journal.note(journal_rule(), kMoment);
  std::ofstream(journal.file, std::ios::app) << "no line\n{\"rule\":3}\n[]\n{\"torn";
  EXPECT_TRUE(journal.has_fired(journal_rule()));
  EXPECT_FALSE(journal.has_fired(journal_rule("kill9 stage/r0.s1 @step=21,phase=backward")));
  const FaultJournal later{journal.file, std::numeric_limits<std::int64_t>::max()};
  EXPECT_FALSE(later.has_fired(journal_rule()));
}

TEST(FaultJournal, FJ1_AFaultThatCannotBeNotedIsAnError) {
  const test::TemporaryFolder folder;
  const FaultJournal journal{folder.path() / "absent" / "faults.jsonl", 0};
  EXPECT_THROW(journal.note(journal_rule(), kMoment), std::runtime_error);
  FaultJournal{}.note(journal_rule(), kMoment);  // without a file nothing is to be noted
}

}  // namespace
}  // namespace troupe::actors
