#include "scheduler/child_process.hpp"

#include "scheduler/descriptor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace troupe::scheduler {
namespace {

using runtime::Failure;
using runtime::FailureKind;

/// What the child needs between fork() and exec().
struct ExecPlan {
  const char* program;
  char* const* arguments;
  int input;
  int output;
  int report;  ///< closed by a successful exec(); else errno is written to it
  pid_t parent;
};

/// Only async-signal-safe calls: other threads may hold any lock at the moment of fork().
[[noreturn]] void become(const ExecPlan& plan) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != plan.parent) _exit(127);  // the parent died before the signal was armed
  attach(plan.input, STDIN_FILENO);
  attach(plan.output, STDOUT_FILENO);
  attach(plan.output, STDERR_FILENO);
  // What this process itself inherited open (a shell's pipes, a batch system's files) ends here too. On a kernel
  // before 5.11 the call fails, and only our own descriptors, all close-on-exec, are kept from the child.
  (void)syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  // An own session: Ctrl-C at the terminal reaches the head alone, which ends the job in good order.
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv(plan.program, plan.arguments);
  const int error = errno;
  (void)!write(plan.report, &error, sizeof error);  // a parent that is gone needs no reason
  _exit(127);
}

/// 0 once the child has become the program, else the errno of its exec().
int wait_for_exec(int report) {
  int error = 0;
  ssize_t count = 0;
  do {
    count = read(report, &error, sizeof error);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof error) ? error : 0;
}

long read_oom_counter(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  long value = 0;
  while (file >> word >> value) {
    if (word == key) return value;
  }
  return -1;
}

}  // namespace

runtime::Result<ProcessHandle> start_process(const ProcessSpec& spec) {
  std::vector<char*> arguments;
  std::string program = spec.program.string();
  arguments.push_back(program.data());
  std::vector<std::string> copies = spec.arguments;
  for (std::string& argument : copies) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  const Descriptor input = make_text_descriptor(spec.input);
  if (!input.is_open()) return system_failure("cannot make the input of " + program);
  const Descriptor output(open(spec.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (output.get() < 0) return system_failure("cannot open log " + spec.log.string());
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return system_failure("cannot watch the start of " + program);
  const Descriptor reading(ends[0]);
  Descriptor writing(ends[1]);

  const ExecPlan plan{program.c_str(), arguments.data(), input.get(), output.get(), writing.get(), getpid()};
  const pid_t pid = fork();
  if (pid == 0) become(plan);
  if (pid < 0) return system_failure("cannot start " + program);
  writing.reset();
  if (const int error = wait_for_exec(reading.get()); error != 0) {
    waitpid(pid, nullptr, 0);
    errno = error;
    return system_failure("cannot start " + program);
  }
  const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (descriptor < 0) {
    const Failure failure = system_failure("cannot watch process " + std::to_string(pid));
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    return failure;
  }
  fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  return ProcessHandle{pid, descriptor};
}

runtime::Failure reap_process(const ProcessHandle& handle, long oom_kills_before) {
  int status = 0;
  pid_t reaped = 0;
  do {
    reaped = waitpid(handle.pid, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  if (handle.descriptor >= 0) close(handle.descriptor);
  if (reaped < 0) return {FailureKind::faulted, "ended, but its status is lost: " + std::string(std::strerror(errno))};
  return describe_exit(status, oom_kills_before);
}

runtime::Failure describe_exit(int status, long oom_kills_before) {
  if (WIFEXITED(status)) {
    return {FailureKind::faulted, "exited with status " + std::to_string(WEXITSTATUS(status))};
  }
  const int signal_number = WTERMSIG(status);
  const char* name = sigabbrev_np(signal_number);
  std::string text = "killed by signal " + std::to_string(signal_number) + " (SIG" + (name ? name : "?") + ")";
  const long oom_kills = count_oom_kills();
  if (signal_number == SIGKILL && oom_kills > oom_kills_before) {
    text += ": out of memory, the cgroup's oom_kill counter grew from " + std::to_string(oom_kills_before) + " to " +
            std::to_string(oom_kills);
  }
  return {FailureKind::faulted, text};
}

long count_oom_kills() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  long best = 0;
  while (std::getline(file, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    long value = -1;
    if (controllers == "memory") {
      value = read_oom_counter("/sys/fs/cgroup/memory" + path + "/memory.oom_control", "oom_kill");
    } else if (controllers.empty()) {
      value = read_oom_counter("/sys/fs/cgroup" + path + "/memory.events", "oom_kill");
    }
    best = std::max(best, value);
  }
  return best;
}

}  // namespace troupe::scheduler
