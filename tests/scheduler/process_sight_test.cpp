#include "scheduler/process_sight.hpp"

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

namespace troupe::scheduler {
namespace {

/// A process that waits for a signal.
class Waiting {
public:
  Waiting() : pid(fork()) {
    while (pid == 0) pause();
  }
  ~Waiting() {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  const pid_t pid;
};

TEST(ProcessSight, TellsAStoppedProcess) {
  const Waiting child;
  kill(child.pid, SIGSTOP);
  waitpid(child.pid, nullptr, WUNTRACED);
  EXPECT_EQ(look_at_process(child.pid)->state, 'T');
  kill(child.pid, SIGCONT);
  waitpid(child.pid, nullptr, WCONTINUED);
  EXPECT_NE(look_at_process(child.pid)->state, 'T');
}

TEST(ProcessSight, CountsProcessorTime) {
  const auto before = look_at_process(getpid());
  ASSERT_TRUE(before);
  auto after = before;
  while (after->processor_time == before->processor_time) after = look_at_process(getpid());
  EXPECT_GT(after->processor_time, before->processor_time);
}

TEST(ProcessSight, NothingOfAProcessThatIsNotThere) {
  EXPECT_FALSE(look_at_process(0x7ffffffe));
  EXPECT_TRUE(describe_threads(0x7ffffffe).empty());
}

TEST(ProcessSight, SaysWhereEachThreadIs) {
  const Waiting child;
  while (look_at_process(child.pid)->state != 'S') {
  }
  const std::vector<std::string> threads = describe_threads(child.pid);
  ASSERT_GE(threads.size(), 1U);  // a sanitizer has one of its own
  EXPECT_NE(threads[0].find("(" + std::to_string(child.pid) + ") state=S"), std::string::npos) << threads[0];
}

}  // namespace
}  // namespace troupe::scheduler
