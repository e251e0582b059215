#pragma once

#include "actors/config/job_config.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::actors {

/// The device of every stage ("cpu", "cuda:0") of every replica, at index replica * stages + stage. Stages take turns
/// on the devices of the layout, and so do the replicas of one stage: with as many devices as replicas, or more, no two
/// replicas of a stage share one, which NCCL asks for.
[[nodiscard]] std::vector<std::string> place_stages(const JobConfig& job);

/// Throws ConfigError when the device ("cpu", "cuda:1") is not there, or not in this build.
void require_device(const std::string& device);

/// Refuses a layout whose devices are not there, or too small: throws ConfigError that names device, stages, the bytes
/// they need and layout.memory_per_device_gb.
void check_devices(const JobConfig& job);

/// Refuses a job whose stages on the CPU, all of them on a machine of so many bytes of memory, would not fit: throws
/// ConfigError with both numbers.
void check_machine_memory(const JobConfig& job, std::uint64_t machine);

/// How many CUDA devices this build can use on this machine.
[[nodiscard]] int cuda_devices();

}  // namespace troupe::actors
