#include "actors/collective/nccl_collective.hpp"
#include "actors/config/job_config.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

namespace troupe::actors {
namespace {

constexpr std::string_view kGpuPrefix = "cuda:";

bool is_gpu_each(const std::vector<std::string>& devices) {
  const std::set<std::string> distinct(devices.begin(), devices.end());
  const bool all_gpus = std::all_of(devices.begin(), devices.end(),
                                    [](const std::string& device) { return device.starts_with(kGpuPrefix); });
  return all_gpus && distinct.size() == devices.size();
}

}  // namespace

bool sums_by_messages(const LayoutConfig& layout) {
  return !has_nccl() || layout.replicas < 2 ||
         std::ranges::all_of(layout.devices, [](const std::string& device) { return device == "cpu"; });
}

std::unique_ptr<Collective> make_collective(ReplicaGroup group, const std::vector<std::string>& devices,
                                            SentLog& sent) {
  if (!has_nccl() || devices.size() < 2 || !is_gpu_each(devices))
    return make_message_collective(std::move(group), sent);
  const int gpu = std::stoi(devices[group.self].substr(kGpuPrefix.size()));
  return std::make_unique<GatherCollective>(std::move(group), make_nccl_communicator(gpu), GatherOptions{});
}

}  // namespace troupe::actors
