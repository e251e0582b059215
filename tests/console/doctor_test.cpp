#include "console/view/doctor.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace troupe::console {
namespace {

using Verdict = Check::Verdict;

constexpr std::uint64_t kGiB = 1024ULL * 1024 * 1024;

MachineFacts good_machine() {
  MachineFacts facts;
  facts.cores = 8;
  facts.memory_available = 16 * kGiB;
  facts.shared_memory_free = 4 * kGiB;
  facts.open_files = 4096;
  facts.disk_free = 100 * kGiB;
  facts.clock_step_ns = 1;
  facts.libtorch = "/lib/libtorch_cpu.so";
  return facts;
}

Verdict verdict_of(const MachineFacts& facts, const std::string& name) {
  for (const Check& check : judge_machine(facts)) {
    if (check.name == name) return check.verdict;
  }
  ADD_FAILURE() << "no check " << name;
  return Verdict::ok;
}

TEST(Doctor, AGoodMachinePassesEverything) {
  for (const Check& check : judge_machine(good_machine())) {
    EXPECT_EQ(check.verdict, Verdict::ok) << check.name;
    EXPECT_FALSE(check.found.empty()) << check.name;
    EXPECT_TRUE(check.advice.empty()) << check.name;
  }
  EXPECT_FALSE(has_failure(judge_machine(good_machine())));
}

TEST(Doctor, DR1_OnlyWhatMakesARunImpossibleFails) {
  struct Case {
    const char* check;
    Verdict verdict;
    void (*spoil)(MachineFacts&);
  };
  const std::vector<Case> cases = {
      {"processor cores", Verdict::warn, [](MachineFacts& facts) { facts.cores = 1; }},
      {"free memory", Verdict::warn, [](MachineFacts& facts) { facts.memory_available = kGiB; }},
      {"free memory", Verdict::fail, [](MachineFacts& facts) { facts.memory_available = kGiB / 4; }},
      {"shared memory", Verdict::warn, [](MachineFacts& facts) { facts.shared_memory_free = 0; }},
      {"open files", Verdict::warn, [](MachineFacts& facts) { facts.open_files = 256; }},
      {"open files", Verdict::fail, [](MachineFacts& facts) { facts.open_files = 64; }},
      {"free disk", Verdict::fail, [](MachineFacts& facts) { facts.disk_free = 0; }},
      {"clock", Verdict::warn, [](MachineFacts& facts) { facts.clock_step_ns = 4'000'000; }},
      {"LibTorch", Verdict::fail, [](MachineFacts& facts) { facts.libtorch.clear(); }},
      {"data files", Verdict::warn, [](MachineFacts& facts) { facts.missing_data = {"data/bible.txt"}; }},
  };
  for (const Case& one : cases) {
    MachineFacts facts = good_machine();
    one.spoil(facts);
    EXPECT_EQ(verdict_of(facts, one.check), one.verdict) << one.check;
    EXPECT_EQ(has_failure(judge_machine(facts)), one.verdict == Verdict::fail) << one.check;
  }
}

TEST(Doctor, DR2_WhatIsNotOkSaysWhatToDo) {
  MachineFacts nothing;
  nothing.missing_data = {"data/bible.txt", "data/gpt2.tiktoken"};
  const std::vector<Check> checks = judge_machine(nothing);
  for (const Check& check : checks) {
    EXPECT_EQ(check.advice.empty(), check.verdict == Verdict::ok) << check.name;
  }
  EXPECT_NE(render_checks(checks).find("-> run ./setup"), std::string::npos);
  const auto json = nlohmann::json::parse(checks_json(checks));
  EXPECT_EQ(json.size(), checks.size());
  EXPECT_EQ(json[0]["verdict"], "fail");
}

TEST(Doctor, ThisMachineIsMeasured) {
  const MachineFacts facts = look_at_machine("/");
  EXPECT_GE(facts.cores, 1U);
  EXPECT_GT(facts.memory_available, 0U);
  EXPECT_GT(facts.open_files, 0U);
  EXPECT_GT(facts.clock_step_ns, 0U);
  EXPECT_EQ(facts.missing_data.size(), 2U);
}

}  // namespace
}  // namespace troupe::console
