#include "actors/actor_types.hpp"

#include "actors/data_actor.hpp"
#include "actors/device_check.hpp"
#include "actors/sample_source.hpp"
#include "actors/server_actor.hpp"
#include "actors/stage_actor.hpp"
#include "gpt2/numerics.hpp"

#include <charconv>
#include <optional>
#include <stdexcept>

namespace troupe::actors {
namespace {

JobConfig parse(const std::string& job_text) {
  return parse_job_config(job_text, {}, "the job's text");
}

/// The number behind `prefix` up to `end` letters further on; nothing when the text is something else.
std::optional<std::uint32_t> number_after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace

void prepare_process(const std::string& job_text) {
  gpt2::fix_numerics(static_cast<int>(parse(job_text).layout.threads_per_stage));
}

std::unique_ptr<runtime::Actor> make_actor(std::string_view name, const std::string& job_text,
                                           const std::filesystem::path& memory) {
  const JobConfig job = parse(job_text);
  if (name == kServerName) {
    return std::make_unique<ServerActor>(job, plan_job(job).total_steps(), FaultPlan::from_environment());
  }
  if (const std::optional<std::uint32_t> replica = number_after(name, "data/r")) {
    return std::make_unique<DataActor>(job, *replica, FaultPlan::from_environment());
  }
  const std::size_t dot = name.find('.');
  const std::optional<std::uint32_t> replica = number_after(name, "stage/r");
  const std::optional<std::uint32_t> stage =
      dot == std::string_view::npos ? std::nullopt : number_after(name.substr(dot), ".s");
  if (replica && stage)
    return std::make_unique<StageActor>(StageRole{job, *replica, *stage, memory}, FaultPlan::from_environment());
  throw std::runtime_error("no job has an actor named " + std::string(name));
}

JobPlan plan_job(const JobConfig& job) {
  const SampleSource source(job);
  return JobPlan(job, source.training_samples(), source.validation_samples());
}

void check_job(const JobConfig& job, const std::vector<std::string>& faults) {
  const JobPlan plan = plan_job(job);
  check_devices(job);
  for (const std::string& text : faults) {
    const runtime::Result<FaultRule> rule = parse_fault_rule(text);
    if (!rule) throw ConfigError(rule.failure().text);
    const std::string problem = find_impossible(*rule, plan);
    if (!problem.empty()) throw ConfigError("fault rule \"" + text + "\": " + problem);
  }
}

}  // namespace troupe::actors
