#include "actors/device_check.hpp"

#include "actors/job_plan.hpp"
#include "actors/machine_memory.hpp"
#include "gpt2/schedule.hpp"
#include "gpt2/stage_plan.hpp"

#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace troupe::actors {
namespace {

constexpr double kGigabyte = 1e9;

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

/// The layout puts stages into processes of their own, and on a CPU each has its memory to itself; stages, and the
/// parameter server's copies, share a GPU's.
struct Demand {
  double bytes = 0.0;
  std::string stages;
};

std::map<std::string, Demand> demands(const JobConfig& job, const std::vector<std::string>& placed) {
  const std::vector<gpt2::StageSlice> slices = gpt2::plan_stages(job.model, static_cast<int>(job.layout.stages));
  std::map<std::string, Demand> demands;  // by GPU, or by actor on the CPU
  const auto add = [&](const std::string& device, std::size_t stage, int in_flight_there, const std::string& whose) {
    Demand& demand = demands[device == "cpu" ? whose : device];
    demand.bytes +=
        static_cast<double>(gpt2::bytes_needed(job.model, slices[stage], job.train.micro_batch, in_flight_there));
    demand.stages += (demand.stages.empty() ? "" : ", ") + whose;
  };
  for (std::uint32_t replica = 0; replica < job.layout.replicas; ++replica) {
    for (std::uint32_t stage = 0; stage < job.layout.stages; ++stage) {
      add(placed[replica * job.layout.stages + stage], stage, in_flight(job, static_cast<int>(stage)),
          stage_name(replica, stage));
    }
  }
  if (job.layout.exchange == Exchange::allreduce) return demands;
  for (std::uint32_t stage = 0; stage < job.layout.stages; ++stage) {
    if (placed[stage] != "cpu") add(placed[stage], stage, 0, std::string(kServerName));
  }
  return demands;
}

/// The parameter server is one process with the weights of all stages.
double server_bytes(const JobConfig& job) {
  double bytes = 0.0;
  for (const gpt2::StageSlice& slice : gpt2::plan_stages(job.model, static_cast<int>(job.layout.stages))) {
    bytes += static_cast<double>(gpt2::bytes_needed(job.model, slice, job.train.micro_batch, 0));
  }
  return bytes;
}

}  // namespace

int cuda_devices() {
  return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
}

void require_device(const std::string& device) {
  if (device == "cpu") return;
  const int index = std::stoi(device.substr(device.find(':') + 1));
  if (index < cuda_devices()) return;
  const std::string asked = "layout.devices names " + device + " but ";
  if (!at::detail::getCUDAHooks().hasCUDART()) {
    throw ConfigError(asked + "this program was built without CUDA; use \"cpu\" or \"auto\", or build the cuda preset");
  }
  throw ConfigError(asked + "there are " + std::to_string(cuda_devices()) +
                    " CUDA devices here; use \"cpu\" or \"auto\"");
}

std::vector<std::string> place_stages(const JobConfig& job) {
  const std::vector<std::string> devices = devices_of(job.layout);
  const auto count = static_cast<std::uint32_t>(devices.size());
  const std::uint32_t stages = job.layout.stages;
  const std::uint32_t replicas_a_round = count / std::gcd(count, stages);
  std::vector<std::string> placed;
  for (std::uint32_t replica = 0; replica < job.layout.replicas; ++replica) {
    const std::uint32_t first = replica * stages + replica / replicas_a_round;
    for (std::uint32_t stage = 0; stage < stages; ++stage) placed.push_back(devices[(first + stage) % count]);
  }
  return placed;
}

void check_devices(const JobConfig& job) {
  const std::vector<std::string> placed = place_stages(job);
  for (const std::string& device : placed) require_device(device);
  if (job.layout.memory_per_device_gb <= 0.0) return;
  for (const auto& [where, demand] : demands(job, placed)) {
    if (demand.bytes <= job.layout.memory_per_device_gb * kGigabyte) continue;
    const std::string whose = where == demand.stages ? "" : " for " + demand.stages;
    throw ConfigError(where + " needs " + gigabytes(demand.bytes) + whose + ", layout.memory_per_device_gb allows " +
                      gigabytes(job.layout.memory_per_device_gb * kGigabyte) +
                      "; use more stages, a smaller train.micro_batch or a smaller model");
  }
}

void check_machine_memory(const JobConfig& job, std::uint64_t machine) {
  const std::vector<std::string> placed = place_stages(job);
  const auto on_cpu = std::count(placed.begin(), placed.end(), "cpu");
  double bytes = 0.0;
  for (const auto& [where, demand] : demands(job, placed)) {
    if (!where.starts_with("cuda:")) bytes += demand.bytes;
  }
  if (job.layout.exchange != Exchange::allreduce && on_cpu > 0) bytes += server_bytes(job);
  if (bytes <= static_cast<double>(machine)) return;
  throw ConfigError("the " + std::to_string(on_cpu) + " stages on the CPU need " + gigabytes(bytes) +
                    " together, this machine has " + gigabytes(static_cast<double>(machine)) +
                    "; use a smaller model, a smaller train.micro_batch or fewer replicas");
}

}  // namespace troupe::actors
