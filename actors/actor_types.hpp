#pragma once

#include "actors/config/job_config.hpp"
#include "actors/job_plan.hpp"
#include "actors/run_recorder.hpp"
#include "gpt2/learning_rate.hpp"
#include "runtime/actor.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// What composition roots need to know of this folder: names to actors, and a job's plan.
namespace troupe::actors {

/// Fixes numerics and memory for a worker's process; call it before anything else touches tensors. Throws ConfigError
/// for a job text that does not parse.
void prepare_process(const std::string& job_text);

/// The actor with that name ("stage/r0.s1", "data/r0", "ps"); `memory` is its node's folder for states that outlive
/// processes, empty where there is none. Throws std::runtime_error for a name no job has.
[[nodiscard]] std::unique_ptr<runtime::Actor> make_actor(std::string_view name, const std::string& job_text,
                                                         const std::filesystem::path& memory);

/// Opens the data and lays the job out. Throws ConfigError or std::runtime_error with what does not fit.
[[nodiscard]] JobPlan plan_job(const JobConfig& job);

/// Everything about a job that can be refused before anything starts: data, layout, devices and their memory, and rules
/// of faults on purpose that could never fire.
void check_job(const JobConfig& job, const std::vector<std::string>& faults);

}  // namespace troupe::actors
