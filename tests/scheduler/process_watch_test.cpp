#include "scheduler/process_watch.hpp"

#include "tests/support/scripted_actor.hpp"
#include "tests/support/temporary_folder.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

// The fixture has the name of the suite, which is that of the class.
namespace troupe::process_watch_test {
namespace {

using scheduler::ProcessSpec;
using test::Heard;
using test::TemporaryFolder;

struct Exit {
  pid_t pid = 0;
  std::string cause;
};

// ThreadSanitizer has a thread of its own, beside which no fork server is made; elsewhere one must be.
#if defined(__SANITIZE_THREAD__)
#define USE_FORK_SERVER() \
  if (const std::string why = use_fork_server(); !why.empty()) GTEST_SKIP() << why
#else
#define USE_FORK_SERVER() ASSERT_EQ(use_fork_server(), "")
#endif

class ProcessWatch : public testing::Test {
protected:
  [[nodiscard]] ProcessSpec shell(const std::string& script, const std::string& input = "") const {
    return {"/bin/sh", {"-c", script}, input, folder_.path() / "log"};
  }

  [[nodiscard]] ProcessSpec fork_of(const std::string& word) const { return {"", {word}, "", folder_.path() / "log"}; }

  /// From now on processes are forks of this program. Empty, or why not.
  std::string use_fork_server() {
    watch_.reset();  // its thread would be one too many
    auto server = scheduler::ForkServer::create([](const std::vector<std::string>& words) {
      if (words.at(0) == "wait") pause();
      return std::stoi(words.at(0));
    });
    if (!server) return server.failure().text;
    server_ = std::move(server).value();
    watch_ = std::make_unique<scheduler::ProcessWatch>(
        [this](pid_t pid, const runtime::Failure& cause) {
          exits_.add({pid, cause.text});
        },
        server_.get());
    return "";
  }

  const TemporaryFolder folder_;
  Heard<Exit> exits_;
  std::unique_ptr<scheduler::ForkServer> server_;
  std::unique_ptr<scheduler::ProcessWatch> watch_ =
      std::make_unique<scheduler::ProcessWatch>([this](pid_t pid, const runtime::Failure& cause) {
        exits_.add({pid, cause.text});
      });
};

TEST_F(ProcessWatch, PW1_ReportsTheCauseTheKernelKnows) {
  const auto status = watch_->start(shell("exit 42"));
  ASSERT_TRUE(status);
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().pid, *status);
  EXPECT_EQ(exits_.last().cause, "exited with status 42");
  const auto crash = watch_->start(shell("kill -SEGV $$"));
  ASSERT_TRUE(crash);
  ASSERT_TRUE(exits_.wait_for(2));
  EXPECT_EQ(exits_.last().pid, *crash);
  EXPECT_EQ(exits_.last().cause, "killed by signal 11 (SIGSEGV)");
  EXPECT_EQ(watch_->running(), 0U);
}

TEST_F(ProcessWatch, PW1_EveryOneOfManyIsReportedExactlyOnce) {
  constexpr int kThreads = 4;
  constexpr int kEach = 15;
  std::mutex mutex;
  std::map<pid_t, std::string> expected;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; ++i) {
        const int status = thread * kEach + i;
        const bool dies = i % 3 == 0;
        // They wait for the end of all starts, so that no number is given twice.
        const auto pid = watch_->start(shell(dies ? "exec sleep 1000"
                                                  : "until [ -e " + (folder_.path() / "go").string() +
                                                        " ]; do sleep 0.02; done; exit " + std::to_string(status)));
        ASSERT_TRUE(pid);
        const std::lock_guard lock(mutex);
        expected[*pid] = dies ? "killed by signal 9 (SIGKILL)" : "exited with status " + std::to_string(status);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(expected.size(), static_cast<std::size_t>(kThreads * kEach));
  EXPECT_EQ(watch_->running(), expected.size());
  for (const auto& [pid, cause] : expected) {
    if (cause.starts_with("killed")) watch_->signal(pid, SIGKILL);
  }
  folder_.write("go", "");
  ASSERT_TRUE(exits_.wait_for(expected.size()));
  EXPECT_TRUE(exits_.stays_at(expected.size(), std::chrono::milliseconds(50)));
  std::map<pid_t, std::string> reported;
  for (const Exit& exit : exits_.all()) reported[exit.pid] = exit.cause;
  EXPECT_EQ(reported, expected);
  EXPECT_EQ(watch_->running(), 0U);
}

TEST_F(ProcessWatch, AProgramThatIsNotThereIsAFailureAndNotReported) {
  const auto missing = watch_->start({"/no/such/program", {}, "", folder_.path() / "log"});
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.failure().text.find("cannot start /no/such/program"), std::string::npos);
  EXPECT_EQ(watch_->running(), 0U);
  ASSERT_TRUE(watch_->start(shell("exit 1")));  // goes on working
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().cause, "exited with status 1");
}

TEST_F(ProcessWatch, SignalsOnlyWhatIsItsOwn) {
  const auto pid = watch_->start(shell("trap 'exit 9' USR1; echo ready; while :; do sleep 0.02; done"));
  ASSERT_TRUE(pid);
  watch_->signal(getpid(), SIGKILL);  // not started here: nothing happens to this test
  while (test::read_all(folder_.path() / "log").empty()) std::this_thread::yield();
  watch_->signal(*pid, SIGUSR1);
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().cause, "exited with status 9");
  watch_->signal(*pid, SIGKILL);  // reaped: the number may be somebody else's
}

pid_t parent_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string state;
  pid_t parent = 0;
  fields >> state >> parent;
  return parent;
}

TEST_F(ProcessWatch, PW1_ReportsTheCauseOfAForkedChild) {
  USE_FORK_SERVER();
  const auto pid = watch_->start(fork_of("7"));
  ASSERT_TRUE(pid);
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().pid, *pid);
  EXPECT_EQ(exits_.last().cause, "exited with status 7");
  const auto killed = watch_->start(fork_of("wait"));
  ASSERT_TRUE(killed);
  watch_->signal(*killed, SIGKILL);
  ASSERT_TRUE(exits_.wait_for(2));
  EXPECT_EQ(exits_.last().cause, "killed by signal 9 (SIGKILL)");
  EXPECT_EQ(watch_->running(), 0U);
}

TEST_F(ProcessWatch, PW1_ALostServerTakesItsChildrenAlongAndWorkGoesOn) {
  USE_FORK_SERVER();
  const pid_t child = watch_->start(fork_of("wait")).value();
  const pid_t server = parent_of(child);
  ASSERT_GT(server, 1);
  ASSERT_NE(server, getpid());
  kill(server, SIGKILL);
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().pid, child);
  EXPECT_EQ(exits_.last().cause, "killed with the fork server that it came from");
  ASSERT_TRUE(watch_->start(shell("exit 3")));
  ASSERT_TRUE(exits_.wait_for(2));
  EXPECT_EQ(exits_.last().cause, "exited with status 3");
}

TEST_F(ProcessWatch, PW1_AStoppedServerDoesNotHideThatAChildEnded) {
  USE_FORK_SERVER();
  const pid_t child = watch_->start(fork_of("wait")).value();
  kill(parent_of(child), SIGSTOP);
  watch_->signal(child, SIGKILL);
  ASSERT_TRUE(exits_.wait_for(1));
  EXPECT_EQ(exits_.last().pid, child);
  watch_.reset();
  server_.reset();  // does not wait for it
}

TEST_F(ProcessWatch, ItsForkedProcessesDieWithIt) {
  USE_FORK_SERVER();
  const pid_t child = watch_->start(fork_of("wait")).value();
  const int descriptor = static_cast<int>(syscall(434 /* pidfd_open */, child, 0));
  watch_.reset();
  pollfd wait{descriptor, POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 0), 1) << "it still runs";
  close(descriptor);
}

TEST_F(ProcessWatch, ItsProcessesDieWithItAndAreReaped) {
  std::vector<pid_t> pids;
  for (int i = 0; i < 5; ++i) pids.push_back(watch_->start(shell("exec sleep 1000")).value());
  watch_.reset();
  for (const pid_t pid : pids) EXPECT_EQ(kill(pid, 0), -1) << "still there, or a zombie: " << pid;
  EXPECT_EQ(exits_.count(), 0U) << "nobody waits for the ends of processes that were ended on purpose";
}

}  // namespace
}  // namespace troupe::process_watch_test
