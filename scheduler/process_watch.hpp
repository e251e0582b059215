#pragma once

#include "runtime/clock.hpp"
#include "scheduler/child_process.hpp"
#include "scheduler/fork_server.hpp"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe::scheduler {

/// Sees processes end, by pidfd, within about a millisecond, and calls back with the true cause.
///
/// Thread-safety: all methods from any thread; callbacks run on the watching thread.
/// Ownership:     owns the pidfds and reaps the processes, but those of a fork server, which reaps its own.
/// Errors:        the constructor throws std::runtime_error when the kernel gives no epoll descriptor.
/// Restart:       gone with the process; children are killed by PR_SET_PDEATHSIG. A fork server that is lost takes its
///                children along, each is reported, and what comes after is started without it.
///
/// PW-1  Every watched process that ends is reported exactly once, with the cause the kernel knows.
class ProcessWatch final {
public:
  using OnExit = std::function<void(pid_t, const runtime::Failure&)>;

  /// With a fork server processes are its children, copies of this program; it must outlive this object, which is the
  /// only one to use it.
  explicit ProcessWatch(OnExit on_exit, ForkServer* server = nullptr);
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  /// @threadsafe  Starts the process and watches it. Started on the watching thread, which lives as long as this
  /// object: PR_SET_PDEATHSIG fires when the thread that forked ends.
  runtime::Result<pid_t> start(const ProcessSpec& spec);
  /// @threadsafe  Sends a signal if the process is still ours to signal.
  void signal(pid_t pid, int signal_number);
  /// @threadsafe
  [[nodiscard]] std::size_t running() const;

private:
  struct Watched {
    ProcessHandle handle;
    enum class Parent { self, server } parent = Parent::self;
    runtime::TimePoint report_by{};  // set when it has ended: until then the server tells how
  };
  struct StartRequest {
    const ProcessSpec* spec = nullptr;
    std::optional<runtime::Result<pid_t>> answer;
  };

  void run();
  void start_requested();
  runtime::Result<Watched> start_process_or_fork(const ProcessSpec& spec);
  void watch_descriptor(int descriptor, std::uint64_t tag);
  void take_ended(pid_t pid);
  void expect_reports();
  [[nodiscard]] int milliseconds_to_wait() const;
  void take_forked();
  bool read_reports();
  bool take_and_tell();
  void lose_server();
  void tell_ended();

  const OnExit on_exit_;  // constant after construction
  int poller_ = -1;       // constant after construction
  int wake_ = -1;         // constant after construction

  mutable std::mutex mutex_;
  std::condition_variable answered_;
  std::unordered_map<pid_t, Watched> processes_;  // guarded by mutex_
  StartRequest* request_ = nullptr;               // guarded by mutex_
  bool ending_ = false;                           // guarded by mutex_

  ForkServer* server_;                                     // watching thread only; borrowed
  long oom_kills_ = 0;                                     // watching thread only
  std::vector<std::pair<pid_t, runtime::Failure>> ended_;  // watching thread only; not told yet

  std::thread thread_;
};

}  // namespace troupe::scheduler
