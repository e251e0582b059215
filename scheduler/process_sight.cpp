#include "scheduler/process_sight.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace troupe::scheduler {
namespace {

constexpr std::size_t kMostThreads = 64;

/// Small files of /proc; empty when it cannot be read.
std::string read_proc(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

/// The fields of a stat file from the state on: the name before it may hold anything.
std::istringstream fields_of(const std::string& stat) {
  const std::size_t name_end = stat.rfind(')');
  return std::istringstream(name_end == std::string::npos ? "" : stat.substr(name_end + 1));
}

std::string describe_thread(const std::filesystem::path& folder) {
  std::string text = read_proc(folder / "comm") + " (" + folder.filename().string() + ")";
  char state = '?';
  fields_of(read_proc(folder / "stat")) >> state;
  text += std::string(" state=") + state;
  for (const char* const file : {"wchan", "syscall", "stack"}) {
    std::string value = read_proc(folder / file);
    std::replace(value.begin(), value.end(), '\n', ' ');
    if (!value.empty()) text += std::string(" ") + file + "=" + value;
  }
  return text;
}

}  // namespace

std::optional<ProcessSight> look_at_process(pid_t pid) {
  std::istringstream fields = fields_of(read_proc("/proc/" + std::to_string(pid) + "/stat"));
  ProcessSight sight;
  constexpr int kBetween = 14 - 4;  // fields of proc(5) between the state, number 3, and utime, number 14
  std::string skipped;
  long user = 0;
  long system = 0;
  fields >> sight.state;
  for (int i = 0; i < kBetween; ++i) fields >> skipped;
  if (!(fields >> user >> system)) return std::nullopt;
  const double ticks = static_cast<double>(std::max(sysconf(_SC_CLK_TCK), 1L));
  sight.processor_time = std::chrono::duration_cast<runtime::Duration>(
      std::chrono::duration<double>(static_cast<double>(user + system) / ticks));
  return sight;
}

std::vector<std::string> describe_threads(pid_t pid) {
  std::vector<std::string> threads;
  std::error_code error;
  std::filesystem::directory_iterator at("/proc/" + std::to_string(pid) + "/task", error);
  for (const std::filesystem::directory_iterator end; !error && at != end; at.increment(error)) {
    if (threads.size() == kMostThreads) break;
    threads.push_back(describe_thread(at->path()));
  }
  return threads;
}

}  // namespace troupe::scheduler
