#include "console/view/selection.hpp"

#include "console/exit_codes.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace troupe::console {
namespace {

std::vector<ActorView> views_of(const std::vector<std::string>& names) {
  std::vector<ActorView> actors;
  for (const std::string& each : names) actors.emplace_back().name = each;
  return actors;
}

/// Two replicas of twelve stages, in the order of the alphabet, as a run lists them.
std::vector<ActorView> wide_run() {
  std::vector<std::string> names = {"data/r0", "data/r1", "head", "trainer", "stage/r0.sx", "stage/r0"};
  for (int replica = 0; replica < 2; ++replica) {
    for (int stage = 0; stage < 12; ++stage) {
      names.push_back("stage/r" + std::to_string(replica) + ".s" + std::to_string(stage));
    }
  }
  std::sort(names.begin(), names.end());
  return views_of(names);
}

std::string select_text(const std::vector<ActorView>& actors, const std::string& text) {
  std::string names;
  for (const ActorView& each : select_actors(actors, text)) names += (names.empty() ? "" : " ") + each.name;
  return names;
}

std::pair<ExitCode, std::string> refusal_of(const std::vector<ActorView>& actors, const std::string& text) {
  try {
    return {ExitCode::ok, select_text(actors, text)};
  } catch (const CommandError& error) {
    return {error.code(), error.what()};
  }
}

TEST(Selection, SE1_TakesTheSliceInTheOrderOfItsIndices) {
  const auto run = wide_run();
  EXPECT_EQ(select_text(run, "stages(stage=9..11, replica=1)"), "stage/r1.s9 stage/r1.s10 stage/r1.s11");
  EXPECT_EQ(select_text(run, "stages(replica=0..1, stage=1)"), "stage/r0.s1 stage/r1.s1");
  EXPECT_EQ(select_text(run, "stages( stage = 0 )"), "stage/r0.s0 stage/r1.s0");
  EXPECT_EQ(select_text(run, "stages(stage=11..99,replica=0)"), "stage/r0.s11");
  EXPECT_EQ(select_actors(run, "stages").size(), 24U);
  EXPECT_EQ(select_text(run, "data"), "data/r0 data/r1");
  EXPECT_EQ(select_text(run, "data(replica=1)"), "data/r1");
}

TEST(Selection, SE2_WhatIsNoSelectionIsUsageAndNobodyIsNotFound) {
  const auto run = wide_run();
  const std::vector<std::tuple<std::string, ExitCode, std::string>> cases = {
      {"stages(stage=)", ExitCode::usage, "expected an index, like 0 or 0..1 at letter 14"},
      {"stages(stage=1", ExitCode::usage, "expected \",\" or \")\" at letter 15"},
      {"stages(stage=2..1)", ExitCode::usage, "ends before it begins"},
      {"stage(stage=1)", ExitCode::usage, "no group named stage (did you mean stages?); groups are stages and data"},
      {"stages(stag=1)", ExitCode::usage, "stages has no dimension stag (did you mean stage?); it has replica, stage"},
      {"data(stage=1)", ExitCode::usage, "data has no dimension stage; it has replica"},
      {"stages(replica=7)", ExitCode::not_found,
       "stages(replica=7) selects nobody: the run has stages(replica=0..1, stage=0..11)"},
      {"stage/r0.s99", ExitCode::not_found, "no actor named stage/r0.s99"},
  };
  for (const auto& [text, code, words] : cases) {
    const auto [said_code, said] = refusal_of(run, text);
    EXPECT_EQ(said_code, code) << text;
    EXPECT_NE(said.find(words), std::string::npos) << said;
  }
  const auto [code, words] = refusal_of(views_of({"trainer"}), "data");
  EXPECT_EQ(code, ExitCode::not_found);
  EXPECT_EQ(words, "data selects nobody: the run has no data");
}

TEST(Selection, SE3_ANameIsThatActor) {
  EXPECT_EQ(select_text(wide_run(), "trainer"), "trainer");
  EXPECT_EQ(select_text(views_of({"data", "data/r0"}), "data"), "data");
  EXPECT_TRUE(is_group_text("stages"));
  EXPECT_TRUE(is_group_text("anything(x=1)"));
  EXPECT_FALSE(is_group_text("stage/r0.s1"));
}

}  // namespace
}  // namespace troupe::console
