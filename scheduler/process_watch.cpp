#include "scheduler/process_watch.hpp"

#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ranges>
#include <stdexcept>
#include <utility>

namespace troupe::scheduler {
namespace {

// Beside these, events are tagged with the number of the process.
constexpr std::uint64_t kWakeTag = 0;
constexpr std::uint64_t kServerTag = ~std::uint64_t{0};
constexpr std::chrono::milliseconds kSameMoment{500};  // two ends of which one is the other's cause
constexpr std::chrono::seconds kReportDeadline{5};     // from the end of a child to the server's word of it
constexpr int kDeathMilliseconds = 5000;  // SIGKILL takes some; a process in an uninterruptible wait may take longer

/// By the descriptor: the number may be somebody else's by now. A descriptor of -1 is of a process that has ended.
void send_signal(const ProcessHandle& handle, int signal_number) {
  (void)syscall(SYS_pidfd_send_signal, handle.descriptor, signal_number, nullptr, 0U);
}

/// A process that somebody else reaps.
void kill_and_wait(const ProcessHandle& handle) {
  if (handle.descriptor < 0) return;
  send_signal(handle, SIGKILL);
  pollfd wait{handle.descriptor, POLLIN, 0};
  (void)poll(&wait, 1, kDeathMilliseconds);
  close(handle.descriptor);
}

}  // namespace

ProcessWatch::ProcessWatch(OnExit on_exit, ForkServer* server)
    : on_exit_(std::move(on_exit)), server_(server), oom_kills_(count_oom_kills()) {
  poller_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (poller_ < 0 || wake_ < 0) throw std::runtime_error("cannot watch processes: no epoll or event descriptor left");
  watch_descriptor(wake_, kWakeTag);
  if (server_ != nullptr) watch_descriptor(server_->descriptor(), kServerTag);
  thread_ = std::thread([this] { run(); });
}

ProcessWatch::~ProcessWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  for (const auto& [pid, watched] : processes_) {
    if (watched.parent == Watched::Parent::server) {
      kill_and_wait(watched.handle);
    } else {
      send_signal(watched.handle, SIGKILL);
      (void)reap_process(watched.handle, oom_kills_);
    }
  }
  close(wake_);
  close(poller_);
}

runtime::Result<pid_t> ProcessWatch::start(const ProcessSpec& spec) {
  std::unique_lock lock(mutex_);
  answered_.wait(lock, [this] { return request_ == nullptr; });
  StartRequest request{&spec, std::nullopt};
  request_ = &request;
  eventfd_write(wake_, 1);
  answered_.wait(lock, [&request] { return request.answer.has_value(); });
  request_ = nullptr;
  answered_.notify_all();
  return *request.answer;
}

void ProcessWatch::signal(pid_t pid, int signal_number) {
  const std::lock_guard lock(mutex_);
  if (const auto found = processes_.find(pid); found != processes_.end())
    send_signal(found->second.handle, signal_number);
}

std::size_t ProcessWatch::running() const {
  const std::lock_guard lock(mutex_);
  return processes_.size();
}

void ProcessWatch::watch_descriptor(int descriptor, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  epoll_ctl(poller_, EPOLL_CTL_ADD, descriptor, &event);
}

/// With mutex_ held.
runtime::Result<ProcessWatch::Watched> ProcessWatch::start_process_or_fork(const ProcessSpec& spec) {
  if (server_ != nullptr) {
    const runtime::Result<ProcessHandle> forked = server_->start(spec);
    if (forked) {
      if (forked->descriptor >= 0) watch_descriptor(forked->descriptor, static_cast<std::uint64_t>(forked->pid));
      return Watched{*forked, Watched::Parent::server};
    }
    if (forked.failure().kind != runtime::FailureKind::disconnected) return forked.failure();
    lose_server();
  }
  const runtime::Result<ProcessHandle> started = start_process(spec);
  if (!started) return started.failure();
  watch_descriptor(started->descriptor, static_cast<std::uint64_t>(started->pid));
  return Watched{*started, Watched::Parent::self};
}

void ProcessWatch::start_requested() {
  const std::lock_guard lock(mutex_);
  if (request_ == nullptr || request_->answer.has_value()) return;
  const runtime::Result<Watched> started = start_process_or_fork(*request_->spec);
  if (started) {
    processes_.insert_or_assign(started->handle.pid, *started);
    request_->answer.emplace(started->handle.pid);
  } else {
    request_->answer.emplace(started.failure());
  }
  answered_.notify_all();
}

/// The descriptor of a process says that it ended.
void ProcessWatch::take_ended(pid_t pid) {
  const std::lock_guard lock(mutex_);
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return;
  epoll_ctl(poller_, EPOLL_CTL_DEL, found->second.handle.descriptor, nullptr);
  if (found->second.parent == Watched::Parent::server) {
    // The server reaps its children and tells at once; on a machine short of memory it may have to be read in first.
    found->second.report_by = std::chrono::steady_clock::now() + kReportDeadline;
    return;
  }
  ended_.emplace_back(pid, reap_process(found->second.handle, oom_kills_));
  processes_.erase(found);
}

/// A server that does not tell of an end in time is stopped or broken.
void ProcessWatch::expect_reports() {
  const std::lock_guard lock(mutex_);
  const runtime::TimePoint now = std::chrono::steady_clock::now();
  const bool late = std::ranges::any_of(processes_, [now](const auto& entry) {
    return entry.second.report_by != runtime::TimePoint{} && now >= entry.second.report_by;
  });
  if (late && server_ != nullptr) lose_server();
}

/// Until the next report is late; -1 when none is due.
int ProcessWatch::milliseconds_to_wait() const {
  const std::lock_guard lock(mutex_);
  const runtime::TimePoint now = std::chrono::steady_clock::now();
  int wait = -1;
  for (const auto& [pid, watched] : processes_) {
    if (watched.report_by == runtime::TimePoint{}) continue;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(std::max(watched.report_by - now, runtime::Duration{0})).count();
    wait = wait < 0 ? static_cast<int>(left) : std::min(wait, static_cast<int>(left));
  }
  return wait;
}

/// With mutex_ held. Children of the fork server that ended, or all of them, when it did.
void ProcessWatch::take_forked() {
  if (server_ != nullptr && !read_reports()) lose_server();
}

/// With mutex_ held. False when no more can come.
bool ProcessWatch::read_reports() {
  while (true) {
    const auto exit = server_->next_exit();
    if (!exit) return false;
    if (!exit->has_value()) return true;
    const auto found = processes_.find((*exit)->pid);
    if (found == processes_.end()) continue;  // of a watch before this one
    if (found->second.handle.descriptor >= 0) close(found->second.handle.descriptor);
    ended_.emplace_back(found->first, describe_exit((*exit)->status, oom_kills_));
    processes_.erase(found);
  }
}

/// With mutex_ held.
void ProcessWatch::lose_server() {
  spdlog::warn("event=fork_server_lost next=\"processes are started by exec()\"");
  (void)read_reports();  // what it could still say
  epoll_ctl(poller_, EPOLL_CTL_DEL, server_->descriptor(), nullptr);
  server_->end();
  server_ = nullptr;
  const runtime::TimePoint now = std::chrono::steady_clock::now();
  std::erase_if(processes_, [this, now](const auto& entry) {
    if (entry.second.parent != Watched::Parent::server) return false;
    // One that ended just now has died with the server, however the two ends were seen.
    const runtime::TimePoint ended = entry.second.report_by - kReportDeadline;
    const bool had_ended = entry.second.report_by != runtime::TimePoint{} && now - ended >= kSameMoment;
    kill_and_wait(entry.second.handle);
    ended_.emplace_back(entry.first, runtime::Failure{runtime::FailureKind::faulted,
                                                      had_ended ? "ended; the fork server did not tell how"
                                                                : "killed with the fork server that it came from"});
    return true;
  });
}

void ProcessWatch::tell_ended() {
  if (ended_.empty()) return;
  oom_kills_ = count_oom_kills();
  for (const auto& [pid, cause] : ended_) on_exit_(pid, cause);
  ended_.clear();
}

/// False at the end of this object.
bool ProcessWatch::take_and_tell() {
  {
    const std::lock_guard lock(mutex_);
    take_forked();
  }
  tell_ended();
  const std::lock_guard lock(mutex_);
  return !ending_;
}

void ProcessWatch::run() {
  std::array<epoll_event, 16> events{};
  while (true) {
    const int count = epoll_wait(poller_, events.data(), static_cast<int>(events.size()), milliseconds_to_wait());
    for (int i = 0; i < count; ++i) {
      const std::uint64_t tag = events[static_cast<std::size_t>(i)].data.u64;
      if (tag == kWakeTag) {
        eventfd_t ignored = 0;
        eventfd_read(wake_, &ignored);
      } else if (tag != kServerTag) {
        take_ended(static_cast<pid_t>(tag));
      }
    }
    start_requested();
    expect_reports();
    if (!take_and_tell()) return;
  }
}

}  // namespace troupe::scheduler
