#include "console/view/doctor.hpp"

#include "runtime/transport/shm_arena.hpp"

#include <nlohmann/json.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>

namespace troupe::console {
namespace {

using Verdict = Check::Verdict;

constexpr std::uint64_t kMiB = 1024 * 1024;

std::uint64_t free_bytes(const std::filesystem::path& folder) {
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) return 0;
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::string unit;
  std::uint64_t kib = 0;
  while (file >> name >> kib) {
    if (name == "MemAvailable:") return kib * 1024;
    std::getline(file, unit);
  }
  return 0;
}

std::string mapped_library(std::string_view name) {
  std::ifstream file("/proc/self/maps");
  std::string line;
  while (std::getline(file, line)) {
    if (line.find(name) != std::string::npos) return line.substr(line.find('/'));
  }
  return {};
}

std::vector<std::string> cuda_device_nodes() {
  std::vector<std::string> nodes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/dev", ignored)) {
    const std::string name = entry.path().filename().string();
    const bool is_device =
        name.starts_with("nvidia") && name.size() > 6 && std::isdigit(static_cast<unsigned char>(name[6])) != 0;
    if (is_device) nodes.push_back(entry.path().string());
  }
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

std::uint64_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<std::uint64_t>(CPU_COUNT(&set)) : 0;
}

std::string megabytes(std::uint64_t bytes) {
  std::array<char, 40> text{};
  const int length = std::snprintf(text.data(), text.size(), "%llu MiB", static_cast<unsigned long long>(bytes / kMiB));
  return {text.data(), static_cast<std::size_t>(length)};
}

/// Ok from `enough` on, a failure below `least`, a warning between.
Check judge_amount(std::string name, std::uint64_t amount, std::uint64_t least, std::uint64_t enough,
                   std::string advice) {
  const Verdict verdict = amount < least ? Verdict::fail : amount < enough ? Verdict::warn : Verdict::ok;
  return {std::move(name), verdict, "", verdict == Verdict::ok ? "" : std::move(advice)};
}

Check with_found(Check check, std::string found) {
  check.found = std::move(found);
  return check;
}

Check judge_data(const std::vector<std::string>& missing) {
  if (missing.empty()) return {"data files", Verdict::ok, "data/bible.txt and data/gpt2.tiktoken", ""};
  std::string names;
  for (const std::string& name : missing) names += (names.empty() ? "" : ", ") + name;
  return {"data files", Verdict::warn, "missing: " + names, "run ./setup, or name your own text with data.path"};
}

Check judge_cuda(const std::vector<std::string>& devices) {
  if (devices.empty()) return {"CUDA devices", Verdict::ok, "none: runs use the CPU", ""};
  return {"CUDA devices", Verdict::ok, std::to_string(devices.size()) + " (" + devices.front() + " ...)", ""};
}

std::string_view word_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      return "fail";
  }
  return "";
}

}  // namespace

MachineFacts look_at_machine(const std::filesystem::path& working_directory) {
  MachineFacts facts;
  facts.cores = usable_cores();
  facts.memory_available = available_memory();
  facts.shared_memory_free = free_bytes(runtime::shared_memory_directory());
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) facts.open_files = files.rlim_cur;
  facts.disk_free = free_bytes(working_directory);
  timespec step{};
  if (clock_getres(CLOCK_MONOTONIC, &step) == 0) {
    facts.clock_step_ns =
        static_cast<std::uint64_t>(step.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(step.tv_nsec);
  }
  facts.cuda_devices = cuda_device_nodes();
  facts.libtorch = mapped_library("libtorch_cpu.so");
  std::error_code ignored;
  for (const char* file : {"data/bible.txt", "data/gpt2.tiktoken"}) {
    if (!std::filesystem::exists(working_directory / file, ignored)) facts.missing_data.emplace_back(file);
  }
  return facts;
}

std::vector<Check> judge_machine(const MachineFacts& facts) {
  std::vector<Check> checks;
  checks.push_back(with_found(judge_amount("processor cores", facts.cores, 1, 2,
                                           "stages will take turns on one core; use fewer stages and replicas"),
                              std::to_string(facts.cores)));
  checks.push_back(
      with_found(judge_amount("free memory", facts.memory_available, 512 * kMiB, 2048 * kMiB,
                              "each stage process needs about 250 MiB besides its model; stop other programs"),
                 megabytes(facts.memory_available)));
  checks.push_back(
      with_found(judge_amount("shared memory", facts.shared_memory_free, 0, 256 * kMiB,
                              "tensors will go through sockets, slower; enlarge it (containers: --shm-size=1g)"),
                 megabytes(facts.shared_memory_free) + " free in " + runtime::shared_memory_directory().string()));
  checks.push_back(with_found(judge_amount("open files", facts.open_files, 128, 1024, "raise it: ulimit -n 4096"),
                              "limit " + std::to_string(facts.open_files)));
  checks.push_back(with_found(judge_amount("free disk", facts.disk_free, 64 * kMiB, 1024 * kMiB,
                                           "checkpoints need room: free some, or write runs elsewhere with --run-dir"),
                              megabytes(facts.disk_free)));
  const bool is_coarse = facts.clock_step_ns == 0 || facts.clock_step_ns > 1'000'000;
  checks.push_back({"clock", is_coarse ? Verdict::warn : Verdict::ok,
                    "steps of " + std::to_string(facts.clock_step_ns) + " ns",
                    is_coarse ? "deadlines need a clock finer than a millisecond" : ""});
  checks.push_back(judge_cuda(facts.cuda_devices));
  const bool has_torch = !facts.libtorch.empty();
  checks.push_back({"LibTorch", has_torch ? Verdict::ok : Verdict::fail, has_torch ? facts.libtorch : "not loaded",
                    has_torch ? "" : "run ./setup, then build again"});
  checks.push_back(judge_data(facts.missing_data));
  return checks;
}

std::string render_checks(const std::vector<Check>& checks) {
  std::string text;
  for (const Check& check : checks) {
    std::string line(word_of(check.verdict));
    line.append(6 - line.size(), ' ');
    line += check.name;
    line.append(line.size() < 24 ? 24 - line.size() : 1, ' ');
    text += line + check.found + "\n";
    if (!check.advice.empty()) text += "      -> " + check.advice + "\n";
  }
  return text;
}

std::string checks_json(const std::vector<Check>& checks) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Check& check : checks) {
    list.push_back(
        {{"check", check.name}, {"verdict", word_of(check.verdict)}, {"found", check.found}, {"advice", check.advice}});
  }
  return list.dump(2);
}

bool has_failure(const std::vector<Check>& checks) {
  return std::any_of(checks.begin(), checks.end(), [](const Check& check) { return check.verdict == Verdict::fail; });
}

}  // namespace troupe::console
