#include "runtime/transport/process_mark.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace troupe::runtime {

namespace {

struct ProcessStatus {
  char state = '?';
  std::uint64_t start = 0;
};

// State letter and start time from /proc/PID/stat (proc(5), fields 3 and 22); nothing when it cannot be read: no such
// process, or no file can be opened now.
std::optional<ProcessStatus> process_status(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const std::size_t name_end = line.rfind(')');  // the name may hold anything, brackets and spaces too
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  ProcessStatus status;
  fields >> status.state;
  std::string skipped;
  constexpr int kFieldsBeforeStart = 18;
  for (int i = 0; i < kFieldsBeforeStart; ++i) fields >> skipped;
  fields >> status.start;
  if (!fields) return std::nullopt;
  return status;
}

bool is_gone(std::int64_t pid) {
  const std::optional<ProcessStatus> status = process_status(pid);
  if (status) return status->state == 'Z' || status->state == 'X';
  // A file that cannot be read proves nothing: this process may have too many open.
  return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
}

}  // namespace

ProcessMark this_process() {
  ProcessMark mark;
  mark.pid = ::getpid();
  if (const std::optional<ProcessStatus> status = process_status(mark.pid)) mark.start = status->start;
  struct stat status {};
  if (::stat("/proc/self/ns/pid", &status) == 0) mark.pid_namespace = status.st_ino;
  return mark;
}

bool is_dead(const ProcessMark& process) {
  const ProcessMark self = this_process();
  if (process.pid <= 0 || self.pid_namespace == 0 || process.pid_namespace != self.pid_namespace) return false;
  if (is_gone(process.pid)) return true;
  const std::optional<ProcessStatus> status = process_status(process.pid);
  const bool is_known = process.start != 0;  // it could read its own when it made the mark
  return status && is_known && status->start != process.start;
}

}  // namespace troupe::runtime
