#include "scheduler/event_log.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <string>

namespace troupe::scheduler {
namespace {

/// After a crash or a full disk in the middle of a write the last line is torn: it goes, or the next would be glued to
/// it.
void drop_torn_line(int descriptor) {
  struct stat info {};
  if (fstat(descriptor, &info) != 0) return;
  off_t end = info.st_size;
  std::array<char, 4096> chunk{};
  while (end > 0) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(chunk.size()));
    const ssize_t got = pread(descriptor, chunk.data(), static_cast<std::size_t>(end - begin), begin);
    if (got != end - begin) return;
    const std::size_t newline = std::string_view(chunk.data(), static_cast<std::size_t>(got)).rfind('\n');
    end = newline == std::string_view::npos ? begin : begin + static_cast<off_t>(newline) + 1;
    if (newline != std::string_view::npos) break;
  }
  if (end != info.st_size && ftruncate(descriptor, end) != 0) {
    spdlog::warn("event=event_log_torn cause=\"{}\"", std::strerror(errno));
  }
}

}  // namespace

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

EventLog::EventLog(const std::filesystem::path& file, const runtime::Clock& clock)
    : clock_(clock),
      start_(clock.now()),
      descriptor_(open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) throw std::runtime_error("cannot open " + file.string() + ": " + std::strerror(errno));
  drop_torn_line(descriptor_);
}

EventLog::~EventLog() {
  close(descriptor_);
}

void EventLog::record(std::string_view event, const nlohmann::ordered_json& fields) {
  const runtime::TimePoint now = clock_.now();
  nlohmann::ordered_json line;
  line["time"] = wall_time();
  line["seconds"] = std::chrono::duration<double>(now - start_).count();
  line["monotonic"] = std::chrono::duration<double>(now.time_since_epoch()).count();
  line["event"] = event;
  for (const auto& [key, value] : fields.items()) line[key] = value;
  const std::string text = line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  const std::lock_guard lock(mutex_);
  const ssize_t written = write(descriptor_, text.data(), text.size());
  const int error = written < 0 ? errno : ENOSPC;  // a short write to a file means that the disk is full
  if (written == static_cast<ssize_t>(text.size())) {
    disk_ = Disk::working;
    return;
  }
  if (written > 0) drop_torn_line(descriptor_);
  if (disk_ == Disk::working) {
    disk_ = Disk::failing;
    spdlog::error("event=event_log_failed cause=\"{}\" lost=\"{}\"", std::strerror(error), event);
  }
}

}  // namespace troupe::scheduler
