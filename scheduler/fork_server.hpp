#pragma once

#include "runtime/result.hpp"
#include "scheduler/child_process.hpp"
#include "scheduler/descriptor.hpp"

#include <sys/types.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::scheduler {

/// A process that has loaded this program and does nothing but fork: its children are actors' processes that need
/// neither exec() nor the loading of libraries. (Python's multiprocessing calls it a fork server, Android a zygote.)
///
///   this process ──── socket ──── fork server ──── fork() ──── child: input and log attached, then ChildMain
///
/// Thread-safety: single owner thread after construction.
/// Ownership:     owns the server process and the socket to it.
/// Errors:        create() fails in a process that has threads, whose locks a copy would hold for ever, and where the
///                kernel refuses; start() and next_exit() fail when the server is gone, after which it stays gone.
/// Restart:       not restarted: whoever uses it falls back on start_process().
///
/// FS-1  A child has the arguments, environment, input and log of its ProcessSpec, and no descriptor, blocked signal or
///       thread of this process.
/// FS-2  Every child's end is reported by next_exit() exactly once, with its wait status.
/// FS-3  When this process or the server ends, however it ends, its children are killed.
class ForkServer final {
public:
  /// What a child runs; returns its exit status. Exceptions that leave it end the child with std::terminate.
  using ChildMain = std::function<int(const std::vector<std::string>& arguments)>;

  [[nodiscard]] static runtime::Result<std::unique_ptr<ForkServer>> create(ChildMain child_main);
  ~ForkServer();
  ForkServer(const ForkServer&) = delete;
  ForkServer& operator=(const ForkServer&) = delete;

  /// Forks a child. `spec.program` is not looked at: the child is this program. The handle's descriptor is -1 when the
  /// child has ended already; it is not to be reaped by waitpid().
  [[nodiscard]] runtime::Result<ProcessHandle> start(const ProcessSpec& spec);

  /// Becomes readable when a child ended, or the server.
  [[nodiscard]] int descriptor() const { return socket_.get(); }

  struct Exit {
    pid_t pid = -1;
    int status = 0;  ///< as waitpid() gives it
  };
  /// The next child that ended; nothing when none waits. Does not block.
  [[nodiscard]] runtime::Result<std::optional<Exit>> next_exit();

  /// Kills the server, and with it its children; from now on start() and next_exit() fail.
  void end();

private:
  runtime::Result<runtime::Done> ask_for_child(const ProcessSpec& spec, const std::string& what);
  ForkServer(Descriptor socket, pid_t server) : socket_(std::move(socket)), server_(server) {}

  Descriptor socket_;
  const pid_t server_;
  std::deque<Exit> exits_;  // that came while a start was waited for
};

}  // namespace troupe::scheduler
