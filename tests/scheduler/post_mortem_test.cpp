#include "scheduler/post_mortem.hpp"

#include "runtime/observe/status_page.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>

namespace troupe::scheduler {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const runtime::ActorId kVictim{"stage/r0.s1", 2};

/// A run folder in which the victim has left its page, its messages and its log.
struct Scene {
  Scene() {
    fs::create_directories(folder.path() / "actors");
    fs::create_directories(folder.path() / "logs");
    auto page = runtime::StatusPage::open(folder.path() / "actors", kVictim).value();
    runtime::Snapshot last;
    last.actor = kVictim;
    last.process = 77;
    last.phase = runtime::Phase::backward;
    last.step = 20;
    last.micro_batch = 3;
    last.last_message = "stage.backward";
    page->publish(last);
    runtime::FlightRecorder recorder(page->flight());
    for (std::uint64_t number = 1; number <= 100; ++number) {
      recorder.note(number, static_cast<std::int64_t>(number), {}, runtime::NameWords("stage.backward"));
    }
    std::ofstream log(folder.path() / "logs" / "stage_r0.s1.log");
    for (int line = 0; line < 1000; ++line) log << "line number " << line << "\n";
  }

  [[nodiscard]] Death death(const runtime::ActorId& actor = kVictim) const {
    Death death;
    death.actor = actor;
    death.process = 77;
    death.node = "local";
    death.run_directory = folder.path();
    death.cause = {runtime::FailureKind::faulted, "killed by signal 9 (SIGKILL)"};
    death.lived_seconds = 1.5;
    return death;
  }
  [[nodiscard]] json written(const Death& death) const {
    std::ifstream in(write_post_mortem(death).value());
    return json::parse(in);
  }

  test::TemporaryFolder folder;
};

TEST(PostMortem, PM1_HasAllThatIsKnown) {
  const Scene scene;
  const json file = scene.written(scene.death());
  EXPECT_EQ(file["actor"], "stage/r0.s1");
  EXPECT_EQ(file["incarnation"], 2);
  EXPECT_EQ(file["pid"], 77);
  EXPECT_EQ(file["node"], "local");
  EXPECT_EQ(file["cause"], "killed by signal 9 (SIGKILL)");
  EXPECT_EQ(file["lived_seconds"], 1.5);
  EXPECT_EQ(file["doing"]["phase"], "backward");
  EXPECT_EQ(file["doing"]["step"], 20);
  EXPECT_EQ(file["doing"]["micro_batch"], 3);
  EXPECT_EQ(file["messages"].size(), 64U);
  EXPECT_EQ(file["messages"].back()["number"], 100);
  EXPECT_EQ(file["log"].back(), "line number 999");
  EXPECT_LT(file["log"].size(), 1000U);
  EXPECT_FALSE(file.contains("threads"));
}

TEST(PostMortem, PM1_OfAHangSaysWhereTheThreadsWere) {
  const Scene scene;
  Death hang = scene.death();
  hang.threads = {"troupe (77) state=S"};
  EXPECT_EQ(scene.written(hang)["threads"], json({"troupe (77) state=S"}));
}

TEST(PostMortem, PM1_APageOfAnotherProcessIsNotItsOwn) {
  const Scene scene;
  Death other = scene.death();
  other.process = 78;  // the page is of an earlier run in the same folder
  const json file = scene.written(other);
  EXPECT_FALSE(file.contains("doing"));
  EXPECT_TRUE(file["messages"].empty());
}

TEST(PostMortem, PM1_OfAnActorThatHasLeftNothing) {
  const Scene scene;
  const json file = scene.written(scene.death({"data/r0", 1}));
  EXPECT_EQ(file["cause"], "killed by signal 9 (SIGKILL)");
  EXPECT_TRUE(file["log"].empty());
}

TEST(PostMortem, PM1_KeepsTheNewestAndNothingHalf) {
  const Scene scene;
  for (std::uint32_t incarnation = 1; incarnation <= kMostPostMortems + 5; ++incarnation) {
    ASSERT_TRUE(write_post_mortem(scene.death({"stage/r0.s1", incarnation})));
  }
  const fs::directory_iterator files(scene.folder.path() / "post-mortem");
  EXPECT_EQ(static_cast<std::size_t>(std::distance(begin(files), end(files))), kMostPostMortems);
  EXPECT_TRUE(fs::exists(scene.folder.path() / post_mortem_file({"stage/r0.s1", kMostPostMortems + 5})));
}

TEST(PostMortem, SaysWhenItCannotBeWritten) {
  const Scene scene;
  Death nowhere = scene.death();
  nowhere.run_directory = "/proc/nowhere";
  const auto written = write_post_mortem(nowhere);
  ASSERT_FALSE(written);
  EXPECT_NE(written.failure().text.find("/proc/nowhere/post-mortem/stage_r0.s1#2.json"), std::string::npos);
}

}  // namespace
}  // namespace troupe::scheduler
