#include "actors/config/job_changes.hpp"

#include "actors/config/job_config_keys.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace troupe::actors {
namespace {

/// The order of sums does not depend on the layout, and neither validations nor checkpoints change weights.
constexpr std::array<std::string_view, 7> kFreeKeys{
    "train.eval_every", "train.checkpoint_every",      "layout.stages",  "layout.replicas",
    "layout.schedule",  "layout.memory_per_device_gb", "layout.recovery"};

bool is_asynchronous(const JobConfig& job) {
  return job.layout.exchange == Exchange::ps_async;
}

JobChange::Steps judge(const std::string& key, const JobConfig& was, const JobConfig& now) {
  if (is_asynchronous(was) || is_asynchronous(now)) return JobChange::Steps::altered;
  const bool is_free = std::ranges::find(kFreeKeys, key) != kFreeKeys.end();
  // A parameter server in step gives the bits of an all-reduce.
  return is_free || key == "layout.exchange" ? JobChange::Steps::same : JobChange::Steps::altered;
}

}  // namespace

std::string JobChange::describe() const {
  return key + " = " + now + " (was " + was + ")";
}

std::vector<JobChange> find_changes(const JobConfig& was, const JobConfig& now) {
  std::vector<JobChange> changes;
  for (const JobKey& key : job_keys()) {
    JobChange change{key.full_name(), render_job_value(key.get(was)), render_job_value(key.get(now))};
    if (change.was == change.now) continue;
    change.steps = judge(change.key, was, now);
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace troupe::actors
