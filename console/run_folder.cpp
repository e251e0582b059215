#include "console/run_folder.hpp"

#include "console/exit_codes.hpp"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace troupe::console {
namespace {

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string field(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  throw std::runtime_error("cannot " + std::string(what) + " " + file.string() + ": " + std::strerror(errno));
}

struct flock whole_file_lock() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// The fields of /proc/PID/stat after the program's name, which may itself hold spaces and brackets.
std::istringstream stat_fields(int process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');
  return std::istringstream(name_end == std::string::npos ? "" : text.substr(name_end + 1));
}

}  // namespace

std::filesystem::path RunFolder::log(std::string_view actor) const {
  std::string name(actor);
  std::replace(name.begin(), name.end(), '/', '_');
  return root / "logs" / (name + ".log");
}

RunFolder find_run_folder(const std::string& option) {
  const char* environment = std::getenv("TROUPE_RUN_DIR");
  std::string chosen = "runs/latest";
  std::string named_by = "the default";
  if (!option.empty()) {
    chosen = option;
    named_by = "--run-dir";
  } else if (environment != nullptr && *environment != '\0') {
    chosen = environment;
    named_by = "$TROUPE_RUN_DIR";
  }
  std::error_code ignored;
  if (!std::filesystem::is_directory(chosen, ignored)) {
    throw CommandError(ExitCode::not_found,
                       "no run folder " + chosen + " (" + named_by +
                           "): start a run with `troupe train CONFIG`, or name one with --run-dir");
  }
  const RunFolder folder{chosen};
  if (!std::filesystem::exists(folder.config(), ignored) && !std::filesystem::exists(folder.events(), ignored)) {
    throw CommandError(ExitCode::not_found, chosen + " (" + named_by +
                                                ") is not the folder of a run: it has neither config.toml nor "
                                                "events.jsonl; name another with --run-dir");
  }
  return folder;
}

std::optional<HeadInfo> read_head_info(const RunFolder& folder) {
  std::ifstream file(folder.head());
  if (!file) return std::nullopt;
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  HeadInfo info{field(json, "endpoint"), 0, field(json, "state"), field(json, "started"), 0, ""};
  if (const auto pid = json.find("pid"); pid != json.end() && pid->is_number_integer()) info.process = pid->get<int>();
  if (const auto job = json.find("job"); job != json.end() && job->is_number_unsigned()) {
    info.job = job->get<std::uint64_t>();
  }
  info.key = field(json, "key");
  return info;
}

void write_head_info(const RunFolder& folder, const HeadInfo& info) {
  const nlohmann::ordered_json json = {{"endpoint", info.endpoint}, {"pid", info.process}, {"state", info.state},
                                       {"started", info.started},   {"job", info.job},     {"key", info.key}};
  const std::string text = json.dump() + "\n";
  const std::filesystem::path fresh = folder.head().string() + "." + std::to_string(getpid());
  const int descriptor = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) fail(fresh, "create");
  const bool is_whole = write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (close(descriptor) != 0 || !is_whole) fail(fresh, "write");
  if (rename(fresh.c_str(), folder.head().c_str()) != 0) fail(folder.head(), "replace");
}

RunLock::RunLock(const RunFolder& folder) {
  descriptor_ = open(folder.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(folder.lock(), "create");
  struct flock whole = whole_file_lock();
  if (fcntl(descriptor_, F_OFD_SETLK, &whole) == 0) return;
  const int reason = errno;
  close(descriptor_);
  errno = reason;
  if (reason != EAGAIN && reason != EACCES) fail(folder.lock(), "lock");
  const auto head = read_head_info(folder);
  throw CommandError(ExitCode::usage, "the run in " + folder.root.string() + " is still going on" +
                                          (head ? " (process " + std::to_string(head->process) + ")" : ""));
}

RunLock::~RunLock() {
  close(descriptor_);
}

bool is_run_alive(const RunFolder& folder) {
  const int descriptor = open(folder.lock().c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  struct flock other = whole_file_lock();
  const bool known = fcntl(descriptor, F_OFD_GETLK, &other) == 0;
  close(descriptor);
  return known && other.l_type != F_UNLCK;
}

ProcessState process_state(int process, std::int64_t updated_ns) {
  if (process <= 0) return ProcessState::gone;
  std::istringstream fields = stat_fields(process);
  constexpr int kStartField = 22 - 3;  // field 22 of proc(5); the first one here is field 3
  char state = 'X';
  fields >> state;
  std::string start;
  for (int i = 0; i < kStartField; ++i) fields >> start;
  if (!fields || state == 'Z' || state == 'X') return ProcessState::gone;
  const std::int64_t tick_ns = 1'000'000'000 / sysconf(_SC_CLK_TCK);
  // The kernel counts a start from boot, suspended time included; pages count without it.
  const std::int64_t suspended = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC);
  const std::int64_t started_ns = std::strtoll(start.c_str(), nullptr, 10) * tick_ns - suspended;
  if (updated_ns < started_ns - tick_ns) return ProcessState::gone;
  return state == 'T' || state == 't' ? ProcessState::frozen : ProcessState::alive;
}

}  // namespace troupe::console
