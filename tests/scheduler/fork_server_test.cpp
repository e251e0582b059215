#include "scheduler/fork_server.hpp"

#include "tests/support/temporary_folder.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <thread>

// The fixture has the name of the suite, which is that of the class.
namespace troupe::fork_server_test {
namespace {

using scheduler::describe_exit;
using scheduler::ProcessHandle;
using test::read_all;
using test::TemporaryFolder;

std::string status_line(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return line;
  }
  return "";
}

std::ptrdiff_t entries(const std::string& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

/// What the children of these tests do.
int act(const std::vector<std::string>& words) {
  const std::string& deed = words.at(0);
  if (deed == "exit") return std::stoi(words.at(1));
  if (deed == "wait") {
    for (;;) pause();
  }
  if (deed == "die") raise(std::stoi(words.at(1)));
  if (deed == "say") {
    for (const std::string& word : words) std::cout << word << "|";
    const char* variable = std::getenv("FORK_SERVER_TEST");
    std::cout << (variable != nullptr ? variable : "unset") << "|";
    std::cout << std::string(std::istreambuf_iterator<char>(std::cin), {}) << std::endl;
    std::cerr << "error\n";
  }
  if (deed == "look") {
    const std::ptrdiff_t open = entries("/proc/self/fd") - 1;  // but the one that lists them
    std::cout << open << " open, " << entries("/proc/self/task") << " thread, " << status_line("SigBlk") << ", "
              << (getsid(0) == getpid() ? "own session" : "session of another") << "\n"
              << std::ifstream("/proc/self/cmdline").rdbuf() << std::endl;
  }
  return 0;
}

class ForkServer : public testing::Test {
protected:
  void SetUp() override {
    auto server = scheduler::ForkServer::create(act);
#if defined(__SANITIZE_THREAD__)
    if (!server) GTEST_SKIP() << "the sanitizer's own thread is one too many: " << server.failure().text;
#endif
    ASSERT_TRUE(server) << server.failure().text;
    server_ = std::move(server).value();
  }

  [[nodiscard]] std::filesystem::path log() const {
    return folder_.path() / "log";
  }
  runtime::Result<ProcessHandle> start(std::vector<std::string> words, const std::string& input = "") {
    return server_->start({"", std::move(words), input, log()});
  }
  /// Waits for the next end, at most 30 s.
  scheduler::ForkServer::Exit next_exit() {
    for (int i = 0; i < 300; ++i) {
      const auto exit = server_->next_exit();
      if (!exit) break;
      if (exit->has_value()) return **exit;
      pollfd wait{server_->descriptor(), POLLIN, 0};
      poll(&wait, 1, 100);
    }
    ADD_FAILURE() << "no child ended";
    return {};
  }
  std::string end_of(std::vector<std::string> words, const std::string& input = "") {
    const auto started = start(std::move(words), input);
    if (!started) return started.failure().text;
    const auto exit = next_exit();
    EXPECT_EQ(exit.pid, started->pid);
    close(started->descriptor);
    return describe_exit(exit.status, 0).text;
  }

  const TemporaryFolder folder_;
  std::unique_ptr<scheduler::ForkServer> server_;
};

bool is_over(const ProcessHandle& child) {
  pollfd wait{child.descriptor, POLLIN, 0};
  return poll(&wait, 1, 30'000) == 1;
}

TEST_F(ForkServer, FS1_AChildHasArgumentsEnvironmentInputAndLog) {
  folder_.write("log", "before\n");
  setenv("FORK_SERVER_TEST", "set after the server was made", 1);
  const std::string input(200'000, 'y');  // more than a pipe or a datagram holds
  EXPECT_EQ(end_of({"say", "two words", "", "$HOME"}, input), "exited with status 0");
  unsetenv("FORK_SERVER_TEST");
  EXPECT_EQ(read_all(log()), "before\nsay|two words||$HOME|set after the server was made|" + input + "\nerror\n");
  std::filesystem::remove(log());
  EXPECT_EQ(end_of({"say"}), "exited with status 0");
  EXPECT_EQ(read_all(log()), "say|unset|\nerror\n");
}

TEST_F(ForkServer, FS1_AChildHasNothingElseOfThisProcess) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  std::thread thread([this] { EXPECT_EQ(end_of({"look", "stage/r0.s1"}), "exited with status 0"); });
  thread.join();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const std::string said = read_all(log());
#if defined(__SANITIZE_THREAD__)
  const std::string threads = "2 thread";  // one is the sanitizer's own
#else
  const std::string threads = "1 thread";
#endif
  EXPECT_TRUE(said.starts_with("3 open, " + threads + ", SigBlk:\t0000000000000000, own session\n")) << said;
  EXPECT_NE(said.find("\ntroupe look stage/r0.s1"), std::string::npos) << "process lists show what it is";
  for (const int end : ends) close(end);
}

TEST_F(ForkServer, FS2_EveryEndIsReportedOnceWithItsStatus) {
  EXPECT_EQ(end_of({"exit", "0"}), "exited with status 0");
  EXPECT_EQ(end_of({"exit", "42"}), "exited with status 42");
  EXPECT_EQ(end_of({"die", std::to_string(SIGABRT)}), "killed by signal 6 (SIGABRT)");  // SIGSEGV is a sanitizer's own
  std::map<pid_t, std::string> expected;
  std::map<pid_t, std::string> reported;
  for (int i = 0; i < 40; ++i) {  // most end while others are being started
    const auto child = start({"exit", std::to_string(i)});
    ASSERT_TRUE(child);
    expected[child->pid] = "exited with status " + std::to_string(i);
    close(child->descriptor);
  }
  while (reported.size() < expected.size()) {
    const auto exit = next_exit();
    ASSERT_GT(exit.pid, 0);
    EXPECT_TRUE(reported.emplace(exit.pid, describe_exit(exit.status, 0).text).second);
  }
  EXPECT_EQ(reported, expected);
  const auto no_more = server_->next_exit();
  ASSERT_TRUE(no_more);
  EXPECT_FALSE(no_more->has_value());
}

/// What a process of its own finds when it makes a server and starts a child that exits with 3: 0 = all is well.
template <class Prepare>
int status_in_process_of_its_own(const std::filesystem::path& log, const Prepare& prepare) {
  const pid_t pid = fork();
  if (pid == 0) {
    prepare();
    auto server = scheduler::ForkServer::create(act);
    if (!server) _exit(10);
    const auto child = (*server)->start({"", {"exit", "3"}, "", log});
    if (!child) _exit(11);
    std::cout << "for the user" << std::endl;
    std::cerr << "for the user\n";
    for (int i = 0; i < 300; ++i) {
      const auto exit = (*server)->next_exit();
      if (!exit) _exit(12);
      if (exit->has_value()) _exit(describe_exit((*exit)->status, 0).text == "exited with status 3" ? 0 : 13);
      pollfd wait{(*server)->descriptor(), POLLIN, 0};
      poll(&wait, 1, 100);
    }
    _exit(14);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(ForkServer, FS2_EndsAreReportedWhereTheParentIgnoredThem) {
  EXPECT_EQ(status_in_process_of_its_own(log(), [] { signal(SIGCHLD, SIG_IGN); }), 0);
}

TEST_F(ForkServer, WorksWhereStandardDescriptorsAreClosed) {
  for (const std::vector<int>& closed : {std::vector<int>{2}, {1}, {0, 1}, {0, 1, 2}}) {
    const auto close_them = [&closed] {
      for (const int descriptor : closed) close(descriptor);
    };
    EXPECT_EQ(status_in_process_of_its_own(log(), close_them), 0) << closed.size() << " closed, " << closed.back();
  }
}

TEST_F(ForkServer, FS3_ChildrenDieWithTheServer) {
  const auto child = start({"wait"});
  ASSERT_TRUE(child);
  server_.reset();
  EXPECT_TRUE(is_over(*child));
  close(child->descriptor);
}

TEST_F(ForkServer, FS3_ChildrenDieWithTheProcessThatMadeTheServer) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const pid_t parent = fork();
  if (parent == 0) {
    auto server = scheduler::ForkServer::create(act);
    const auto child = server ? (*server)->start({"", {"wait"}, "", log()}) : server.failure();
    const pid_t pid = child ? child->pid : -1;
    if (write(ends[1], &pid, sizeof pid) != sizeof pid) _exit(1);
    for (;;) pause();
  }
  pid_t pid = 0;
  ASSERT_EQ(read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ASSERT_GT(pid, 0);
  const ProcessHandle child{pid, static_cast<int>(syscall(434 /* pidfd_open */, pid, 0))};
  ASSERT_GE(child.descriptor, 0);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  EXPECT_TRUE(is_over(child));
  for (const int descriptor : {child.descriptor, ends[0], ends[1]}) close(descriptor);
}

TEST_F(ForkServer, ALostOrStoppedServerIsAFailureNotAWaitWithoutEnd) {
  const pid_t server = [] {  // the only child this process has
    std::ifstream file("/proc/self/task/" + std::to_string(getpid()) + "/children");
    pid_t pid = 0;
    file >> pid;
    return pid;
  }();
  ASSERT_GT(server, 0);
  kill(server, SIGSTOP);
  const auto refused = start({"exit", "0"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.failure().kind, runtime::FailureKind::disconnected);
  pollfd wait{server_->descriptor(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, 30'000), 1) << "it was killed";
  EXPECT_FALSE(server_->next_exit());
  EXPECT_FALSE(start({"exit", "0"}));
}

TEST_F(ForkServer, IsNotMadeBesideThreads) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  std::thread other([&ends] {
    char byte = 0;
    (void)!read(ends[0], &byte, 1);
  });
  const auto server = scheduler::ForkServer::create(act);
  close(ends[1]);
  other.join();
  close(ends[0]);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.failure().text, "a fork server is made before the first thread: there are 2");
}

TEST_F(ForkServer, ALogThatCannotBeOpenedIsAFailure) {
  const auto child = server_->start({"", {"exit", "0"}, "", folder_.path() / "nowhere" / "log"});
  ASSERT_FALSE(child);
  EXPECT_NE(child.failure().text.find("cannot open log"), std::string::npos);
}

}  // namespace
}  // namespace troupe::fork_server_test
