#include "actors/fault/fault_effect.hpp"

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace troupe::actors {
namespace {

constexpr int kReturned = 7;

FaultRule effect_rule(const std::string& action) {
  return parse_fault_rule(action + " stage/r0.s1 @step=1,phase=forward").value();
}

/// A process of its own to which `rule` happens, and that ends with kReturned where it goes on.
pid_t start_victim(const FaultRule& rule) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  carry_out(rule, "here");
  _exit(kReturned);
}

int status_of(pid_t pid, int options = 0) {
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, options), pid);
  return status;
}

char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');
  return name_end == std::string::npos ? '?' : text.at(name_end + 2);
}

TEST(FaultEffect, EndsTheProcessAsTheRuleSays) {
  EXPECT_EXIT(carry_out(effect_rule("kill9"), "here"), testing::KilledBySignal(SIGKILL), "");
  EXPECT_EXIT(carry_out(effect_rule("exit"), "here"), testing::ExitedWithCode(kInjectedExitStatus), "");
  EXPECT_EXIT(carry_out(effect_rule("abort"), "here"), testing::KilledBySignal(SIGABRT), "");
}

TEST(FaultEffect, WritesWhereNobodyMay) {
  EXPECT_EXIT(
      {
        signal(SIGSEGV, SIG_DFL);  // a sanitizer's own handler would end the process in another way
        carry_out(effect_rule("segv"), "here");
      },
      testing::KilledBySignal(SIGSEGV), "");
}

TEST(FaultEffect, AStopIsASignalAndEndsByItself) {
  const pid_t pid = start_victim(effect_rule("stop(50)"));
  EXPECT_TRUE(WIFSTOPPED(status_of(pid, WUNTRACED)));
  const int status = status_of(pid);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), kReturned);
}

TEST(FaultEffect, AStopWithoutATimeLastsUntilSomebodyEndsIt) {
  const pid_t pid = start_victim(effect_rule("stop"));
  EXPECT_TRUE(WIFSTOPPED(status_of(pid, WUNTRACED)));
  EXPECT_EQ(state_of(pid), 'T');
  kill(pid, SIGCONT);
  EXPECT_EQ(WEXITSTATUS(status_of(pid)), kReturned);
}

TEST(FaultEffect, AHangDoesNotReturn) {
  const pid_t pid = start_victim(effect_rule("hang"));
  while (state_of(pid) == 'R') {
  }
  EXPECT_EQ(state_of(pid), 'S');  // asleep, and not ended
  kill(pid, SIGKILL);
  EXPECT_TRUE(WIFSIGNALED(status_of(pid)));
}

TEST(FaultEffect, SlowTakesItsTimeAndThrowThrows) {
  const auto begin = std::chrono::steady_clock::now();
  carry_out(effect_rule("slow(30)"), "here");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(30));
  EXPECT_THROW(carry_out(effect_rule("throw"), "here"), std::runtime_error);
}

TEST(FaultEffect, WhatTheCallerDoesChangesNothingHere) {
  carry_out(effect_rule("nan"), "here");
  carry_out(effect_rule("flip"), "here");
}

TEST(FaultEffect, TakesNoMemoryWithoutALimit) {
  if (has_memory_limit()) GTEST_SKIP() << "this machine's memory is limited by a cgroup";
  EXPECT_THROW(carry_out(effect_rule("oom"), "here"), std::runtime_error);
}

/// A memory cgroup below this process's own, of version 1, with a limit; removed at the end.
class LimitedGroup {
public:
  LimitedGroup() {
    std::ifstream file("/proc/self/cgroup");
    std::string line;
    while (std::getline(file, line)) {
      const std::size_t at = line.find(":memory:");
      if (at != std::string::npos) folder_ = "/sys/fs/cgroup/memory" + line.substr(at + 8);
    }
    if (folder_.empty()) return;
    folder_ += "/troupe-test-" + std::to_string(getpid());
    std::error_code problem;
    std::filesystem::create_directory(folder_, problem);
    std::ofstream(folder_ + "/memory.limit_in_bytes") << (64 << 20);
  }
  ~LimitedGroup() { rmdir(folder_.c_str()); }
  LimitedGroup(const LimitedGroup&) = delete;
  LimitedGroup& operator=(const LimitedGroup&) = delete;

  [[nodiscard]] bool take(pid_t pid) const {
    std::ofstream members(folder_ + "/cgroup.procs");
    members << pid << std::flush;
    return members.good();
  }

private:
  std::string folder_;
};

TEST(FaultEffect, TakesMemoryUntilTheKernelKillsIt) {
  const LimitedGroup group;
  const pid_t pid = fork();
  if (pid == 0) {
    if (!group.take(getpid()) || !has_memory_limit()) _exit(kReturned);
    carry_out(effect_rule("oom"), "here");
  }
  const int status = status_of(pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kReturned) GTEST_SKIP() << "no memory cgroup (v1) can be made here";
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

}  // namespace
}  // namespace troupe::actors
