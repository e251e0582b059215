#include "scheduler/process_care.hpp"

#include "runtime/observe/status_page.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace troupe::scheduler {
namespace {

using namespace std::chrono_literals;

const runtime::ActorId kPatient{"stage/r0.s1", 1};

/// A process whose actor, as its page says, is in a turn that does not end, and the care for it. The looks are at times
/// of the test.
struct Ward {
  Ward() : pid(fork()) {
    while (pid == 0) pause();
    std::filesystem::create_directories(folder.path() / "actors");
    runtime::Snapshot snapshot;
    snapshot.actor = kPatient;
    snapshot.process = pid;
    snapshot.phase = runtime::Phase::forward;
    snapshot.step = 4;
    snapshot.busy_since_ns = 5;
    snapshot.updated_ns = 5;
    runtime::StatusPage::open(folder.path() / "actors", kPatient).value()->publish(snapshot);
    care.started(pid, kPatient, folder.path(), now);
  }
  ~Ward() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  Ward(const Ward&) = delete;
  Ward& operator=(const Ward&) = delete;

  std::vector<pid_t> look_for(runtime::Duration time) {
    std::vector<pid_t> hung;
    for (runtime::Duration passed{0}; passed < time; passed += 100ms) {
      now += 100ms;
      for (const pid_t each : care.look(now)) hung.push_back(each);
    }
    return hung;
  }
  [[nodiscard]] nlohmann::json post_mortem(const runtime::Failure& cause) {
    std::ifstream in(folder.path() / care.bury(pid, cause, now).value());
    return nlohmann::json::parse(in);
  }

  const test::TemporaryFolder folder;
  const pid_t pid;
  runtime::TimePoint now = runtime::TimePoint{} + 1h;
  ProcessCare care{"local", {.floor = 500ms, .first = 3s}};
};

const runtime::Failure kKilled{runtime::FailureKind::faulted, "killed by signal 9 (SIGKILL)"};

TEST(ProcessCare, PC1_AHungProcessIsNamedOnceAndItsThreadsAreWrittenDown) {
  Ward ward;
  EXPECT_TRUE(ward.look_for(2900ms).empty());
  EXPECT_EQ(ward.look_for(10s), std::vector<pid_t>{ward.pid});
  const auto file = ward.post_mortem(ward.care.whole_cause(ward.pid, kKilled));
  ASSERT_GE(file["threads"].size(), 1U);  // a sanitizer has one of its own
  EXPECT_NE(file["threads"][0].get<std::string>().find("state="), std::string::npos);
  EXPECT_TRUE(file["cause"].get<std::string>().starts_with("hang: no progress for 3."));
}

TEST(ProcessCare, PC2_TheCauseOfADeathThatItAskedForBeginsWithWhy) {
  Ward ward;
  EXPECT_EQ(ward.care.whole_cause(ward.pid, kKilled).text, kKilled.text) << "by somebody else";
  (void)ward.look_for(10s);
  const std::string cause = ward.care.whole_cause(ward.pid, kKilled).text;
  EXPECT_TRUE(cause.starts_with("hang: no progress for")) << cause;
  EXPECT_TRUE(cause.ends_with("(deadline 3.0 s) (killed by signal 9 (SIGKILL))")) << cause;
}

TEST(ProcessCare, PC1_AStoppedProcessIsNamedToo) {
  Ward ward;
  kill(ward.pid, SIGSTOP);
  waitpid(ward.pid, nullptr, WUNTRACED);
  EXPECT_TRUE(ward.look_for(1s).empty());
  EXPECT_EQ(ward.look_for(1s), std::vector<pid_t>{ward.pid});
  EXPECT_TRUE(ward.care.whole_cause(ward.pid, kKilled).text.starts_with("stopped: a signal"));
}

TEST(ProcessCare, APageOfAnotherProcessSaysNothing) {
  Ward ward;
  runtime::Snapshot old;
  old.actor = kPatient;
  old.process = ward.pid + 1;
  old.busy_since_ns = 5;
  runtime::StatusPage::open(ward.folder.path() / "actors", kPatient).value()->publish(old);
  EXPECT_TRUE(ward.look_for(10s).empty());
}

TEST(ProcessCare, WhoEndsAsItShouldLeavesNoPostMortem) {
  Ward ward;
  ward.care.forget(ward.pid);
  EXPECT_FALSE(ward.care.bury(ward.pid, kKilled, ward.now));
  EXPECT_FALSE(std::filesystem::exists(ward.folder.path() / "post-mortem"));
}

}  // namespace
}  // namespace troupe::scheduler
