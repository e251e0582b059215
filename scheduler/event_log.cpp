#include "scheduler/event_log.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>

namespace troupe::scheduler {
namespace {

/// Wall-clock time for people: "2026-01-01T00:00:00.000Z". Nothing decides by it.
std::string wall_time() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  std::array<char, 40> text{};
  const std::size_t length = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 8> milliseconds{};
  std::snprintf(milliseconds.data(), milliseconds.size(), ".%03dZ", static_cast<int>(now.tv_nsec / 1'000'000) % 1000);
  return std::string(text.data(), length) + milliseconds.data();
}

/// After a crash in the middle of a write the last line may be torn: start on a line of our own.
void end_torn_line(int descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0 || info.st_size == 0) return;
  char last = '\n';
  if (pread(descriptor, &last, 1, info.st_size - 1) == 1 && last != '\n') {
    if (write(descriptor, "\n", 1) != 1) spdlog::warn("event=event_log_torn cause=\"{}\"", std::strerror(errno));
  }
}

}  // namespace

EventLog::EventLog(const std::filesystem::path& file, const runtime::Clock& clock)
    : clock_(clock),
      start_(clock.now()),
      descriptor_(open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) throw std::runtime_error("cannot open " + file.string() + ": " + std::strerror(errno));
  end_torn_line(descriptor_);
}

EventLog::~EventLog() {
  close(descriptor_);
}

void EventLog::record(std::string_view event, const nlohmann::ordered_json& fields) {
  nlohmann::ordered_json line;
  line["time"] = wall_time();
  line["seconds"] = std::chrono::duration<double>(clock_.now() - start_).count();
  line["event"] = event;
  for (const auto& [key, value] : fields.items()) line[key] = value;
  const std::string text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  const std::lock_guard lock(mutex_);
  const ssize_t written = write(descriptor_, text.data(), text.size());
  if (written == static_cast<ssize_t>(text.size())) {
    disk_ = Disk::working;
  } else if (disk_ == Disk::working) {
    disk_ = Disk::failing;
    spdlog::error("event=event_log_failed cause=\"{}\" lost=\"{}\"", std::strerror(errno), event);
  }
}

}  // namespace troupe::scheduler
