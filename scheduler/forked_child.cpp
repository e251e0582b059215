#include "scheduler/forked_child.hpp"

#include "scheduler/descriptor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

namespace troupe::scheduler {
namespace {

[[noreturn]] void be_forked(const ForkedChild& child, pid_t parent) noexcept {
  die_with(parent);
  // An own session: Ctrl-C at the terminal reaches the parent alone.
  setsid();
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  attach(null, STDIN_FILENO);
  if (!child.log.empty()) {
    const int log = open(child.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0) _exit(127);
    attach(log, STDOUT_FILENO);
    attach(log, STDERR_FILENO);
  }
  unsigned first_unused = kKeptDescriptor;
  if (child.kept >= 0) {
    attach(child.kept, kKeptDescriptor);
    ++first_unused;
  }
  (void)syscall(SYS_close_range, first_unused, ~0U, 0U);
  set_process_title(child.title);
  const int status = child.main();
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  // Not exit(): what is static in the libraries was made by the parent, or is still used by threads.
  _exit(status);
}

}  // namespace

std::ptrdiff_t count_threads() {
  std::error_code ignored;
  return std::distance(std::filesystem::directory_iterator("/proc/self/task", ignored), {});
}

// The kernel reads the arguments from the process's memory, between two addresses of stat.
void set_process_title(const std::string& title) {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  constexpr int kArgumentsStart = 48 - 3;  // fields of proc(5); the first one here is field 3
  std::string skipped;
  for (int i = 0; i < kArgumentsStart; ++i) fields >> skipped;
  std::uintptr_t start = 0;
  std::uintptr_t end = 0;
  fields >> start >> end;
  if (!fields || start == 0 || end <= start + 1) return;
  auto* memory = reinterpret_cast<char*>(start);
  std::memset(memory, 0, end - start);
  std::memcpy(memory, title.data(), std::min<std::size_t>(title.size(), end - start - 1));
  prctl(PR_SET_NAME, title.c_str());  // cut to 15 letters
}

void die_with(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it died before the signal was armed
}

runtime::Result<ProcessHandle> fork_child(const ForkedChild& child) {
  if (const std::ptrdiff_t threads = count_threads(); threads != 1) {
    return runtime::Failure{runtime::FailureKind::faulted, "cannot fork " + child.title + " from a process with " +
                                                               std::to_string(threads) + " threads"};
  }
  // What is buffered now would be written by both.
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) be_forked(child, parent);
  if (pid < 0) return system_failure("cannot fork " + child.title);
  const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0) {
    const runtime::Failure failure = system_failure("cannot watch process " + std::to_string(pid));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return failure;
  }
  return ProcessHandle{pid, descriptor};
}

}  // namespace troupe::scheduler
