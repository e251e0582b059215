#include "actors/fault/fault_journal.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace troupe::actors {
namespace {

using nlohmann::ordered_json;

void append_line(const std::filesystem::path& file, const std::string& line) {
  const int descriptor = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const ssize_t written = descriptor < 0 ? -1 : write(descriptor, line.data(), line.size());
  const int error = written < 0 ? errno : ENOSPC;
  if (descriptor >= 0) close(descriptor);
  if (written == static_cast<ssize_t>(line.size())) return;
  throw std::runtime_error("cannot note a fault in " + file.string() + ": " + std::strerror(error));
}

}  // namespace

void FaultJournal::note(const FaultRule& rule, const FaultMoment& moment) const {
  if (file.empty()) return;
  ordered_json line;
  line["rule"] = rule.text;
  line["actor"] = moment.actor;
  line["incarnation"] = moment.incarnation;
  line["pid"] = getpid();
  line["monotonic_ns"] = std::chrono::steady_clock::now().time_since_epoch().count();
  line["step"] = moment.step;
  line["at"] = moment.place;
  if (moment.micro_batch) line["micro_batch"] = *moment.micro_batch;
  if (moment.strikes > 1) line["strikes"] = moment.strikes;
  append_line(file, line.dump() + "\n");
}

bool FaultJournal::has_fired(const FaultRule& rule) const {
  if (file.empty()) return false;
  std::ifstream in(file);
  std::string text;
  while (std::getline(in, text)) {
    const ordered_json line = ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object()) continue;
    const auto name = line.find("rule");
    const auto time = line.find("monotonic_ns");
    const bool whole = name != line.end() && name->is_string() && time != line.end() && time->is_number_integer();
    if (whole && *name == rule.text && time->get<std::int64_t>() >= begin_ns) return true;
  }
  return false;
}

}  // namespace troupe::actors
