#pragma once

#include "bench/folder.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace troupe::bench {

/// Longer than anything takes on a loaded machine under a sanitizer; reached only where something is broken.
inline constexpr std::chrono::seconds kPatience{60};

/// This program once more as another process, with other arguments; killed and reaped at the latest with the object.
/// What it writes to its standard output is read by line().
class Child {
public:
  explicit Child(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "/proc/self/exe");
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    const int failed = ::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ends[0];
    if (failed != 0) throw std::runtime_error(std::string("no process: ") + std::strerror(failed));
  }
  ~Child() {
    kill();
    ::close(out_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// What the child prints next; throws when nothing comes.
  [[nodiscard]] std::string line() const {
    std::string text;
    pollfd item{out_, POLLIN, 0};
    const int patience = static_cast<int>(std::chrono::milliseconds(kPatience).count());
    for (char letter = 0; ::poll(&item, 1, patience) > 0 && ::read(out_, &letter, 1) == 1;) {
      if (letter == '\n') return text;
      text += letter;
    }
    throw std::runtime_error("a process said no more than \"" + text + "\"");
  }
  void signal(int number) const { ::kill(pid_, number); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    join();
  }
  /// Waits for its end; the exit status, or 128 and the signal.
  int join() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

private:
  pid_t pid_ = -1;
  int out_ = -1;
};

/// In a child, first thing: it ends with the process that started it, however that ends.
inline void end_with_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}

/// A line for the parent.
inline void tell_parent(const std::string& text) {
  const std::string line = text + "\n";
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) ::_exit(1);
}

/// A T in a file that several processes map: what a process has written there outlives its kill.
template <class T>
class SharedRecord {
public:
  explicit SharedRecord(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0 || ::ftruncate(descriptor, sizeof(T)) != 0) throw std::runtime_error("cannot make " + path);
    void* const memory = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    if (memory == MAP_FAILED) throw std::runtime_error("cannot map " + path);
    record_ = static_cast<T*>(memory);  // zeros are a T: it has atomics of integers only
  }
  ~SharedRecord() { ::munmap(record_, sizeof(T)); }
  SharedRecord(const SharedRecord&) = delete;
  SharedRecord& operator=(const SharedRecord&) = delete;
  T* operator->() const { return record_; }
  T& operator*() const { return *record_; }

private:
  T* record_ = nullptr;
};

}  // namespace troupe::bench
