#pragma once

#include "actors/job_config.hpp"

#include <string>
#include <vector>

namespace troupe::actors {

/// The device of each stage of a replica ("cpu", "cuda:0"): stages take turns on the devices of the layout.
[[nodiscard]] std::vector<std::string> place_stages(const JobConfig& job);

/// Refuses a layout whose devices are not there, or too small: throws ConfigError that names device, stages, the bytes
/// they need and layout.memory_per_device_gb.
void check_devices(const JobConfig& job);

/// How many CUDA devices this build can use on this machine.
[[nodiscard]] int cuda_devices();

}  // namespace troupe::actors
