#include "actors/device_check.hpp"

#include "gpt2/schedule.hpp"
#include "gpt2/stage_plan.hpp"

#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <array>
#include <cstdio>
#include <map>

namespace troupe::actors {
namespace {

constexpr double kGigabyte = 1e9;

std::string gigabytes(double bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f GB", bytes / kGigabyte);
  return text.data();
}

/// "auto": every CUDA device there is, else the CPU.
std::vector<std::string> devices_of(const LayoutConfig& layout) {
  if (layout.devices != std::vector<std::string>{"auto"}) return layout.devices;
  std::vector<std::string> devices;
  for (int i = 0; i < cuda_devices(); ++i) devices.push_back("cuda:" + std::to_string(i));
  return devices.empty() ? std::vector<std::string>{"cpu"} : devices;
}

int in_flight(const JobConfig& job, int stage) {
  const auto schedule =
      job.layout.schedule == PipelineSchedule::gpipe ? gpt2::Schedule::gpipe : gpt2::Schedule::one_f_one_b;
  return gpt2::most_in_flight(gpt2::compile_schedule(schedule, {stage, static_cast<int>(job.layout.stages)},
                                                     {0, job.micro_batches_per_replica()}));
}

}  // namespace

int cuda_devices() {
  return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
}

std::vector<std::string> place_stages(const JobConfig& job) {
  const std::vector<std::string> devices = devices_of(job.layout);
  std::vector<std::string> placed;
  for (std::uint32_t stage = 0; stage < job.layout.stages; ++stage) placed.push_back(devices[stage % devices.size()]);
  return placed;
}

void check_devices(const JobConfig& job) {
  const std::vector<std::string> placed = place_stages(job);
  for (const std::string& device : placed) {
    if (device == "cpu") continue;
    const int index = std::stoi(device.substr(device.find(':') + 1));
    if (index >= cuda_devices()) {
      throw ConfigError("layout.devices names " + device + " but there are " + std::to_string(cuda_devices()) +
                        " CUDA devices here; use \"cpu\" or \"auto\"");
    }
  }
  if (job.layout.memory_per_device_gb <= 0.0) return;
  const std::vector<gpt2::StageSlice> slices = gpt2::plan_stages(job.model, static_cast<int>(job.layout.stages));
  std::map<std::string, double> needed;
  std::map<std::string, std::string> stages;
  for (std::size_t stage = 0; stage < slices.size(); ++stage) {
    // Every stage of a CPU layout is a process with memory of its own; stages on one GPU share it.
    const std::string where = placed[stage] == "cpu" ? "the device of stage " + std::to_string(stage) : placed[stage];
    needed[where] += static_cast<double>(
        gpt2::bytes_needed(job.model, slices[stage], job.train.micro_batch, in_flight(job, static_cast<int>(stage))));
    stages[where] += " " + std::to_string(stage);
  }
  for (const auto& [where, bytes] : needed) {
    if (bytes <= job.layout.memory_per_device_gb * kGigabyte) continue;
    throw ConfigError(where + " needs " + gigabytes(bytes) + " for stage" + stages[where] +
                      ", layout.memory_per_device_gb allows " + gigabytes(job.layout.memory_per_device_gb * kGigabyte) +
                      "; use more stages, a smaller train.micro_batch or a smaller model");
  }
}

}  // namespace troupe::actors
