#include "scheduler/forked_child.hpp"

#include "scheduler/descriptor.hpp"
#include "tests/support/temporary_folder.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <iostream>
#include <string>
#include <thread>

namespace troupe::forked_child_test {
namespace {

using scheduler::Descriptor;
using scheduler::fork_child;
using scheduler::kKeptDescriptor;

/// A pipe; what is written to one end comes out of the other, which ends when nobody can write any more.
struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    out = Descriptor(ends[0]);
    in = Descriptor(ends[1]);
  }
  /// All that comes, until every end to write to is closed.
  [[nodiscard]] std::string rest() {
    in.reset();
    std::string text;
    std::array<char, 256> chunk{};
    for (ssize_t count = 0; (count = read(out.get(), chunk.data(), chunk.size())) > 0;) {
      text.append(chunk.data(), static_cast<std::size_t>(count));
    }
    return text;
  }

  Descriptor out;
  Descriptor in;
};

/// With a sanitizer that has a thread of its own, nothing can be forked here.
class ForkedChild : public testing::Test {
protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    if (scheduler::count_threads() != 1) GTEST_SKIP() << "the sanitizer's own thread is one too many";
#endif
  }
};

void say(const std::string& text) {
  EXPECT_EQ(write(kKeptDescriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

TEST_F(ForkedChild, RunsWhatItIsGivenAndEndsWithItsStatus) {
  const test::TemporaryFolder folder;
  Pipe pipe;
  const int other = open("/dev/null", O_RDONLY);  // would be inherited by exec(), and is none of the child's business
  ASSERT_GE(other, 0);
  const auto child =
      fork_child({"troupe child", folder.path() / "log", pipe.in.get(), [other] {
                    std::cout << "to the log\n";
                    char nothing = 0;
                    say(std::to_string(getsid(0) == getpid()) + " " + std::to_string(read(STDIN_FILENO, &nothing, 1)) +
                        " " + std::to_string(other == kKeptDescriptor || fcntl(other, F_GETFD) < 0));
                    return 23;
                  }});
  ASSERT_TRUE(child) << child.failure().describe();
  EXPECT_EQ(pipe.rest(), "1 0 1") << "a session of its own, nothing to read, no other descriptor";
  EXPECT_EQ(scheduler::reap_process(*child, 0).text, "exited with status 23");
  EXPECT_EQ(test::read_all(folder.path() / "log"), "to the log\n");
  close(other);
}

TEST_F(ForkedChild, IsKilledWhenItsParentIs) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "a child that forks again stands still in ThreadSanitizer's own fork handlers";
#endif
  Pipe pipe;
  const auto parent = fork_child({"troupe parent", {}, pipe.in.get(), [] {
                                    const auto child = fork_child({"troupe child", {}, kKeptDescriptor, [] {
                                                                     say("it runs");
                                                                     while (true) pause();
                                                                     return 0;
                                                                   }});
                                    while (true) pause();
                                    return child ? 0 : 1;
                                  }});
  ASSERT_TRUE(parent);
  std::array<char, 7> said{};
  ASSERT_EQ(read(pipe.out.get(), said.data(), said.size()), 7);
  kill(parent->pid, SIGKILL);
  EXPECT_EQ(scheduler::reap_process(*parent, 0).text, "killed by signal 9 (SIGKILL)");
  EXPECT_EQ(pipe.rest(), "") << "comes to an end only when the child has ended as well";
}

TEST_F(ForkedChild, SignalsThatAreBlockedStayBlocked) {
  Pipe pipe;
  sigset_t stop;
  sigset_t before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, &before);
  const auto child = fork_child({"troupe child", {}, pipe.in.get(), [stop] {
                                   raise(SIGTERM);
                                   int received = 0;
                                   sigwait(&stop, &received);
                                   say(std::to_string(received));
                                   return 0;
                                 }});
  sigprocmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(child);
  EXPECT_EQ(pipe.rest(), std::to_string(SIGTERM));
  EXPECT_EQ(scheduler::reap_process(*child, 0).text, "exited with status 0");
}

TEST_F(ForkedChild, AProcessWithThreadsIsNotForked) {
  std::atomic<bool> over = false;
  std::thread other([&over] { over.wait(false); });
  const auto child = fork_child({"troupe child", {}, -1, [] { return 0; }});
  over = true;
  over.notify_all();
  other.join();
  ASSERT_FALSE(child);
  EXPECT_EQ(child.failure().text, "cannot fork troupe child from a process with 2 threads");
}

}  // namespace
}  // namespace troupe::forked_child_test
