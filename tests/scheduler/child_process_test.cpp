#include "scheduler/child_process.hpp"

#include "tests/support/temporary_folder.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <future>
#include <thread>

namespace troupe::scheduler {
namespace {

using test::read_all;
using test::TemporaryFolder;

class ChildProcess : public testing::Test {
protected:
  [[nodiscard]] ProcessSpec shell(const std::string& script, const std::string& input = "") const {
    return {"/bin/sh", {"-c", script}, input, log()};
  }
  [[nodiscard]] std::filesystem::path log() const { return folder_.path() / "log"; }
  /// Starts and waits for the end.
  [[nodiscard]] std::string end_of(const ProcessSpec& spec) const {
    const auto started = start_process(spec);
    if (!started) return started.failure().text;
    return reap_process(*started, count_oom_kills()).text;
  }

  const TemporaryFolder folder_;
};

bool is_readable_within(int descriptor, int milliseconds) {
  pollfd wait{descriptor, POLLIN, 0};
  return poll(&wait, 1, milliseconds) == 1;
}

TEST_F(ChildProcess, TellsTheExitStatus) {
  EXPECT_EQ(end_of(shell("exit 0")), "exited with status 0");
  EXPECT_EQ(end_of(shell("exit 3")), "exited with status 3");
  EXPECT_EQ(end_of(shell("exit 127")), "exited with status 127");
}

TEST_F(ChildProcess, TellsTheSignalByNumberAndName) {
  EXPECT_EQ(end_of(shell("kill -9 $$")), "killed by signal 9 (SIGKILL)");
  EXPECT_EQ(end_of(shell("kill -SEGV $$")), "killed by signal 11 (SIGSEGV)");
  EXPECT_EQ(end_of(shell("kill -TERM $$")), "killed by signal 15 (SIGTERM)");
  EXPECT_EQ(end_of(shell("kill -ABRT $$")), "killed by signal 6 (SIGABRT)");
}

TEST_F(ChildProcess, BlamesMemoryWhenTheKernelCounted) {
  const auto started = start_process(shell("kill -9 $$"));
  ASSERT_TRUE(started);
  // As if the counter had been one lower before.
  const long now = count_oom_kills();
  EXPECT_EQ(reap_process(*started, now - 1).text,
            "killed by signal 9 (SIGKILL): out of memory, the cgroup's oom_kill "
            "counter grew from " +
                std::to_string(now - 1) + " to " + std::to_string(now));
}

TEST_F(ChildProcess, GivesInputAndAppendsOutputToTheLog) {
  folder_.write("log", "before\n");
  const std::string input(200'000, 'y');  // more than a pipe holds
  EXPECT_EQ(end_of(shell("wc -c; echo error >&2", input)), "exited with status 0");
  EXPECT_EQ(read_all(log()), "before\n200000\nerror\n");
}

TEST_F(ChildProcess, HandsArgumentsOnAsTheyAre) {
  EXPECT_EQ(end_of({"/bin/sh", {"-c", "printf '%s|' \"$@\"", "x", "two words", "", "$HOME"}, "", log()}),
            "exited with status 0");
  EXPECT_EQ(read_all(log()), "two words||$HOME|");
}

TEST_F(ChildProcess, AProgramThatCannotRunIsAFailureNotAProcess) {
  const auto missing = start_process({"/no/such/program", {}, "", log()});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.failure().text, "cannot start /no/such/program: No such file or directory");
  const auto data = folder_.write("data", "not a program");
  const auto unusable = start_process({data, {}, "", log()});
  ASSERT_FALSE(unusable);
  EXPECT_EQ(unusable.failure().text, "cannot start " + data.string() + ": Permission denied");
  const auto no_log = start_process({"/bin/true", {}, "", folder_.path() / "nowhere" / "log"});
  ASSERT_FALSE(no_log);
  EXPECT_NE(no_log.failure().text.find("cannot open log"), std::string::npos);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no child is left unreaped";
}

TEST_F(ChildProcess, TheDescriptorBecomesReadableAtTheEnd) {
  const auto started = start_process(shell("read line; exec sleep 1000"));
  ASSERT_TRUE(started);
  EXPECT_FALSE(is_readable_within(started->descriptor, 50));
  kill(started->pid, SIGKILL);
  EXPECT_TRUE(is_readable_within(started->descriptor, 30'000));
  EXPECT_EQ(reap_process(*started, count_oom_kills()).text, "killed by signal 9 (SIGKILL)");
}

TEST_F(ChildProcess, InheritsNoDescriptorAndNoBlockedSignal) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto started =
      start_process(shell("ls /proc/self/fd | wc -l; grep SigBlk /proc/self/status; kill -TERM $$; exit 5"));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(started);
  EXPECT_EQ(reap_process(*started, 0).text, "killed by signal 15 (SIGTERM)") << "a blocked one would have let it exit";
  const std::string said = read_all(log());
  EXPECT_TRUE(said.starts_with("4\n")) << said;  // 0, 1, 2 and the folder that ls reads
  EXPECT_NE(said.find("SigBlk:\t0000000000000000"), std::string::npos) << said;
  close(ends[0]);
  close(ends[1]);
}

TEST_F(ChildProcess, IsInASessionOfItsOwnSoThatTheTerminalsCtrlCPassesIt) {
  const auto started = start_process(shell("ps -o sid= -p $$ | tr -d ' '; echo $$"));
  ASSERT_TRUE(started);
  (void)reap_process(*started, 0);
  const std::string pid = std::to_string(started->pid);
  EXPECT_EQ(read_all(log()), pid + "\n" + pid + "\n");
}

TEST_F(ChildProcess, IsKilledWhenTheStartingThreadEnds) {
  std::promise<ProcessHandle> handle;
  std::promise<void> may_end;
  std::thread starter([&] {
    handle.set_value(start_process(shell("exec sleep 1000")).value());
    may_end.get_future().wait();
  });
  const ProcessHandle child = handle.get_future().get();
  EXPECT_FALSE(is_readable_within(child.descriptor, 50));
  may_end.set_value();
  starter.join();
  EXPECT_TRUE(is_readable_within(child.descriptor, 30'000));
  EXPECT_EQ(reap_process(child, count_oom_kills()).text, "killed by signal 9 (SIGKILL)");
}

TEST_F(ChildProcess, IsKilledWithItsParentProcess) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    const auto grandchild = start_process(shell("exec sleep 1000"));
    const pid_t pid = grandchild ? grandchild->pid : -1;
    if (write(ends[1], &pid, sizeof pid) != sizeof pid) _exit(1);
    for (;;) pause();
  }
  pid_t grandchild = 0;
  ASSERT_EQ(read(ends[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
  ASSERT_GT(grandchild, 0);
  const int watching = static_cast<int>(syscall(434 /* pidfd_open */, grandchild, 0));
  ASSERT_GE(watching, 0);
  EXPECT_FALSE(is_readable_within(watching, 50));
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_TRUE(is_readable_within(watching, 30'000));
  close(watching);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(ChildProcess, WorksWhereStandardInputAndOutputAreClosed) {
  const pid_t daemon = fork();
  if (daemon == 0) {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    const auto started = start_process(shell("cat; echo error >&2", "heard"));
    _exit(started && reap_process(*started, 0).text == "exited with status 0" ? 0 : 1);
  }
  int status = 0;
  waitpid(daemon, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_all(log()),
            "heard"
            "error\n");
}

}  // namespace
}  // namespace troupe::scheduler
