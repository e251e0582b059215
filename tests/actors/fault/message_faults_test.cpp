#include "actors/fault/message_faults.hpp"

#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace troupe::actors {
namespace {

using runtime::FrameFault;

FaultPlan message_plan(const std::vector<std::string>& texts, const std::filesystem::path& file) {
  std::vector<FaultRule> rules;
  for (const std::string& text : texts) rules.push_back(parse_fault_rule(text).value());
  return FaultPlan(std::move(rules), FaultJournal{file, 0});
}

TEST(MessageFaults, AreThoseOfTheActorAndItsIncarnation) {
  const FaultPlan plan =
      message_plan({"drop stage/r0.s1 @rate=0.1,seed=4", "delay(20) stage/r0.s1 @rate=0.2,incarnation=2",
                    "dup stage/r0.s0 @rate=0.3", "kill9 stage/r0.s1 @step=1,phase=idle"},
                   "");
  const auto first = faults_of_messages(plan, {"stage/r0.s1", 1}).rules;
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].fault, FrameFault::drop);
  EXPECT_EQ(first[0].rate, 0.1);
  EXPECT_EQ(first[0].seed, 4U);
  const auto second = faults_of_messages(plan, {"stage/r0.s1", 2}).rules;
  ASSERT_EQ(second.size(), 2U);
  EXPECT_EQ(second[1].fault, FrameFault::delay);
  EXPECT_EQ(second[1].by, std::chrono::milliseconds(20));
  EXPECT_TRUE(faults_of_messages(plan, {"data/r0", 1}).rules.empty());
}

TEST(MessageFaults, HaveAFaultForEachAction) {
  const std::pair<std::string, FrameFault> names[] = {{"drop", FrameFault::drop},
                                                      {"dup", FrameFault::duplicate},
                                                      {"reorder", FrameFault::reorder},
                                                      {"corrupt", FrameFault::corrupt},
                                                      {"delay(1)", FrameFault::delay}};
  for (const auto& [name, fault] : names) {
    const FaultPlan plan = message_plan({name + " trainer @rate=0.5"}, "");
    EXPECT_EQ(faults_of_messages(plan, {"trainer", 1}).rules.at(0).fault, fault) << name;
  }
}

TEST(MessageFaults, EachStrikeThatIsToldIsInTheJournal) {
  const test::TemporaryFolder folder;
  const auto file = folder.path() / "faults.jsonl";
  const FaultPlan plan = message_plan({"drop stage/r0.s1 @rate=0.1"}, file);
  const runtime::FrameFaults faults = faults_of_messages(plan, {"stage/r0.s1", 3});
  faults.told(0, 1);
  faults.told(0, 2);
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  std::getline(in, line);
  EXPECT_NE(line.find("\"rule\":\"drop stage/r0.s1 @rate=0.1\""), std::string::npos) << line;
  EXPECT_NE(line.find("\"strikes\":2"), std::string::npos) << line;
}

}  // namespace
}  // namespace troupe::actors
