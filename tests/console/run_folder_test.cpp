#include "console/run_folder.hpp"

#include "console/exit_codes.hpp"
#include "tests/console/scratch_folder.hpp"

#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <limits>

namespace troupe::console {
namespace {

constexpr std::int64_t kNow = std::numeric_limits<std::int64_t>::max();

/// Sets TROUPE_RUN_DIR for a test and takes it away again.
class RunDirVariable final {
public:
  explicit RunDirVariable(const std::string& value) { setenv("TROUPE_RUN_DIR", value.c_str(), 1); }
  ~RunDirVariable() { unsetenv("TROUPE_RUN_DIR"); }
  RunDirVariable(const RunDirVariable&) = delete;
  RunDirVariable& operator=(const RunDirVariable&) = delete;
};

std::string refusal(const std::string& option) {
  try {
    (void)find_run_folder(option);
  } catch (const CommandError& error) {
    EXPECT_EQ(error.code(), ExitCode::not_found);
    return error.what();
  }
  return "found";
}

TEST(RunFolder, TheOptionWinsOverTheVariable) {
  const ScratchFolder scratch("run_folder");
  scratch.write("a/config.toml", "");
  scratch.write("b/events.jsonl", "");
  const RunDirVariable variable((scratch.path() / "b").string());
  EXPECT_EQ(find_run_folder((scratch.path() / "a").string()).root, scratch.path() / "a");
  EXPECT_EQ(find_run_folder("").root, scratch.path() / "b");
}

TEST(RunFolder, WithoutARunItSaysWhatToDo) {
  const ScratchFolder scratch("run_folder_none");
  const std::string absent = (scratch.path() / "absent").string();
  EXPECT_EQ(refusal(absent), "no run folder " + absent +
                                 " (--run-dir): start a run with `troupe train CONFIG`, or name one with --run-dir");
  EXPECT_NE(refusal(scratch.path().string()).find("is not the folder of a run"), std::string::npos);
  const RunDirVariable variable(absent);
  EXPECT_NE(refusal("").find("($TROUPE_RUN_DIR)"), std::string::npos);
}

TEST(RunFolder, LogsAreNamedAfterTheirActors) {
  EXPECT_EQ(RunFolder{"r"}.log("stage/r0.s1"), "r/logs/stage_r0.s1.log");
}

TEST(RunFolder, OneLeadsARunAtATimeAndTheKernelKnowsWhetherItLives) {
  const ScratchFolder scratch("run_folder_lock");
  const RunFolder folder{scratch.path()};
  EXPECT_FALSE(is_run_alive(folder));
  {
    const RunLock leading(folder);
    EXPECT_TRUE(is_run_alive(folder));
    EXPECT_TRUE(is_run_alive(folder)) << "looking takes nothing away";
    EXPECT_THROW(RunLock{folder}, CommandError);
  }
  EXPECT_FALSE(is_run_alive(folder));
  const RunLock again(folder);
  EXPECT_THROW(RunLock{RunFolder{scratch.path() / "absent"}}, std::runtime_error);
}

TEST(RunFolder, HeadInfoIsWrittenWholeAndReadBack) {
  const ScratchFolder scratch("run_folder_head");
  const RunFolder folder{scratch.path()};
  EXPECT_FALSE(read_head_info(folder));
  EXPECT_FALSE(is_run_alive(folder));
  write_head_info(folder, {"tcp://127.0.0.1:7700", getpid(), "running", "2026-01-01T00:00:00Z", 7, "/run/key"});
  const auto info = read_head_info(folder);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->endpoint, "tcp://127.0.0.1:7700");
  EXPECT_EQ(info->process, getpid());
  EXPECT_EQ(info->started, "2026-01-01T00:00:00Z");
  EXPECT_EQ(info->job, 7U);
  EXPECT_EQ(info->key, "/run/key");
  EXPECT_FALSE(is_run_alive(folder)) << "head.json alone says nothing: its process may be another by now";
  std::ofstream(folder.head(), std::ios::trunc) << "{\"pid\":";
  EXPECT_FALSE(read_head_info(folder));
  EXPECT_THROW(write_head_info(RunFolder{scratch.path() / "absent"}, {}), std::runtime_error);
}

TEST(RunFolder, ProcessStatesAreTold) {
  EXPECT_EQ(process_state(getpid(), kNow), ProcessState::alive);
  EXPECT_EQ(process_state(0, kNow), ProcessState::gone);
  // A page older than the process that has its number now is of another process.
  EXPECT_EQ(process_state(getpid(), 1), ProcessState::gone);
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  EXPECT_EQ(process_state(child, kNow), ProcessState::frozen);
  kill(child, SIGKILL);
  siginfo_t ended{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(process_state(child, kNow), ProcessState::gone) << "a zombie";
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(process_state(child, kNow), ProcessState::gone);
}

}  // namespace
}  // namespace troupe::console
