#include "console/view/render.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace troupe::console {
namespace {

std::vector<ActorView> two_actors() {
  ActorView stage;
  stage.name = "stage/r0.s1";
  stage.status = "dead";
  stage.age_seconds = 12.4;
  stage.page = runtime::Snapshot{};
  stage.page->actor = {"stage/r0.s1", 2};
  stage.page->process = 4711;
  stage.page->phase = runtime::Phase::backward;
  stage.page->step = 20;
  stage.page->micro_batch = 3;
  stage.page->handled = 1234;
  stage.page->last_message = "stage.backward";
  stage.history = {{1, "local", 4700, 0.5, 9.25, "killed by signal 9 (SIGKILL)"},
                   {2, "local", 4711, 10.0, std::nullopt, ""}};
  ActorView remote;
  remote.name = "stage/r1.s0";
  remote.status = "up";
  remote.history = {{1, "node-b", 55, 1.0, std::nullopt, ""}};
  return {stage, remote};
}

TEST(Render, ActorsAreOneLineEach) {
  EXPECT_EQ(render_actors(two_actors(), 0),
            "ACTOR        INC   PID  STATUS  PHASE     STEP  MICRO  QUEUED  HANDLED  STALE  AGE  BUSY  LAST MESSAGE\n"
            "stage/r0.s1    2  4711  dead    backward    20      3       0     1234      0  12s     -  stage.backward\n"
            "stage/r1.s0    1    55  up      -            -      -       -        -      -    -     -  -\n");
}

TEST(Render, OneActorsLastMessagesAreItsEnd) {
  ActorView stage = two_actors()[0];
  for (std::uint32_t i = 1; i <= 20; ++i) stage.heard.push_back({21.0 - i, "stage.forward", "data/r0", 4, i});
  const std::string text = render_actor(stage, 0);
  EXPECT_EQ(text.find("13s"), std::string::npos) << "twelve of them";
  EXPECT_NE(text.find("\n\n AGO  MESSAGE        FROM     STEP  MICRO\n 12s  stage.forward  data/r0     4      9\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(actor_json(stage)["messages"].size(), 20U);
}

TEST(Render, JsonHoldsTheSameAndNullForWhatIsNotKnown) {
  const auto json = actors_json(two_actors());
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(json[0]["actor"], "stage/r0.s1");
  EXPECT_EQ(json[0]["phase"], "backward");
  EXPECT_TRUE(json[0]["busy_seconds"].is_null());
  EXPECT_TRUE(json[1]["step"].is_null());
  EXPECT_EQ(json[1]["node"], "node-b");
  EXPECT_EQ(actors_json({}).dump(), "[]");
}

TEST(Render, AnActorIsShownWithItsPast) {
  const std::string text = render_actor(two_actors()[0], 0);
  for (const char* part : {"actor           stage/r0.s1#2\n", "failure         -\n", "handled         1234\n",
                           "killed by signal 9 (SIGKILL)\n", "9.250s", "INC   PID  NODE"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  const auto json = actor_json(two_actors()[0]);
  EXPECT_EQ(json["history"].size(), 2U);
  EXPECT_EQ(json["history"][0]["down_seconds"], 9.25);
  EXPECT_TRUE(json["history"][1]["down_seconds"].is_null());
}

TEST(Render, AnActorsNewestPostMortemIsNamed) {
  ActorView stage = two_actors()[0];
  EXPECT_EQ(render_actor(stage, 0).find("post-mortem"), std::string::npos);
  stage.history[0].post_mortem = "post-mortem/stage_r0.s1#1.json";
  EXPECT_NE(render_actor(stage, 0).find("\npost-mortem     post-mortem/stage_r0.s1#1.json\n"), std::string::npos);
  EXPECT_EQ(actor_json(stage)["history"][0]["post_mortem"], "post-mortem/stage_r0.s1#1.json");
}

TEST(Render, EventsAreReadable) {
  EXPECT_EQ(render_event(R"({"time":"t","seconds":12.3456,"event":"actor_down","actor":"stage/r0.s1","incarnation":2,)"
                         R"("node":"local","cause":"killed by signal 9"})"),
            "    12.346s  actor_down        stage/r0.s1#2   node=local  cause=killed by signal 9");
  EXPECT_EQ(render_event(R"({"seconds":1,"event":"checkpoint","step":20})"), "     1.000s  checkpoint        step=20");
  EXPECT_EQ(render_event("not json"), "not json");
  const std::string deep = "{\"event\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}";
  EXPECT_EQ(render_event(deep), deep);
}

}  // namespace
}  // namespace troupe::console
