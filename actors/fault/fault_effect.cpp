#include "actors/fault/fault_effect.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace troupe::actors {
namespace {

timespec to_timespec(std::chrono::milliseconds duration) {
  return {duration.count() / 1000, duration.count() % 1000 * 1'000'000};
}

void write_where_nobody_may() {
  void* const page = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile char*>(page) = 1;
}

/// The kernel's own timer ends the stop: no thread of a stopped process could, and a helper process would hold its
/// sockets open.
void stop_for(std::chrono::milliseconds duration) {
  if (duration.count() == 0) {
    raise(SIGSTOP);
    return;
  }
  sigevent end{};
  end.sigev_notify = SIGEV_SIGNAL;
  end.sigev_signo = SIGCONT;
  timer_t timer{};
  if (timer_create(CLOCK_MONOTONIC, &end, &timer) != 0) {
    throw std::runtime_error(std::string("fault on purpose: no timer to end the stop: ") + std::strerror(errno));
  }
  itimerspec due{};
  due.it_value = to_timespec(duration);
  timer_settime(timer, 0, &due, nullptr);
  raise(SIGSTOP);
  timer_delete(timer);
}

void wait_out(std::chrono::milliseconds duration) {
  timespec left = to_timespec(duration);
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
  }
}

[[noreturn]] void wait_for_ever() {
  while (true) pause();
}

/// The limit in a cgroup's folder or in one above it; the lowest counts.
std::uint64_t lowest_limit(const std::filesystem::path& mount, std::filesystem::path group, const char* file) {
  std::uint64_t lowest = ~std::uint64_t{0};
  while (true) {
    std::ifstream in(mount.string() + group.string() + "/" + file);
    std::uint64_t limit = 0;  // "max" is no number
    if (in >> limit) lowest = std::min(lowest, limit);
    if (group == "/" || group.empty()) return lowest;
    group = group.parent_path();
  }
}

void take_all_memory(const std::string& where) {
  if (!has_memory_limit()) {
    throw std::runtime_error("fault on purpose " + where +
                             ": oom is refused, since this process is in no memory cgroup with a limit below the "
                             "machine's memory, and the kernel might kill another one");
  }
  std::ofstream("/proc/self/oom_score_adj") << 1000;  // whoever else is in the cgroup lives
  constexpr std::size_t kChunk = std::size_t{16} << 20;
  while (true) {
    void* const chunk = mmap(nullptr, kChunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk != MAP_FAILED) std::memset(chunk, 1, kChunk);
  }
}

}  // namespace

bool has_memory_limit() {
  struct sysinfo machine {};
  if (sysinfo(&machine) != 0) return false;
  const std::uint64_t memory = std::uint64_t{machine.totalram} * machine.mem_unit;
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    std::uint64_t limit = ~std::uint64_t{0};
    if (controllers == "memory") limit = lowest_limit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    if (controllers.empty()) limit = lowest_limit("/sys/fs/cgroup", group, "memory.max");
    if (limit < memory) return true;
  }
  return false;
}

void carry_out(const FaultRule& rule, const std::string& where) {
  switch (rule.action) {
    case FaultAction::kill9:
      raise(SIGKILL);
      break;
    case FaultAction::exit:
      _exit(kInjectedExitStatus);
    case FaultAction::raise:
      throw std::runtime_error("fault on purpose " + where);
    case FaultAction::abort:
      std::abort();
    case FaultAction::segv:
      write_where_nobody_may();
      break;
    case FaultAction::stop:
      stop_for(rule.duration);
      break;
    case FaultAction::hang:
      wait_for_ever();
    case FaultAction::slow:
      wait_out(rule.duration);
      break;
    case FaultAction::oom:
      take_all_memory(where);
      break;
    default:
      break;
  }
}

}  // namespace troupe::actors
