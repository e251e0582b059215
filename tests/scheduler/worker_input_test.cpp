#include "scheduler/worker_input.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <stdexcept>

namespace troupe::scheduler {
namespace {

WorkerInput some_input() {
  WorkerInput input;
  input.actor = {"stage/r1.s2", 7};
  input.job = std::numeric_limits<std::uint64_t>::max();
  input.term = 3;
  input.head_endpoint = "tcp://10.0.0.1:4711";
  input.head_incarnation = 5;
  input.run_directory = "/tmp/with \"quotes\" and\nlines";
  input.listen = "ipc:///run/troupe";
  input.memory = "/dev/shm/troupe.state.1";
  input.job_text = "[model]\nname = \"été\"\n\t\x01";
  return input;
}

std::string refusal(const std::string& text) {
  try {
    (void)parse_worker_input(text);
  } catch (const std::runtime_error& refused) {
    return refused.what();
  }
  return "accepted";
}

TEST(WorkerInput, WI1_RenderThenParseGivesTheSame) {
  const WorkerInput input = some_input();
  const WorkerInput back = parse_worker_input(render_worker_input(input));
  EXPECT_EQ(back.actor, input.actor);
  EXPECT_EQ(back.job, input.job);
  EXPECT_EQ(back.term, input.term);
  EXPECT_EQ(back.head_endpoint, input.head_endpoint);
  EXPECT_EQ(back.head_incarnation, input.head_incarnation);
  EXPECT_EQ(back.run_directory, input.run_directory);
  EXPECT_EQ(back.listen, input.listen);
  EXPECT_EQ(back.job_text, input.job_text);
  EXPECT_EQ(back.memory, input.memory);
}

TEST(WorkerInput, EveryMissingFieldIsNamed) {
  const nlohmann::json whole = nlohmann::json::parse(render_worker_input(some_input()));
  ASSERT_EQ(whole.size(), 10U);
  for (const auto& [key, value] : whole.items()) {
    nlohmann::json without = whole;
    without.erase(key);
    EXPECT_NE(refusal(without.dump()).find("has no " + key + ":"), std::string::npos) << refusal(without.dump());
    nlohmann::json other = whole;
    other[key] = nlohmann::json::array();
    EXPECT_NE(refusal(other.dump()).find("has no " + key + ":"), std::string::npos) << "of another type";
  }
  nlohmann::json negative = whole;
  negative["incarnation"] = -1;
  EXPECT_NE(refusal(negative.dump()).find("has no incarnation"), std::string::npos);
}

TEST(WorkerInput, WhatIsNoJsonObjectIsRefusedInWords) {
  for (const std::string text : {"", "null", "[1]", "{", "train", "\"actor\"", "{\"actor\":"}) {
    EXPECT_NE(refusal(text).find("started by a node agent, not by hand"), std::string::npos) << text;
  }
  EXPECT_NE(refusal(R"({"actor":)" + std::string(200'000, '[') + std::string(200'000, ']') + "}"), "accepted");
}

TEST(WorkerInput, ListensAtASocketOfItsOwnOrAnyPort) {
  WorkerInput input = some_input();
  EXPECT_EQ(input.listen_address(), "ipc:///run/troupe/stage_r1.s2.7");
  input.listen = "tcp://10.0.0.2";
  EXPECT_EQ(input.listen_address(), "tcp://10.0.0.2:*");
}

}  // namespace
}  // namespace troupe::scheduler
