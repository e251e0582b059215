#include "scheduler/process_watch.hpp"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace troupe::scheduler {

ProcessWatch::ProcessWatch(OnExit on_exit) : on_exit_(std::move(on_exit)), oom_kills_(count_oom_kills()) {
  poller_ = epoll_create1(EPOLL_CLOEXEC);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (poller_ < 0 || wake_ < 0) throw std::runtime_error("cannot watch processes: no epoll or event descriptor left");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  epoll_ctl(poller_, EPOLL_CTL_ADD, wake_, &event);
  thread_ = std::thread([this] { run(); });
}

ProcessWatch::~ProcessWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  eventfd_write(wake_, 1);
  thread_.join();
  for (const auto& [pid, handle] : processes_) {
    kill(pid, SIGKILL);
    (void)reap_process(handle, oom_kills_);
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
  // Not reaped yet, so the number cannot have been given to somebody else.
  if (processes_.contains(pid)) kill(pid, signal_number);
}

std::size_t ProcessWatch::running() const {
  const std::lock_guard lock(mutex_);
  return processes_.size();
}

void ProcessWatch::start_requested() {
  const std::lock_guard lock(mutex_);
  if (request_ == nullptr || request_->answer.has_value()) return;
  const runtime::Result<ProcessHandle> started = start_process(*request_->spec);
  if (started) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<std::uint64_t>(started->pid);
    epoll_ctl(poller_, EPOLL_CTL_ADD, started->descriptor, &event);
    processes_.emplace(started->pid, *started);
    request_->answer.emplace(started->pid);
  } else {
    request_->answer.emplace(started.failure());
  }
  answered_.notify_all();
}

void ProcessWatch::run() {
  std::array<epoll_event, 16> events{};
  while (true) {
    const int count = epoll_wait(poller_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const std::uint64_t what = events[static_cast<std::size_t>(i)].data.u64;
      if (what == 0) {
        eventfd_t ignored = 0;
        eventfd_read(wake_, &ignored);
        continue;
      }
      const auto pid = static_cast<pid_t>(what);
      runtime::Failure cause;
      {
        const std::lock_guard lock(mutex_);
        const auto found = processes_.find(pid);
        if (found == processes_.end()) continue;
        epoll_ctl(poller_, EPOLL_CTL_DEL, found->second.descriptor, nullptr);
        cause = reap_process(found->second, oom_kills_);
        processes_.erase(found);
      }
      oom_kills_ = count_oom_kills();
      on_exit_(pid, cause);
    }
    start_requested();
    const std::lock_guard lock(mutex_);
    if (ending_) return;
  }
}

}  // namespace troupe::scheduler
