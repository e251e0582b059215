#pragma once

#include "tests/runtime/transport/zmq_test_kit.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <stdexcept>
#include <string>

namespace troupe::runtime {

/// The child's end: tells the parent something, waits to be killed.
class ChildEnd {
public:
  explicit ChildEnd(int out) : out_(out) {}
  void tell(char letter) const {
    if (::write(out_, &letter, 1) != 1) ::_exit(1);
  }
  [[noreturn]] static void wait_to_be_killed() {
    for (;;) ::pause();
  }

private:
  int out_;
};

/// A forked process that runs `body`; killed and reaped at the latest with the object.
/// Make it before any transport of the test: a fork copies only the calling thread.
class Child {
public:
  explicit Child(const std::function<void(ChildEnd&)>& body) {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      ::close(ends[0]);
      ChildEnd end(ends[1]);
      body(end);
      ::_exit(0);
    }
    ::close(ends[1]);
    in_ = ends[0];
  }
  ~Child() {
    kill();
    ::close(in_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] bool wait_for(char letter) const {
    char got = 0;
    pollfd item{in_, POLLIN, 0};
    const int patience = static_cast<int>(std::chrono::milliseconds(kPatience).count());
    while (::poll(&item, 1, patience) > 0) {
      if (::read(in_, &got, 1) != 1) return false;
      if (got == letter) return true;
    }
    return false;
  }
  /// The next letter it tells, whatever it is; 0 when none comes.
  [[nodiscard]] char next() const {
    char got = 0;
    pollfd item{in_, POLLIN, 0};
    const int patience = static_cast<int>(std::chrono::milliseconds(kPatience).count());
    return ::poll(&item, 1, patience) > 0 && ::read(in_, &got, 1) == 1 ? got : '\0';
  }
  void signal(int number) const { ::kill(pid_, number); }
  /// SIGKILL, and reaps it.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  /// Waits for it to end by itself.
  void join() {
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

private:
  pid_t pid_ = -1;
  int in_ = -1;
};

}  // namespace troupe::runtime
