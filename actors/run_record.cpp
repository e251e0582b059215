#include "actors/run_record.hpp"

#include "gpt2/store/json_depth.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace troupe::actors {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw std::runtime_error(file.string() + ": " + what + ": " + std::strerror(errno));
}

/// Calls `take(line, end)` for the lines of steps 1, 2, ... as far as they are whole; `end` is the file's size up to
/// there.
template <class Take>
void read_steps(const std::filesystem::path& file, const Take& take) {
  std::ifstream in(file);
  std::string text;
  std::uint64_t end = 0;
  for (std::uint32_t step = 1; std::getline(in, text); ++step) {
    if (in.eof() || gpt2::find_too_deep(text) != std::string::npos) return;  // no newline: torn
    const auto line = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || !line.contains("step") || line["step"] != step) return;
    end += text.size() + 1;
    take(line, end);
  }
}

}  // namespace

StepLog::StepLog(std::filesystem::path file, std::vector<std::string> compared)
    : file_(std::move(file)), compared_fields_(std::move(compared)) {
  descriptor_ = open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(file_, "cannot open");
  load();
}

StepLog::~StepLog() {
  close(descriptor_);
}

void StepLog::load() {
  read_steps(file_, [this](const nlohmann::ordered_json& line, std::uint64_t end) {
    compared_values_.push_back(compared_value(line));
    ends_.push_back(end);
  });
  const std::uint64_t whole = ends_.empty() ? 0 : ends_.back();
  if (ftruncate(descriptor_, static_cast<off_t>(whole)) != 0) fail(file_, "cannot cut a torn end");
  lseek(descriptor_, 0, SEEK_END);
}

std::string StepLog::compared_value(const nlohmann::ordered_json& line) const {
  std::string value;
  for (const std::string& field : compared_fields_) {
    if (line.contains(field)) value += field + "=" + line[field].dump() + " ";
  }
  return value;
}

std::string StepLog::record(std::uint32_t step, const nlohmann::ordered_json& line) {
  const std::string value = compared_value(line);
  if (step <= steps()) {
    const std::string& first = compared_values_[step - 1];
    return first == value ? "" : "first " + first + "now " + value;
  }
  if (step != steps() + 1) {
    throw std::runtime_error(file_.string() + " ends at step " + std::to_string(steps()) + ", so step " +
                             std::to_string(step) + " cannot follow: the file is of another run, or was changed");
  }
  append(line.dump() + "\n");
  compared_values_.push_back(value);
  return "";
}

void StepLog::append(const std::string& text) {
  const std::uint64_t start = ends_.empty() ? 0 : ends_.back();
  const ssize_t written = write(descriptor_, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    const int reason = written < 0 ? errno : ENOSPC;
    if (ftruncate(descriptor_, static_cast<off_t>(start)) == 0) lseek(descriptor_, 0, SEEK_END);
    errno = reason;
    fail(file_, "cannot write");
  }
  ends_.push_back(start + text.size());
}

void StepLog::cut_after(std::uint32_t step) {
  if (step >= steps()) return;
  compared_values_.resize(step);
  ends_.resize(step);
  const std::uint64_t end = ends_.empty() ? 0 : ends_.back();
  if (ftruncate(descriptor_, static_cast<off_t>(end)) != 0) fail(file_, "cannot cut");
  lseek(descriptor_, 0, SEEK_END);
}

void StepLog::sync() {
  if (fdatasync(descriptor_) != 0) fail(file_, "cannot make durable");
}

std::uint32_t count_steps(const std::filesystem::path& file) {
  std::uint32_t steps = 0;
  read_steps(file, [&steps](const nlohmann::ordered_json&, std::uint64_t) { ++steps; });
  return steps;
}

std::string hex_float(double value) {
  std::array<char, 40> text{};
  const int length = std::snprintf(text.data(), text.size(), "%a", value);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace troupe::actors
