#include "actors/device_check.hpp"

#include "actors/collective/nccl_collective.hpp"
#include "actors/recovery/sent_log.hpp"

#include <gtest/gtest.h>

#include <set>

namespace troupe::actors {
namespace {

JobConfig job_on(std::vector<std::string> devices, std::uint32_t stages, std::uint32_t replicas) {
  JobConfig job;
  job.layout.devices = std::move(devices);
  job.layout.stages = stages;
  job.layout.replicas = replicas;
  return job;
}

std::string refusal(const JobConfig& job) {
  try {
    check_devices(job);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(DeviceCheck, StagesTakeTurnsOnTheDevices) {
  EXPECT_EQ(place_stages(job_on({"cpu"}, 2, 2)), std::vector<std::string>(4, "cpu"));
  EXPECT_EQ(place_stages(job_on({"cuda:0", "cuda:1"}, 3, 1)), (std::vector<std::string>{"cuda:0", "cuda:1", "cuda:0"}));
  EXPECT_EQ(place_stages(job_on({"cuda:0"}, 4, 1)), std::vector<std::string>(4, "cuda:0"));
}

TEST(DeviceCheck, ReplicasOfAStageAreOnDevicesOfTheirOwnWhereThereAreEnough) {
  for (std::uint32_t count = 1; count <= 8; ++count) {
    std::vector<std::string> devices;
    for (std::uint32_t i = 0; i < count; ++i) devices.push_back("cuda:" + std::to_string(i));
    for (std::uint32_t stages = 1; stages <= 6; ++stages) {
      const std::vector<std::string> placed = place_stages(job_on(devices, stages, count));
      for (std::uint32_t stage = 0; stage < stages; ++stage) {
        std::set<std::string> group;
        for (std::uint32_t replica = 0; replica < count; ++replica) group.insert(placed[replica * stages + stage]);
        EXPECT_EQ(group.size(), count) << count << " devices, stage " << stage << " of " << stages;
      }
    }
  }
}

TEST(DeviceCheck, AutoIsTheFirstGpuOrElseTheCpu) {
  const std::string expected = cuda_devices() > 0 ? "cuda:0" : "cpu";
  EXPECT_EQ(place_stages(job_on({"auto"}, 1, 1)), std::vector<std::string>{expected});
  EXPECT_EQ(refusal(job_on({"auto"}, 1, 1)), "");
}

TEST(DeviceCheck, ADeviceThatIsNotThereIsRefusedByName) {
  const std::string why = refusal(job_on({"cpu", "cuda:99"}, 2, 1));
  expect_has(why, "layout.devices names cuda:99");
  expect_has(why, has_nccl() ? "CUDA devices here" : "built without CUDA");
}

TEST(DeviceCheck, TooLittleMemoryIsRefusedWithTheNumbers) {
  JobConfig job = job_on({"cpu"}, 2, 2);
  job.layout.memory_per_device_gb = 1000.0;
  EXPECT_EQ(refusal(job), "");
  job.layout.memory_per_device_gb = 0.001;
  const std::string why = refusal(job);
  expect_has(why, "stage/r0.s0 needs 0.0");
  expect_has(why, "layout.memory_per_device_gb allows 0.001 GB");
}

TEST(DeviceCheck, AJobBeyondTheMachinesMemoryIsRefusedWithTheNumbers) {
  const auto machine_refusal = [](const JobConfig& job, std::uint64_t bytes) -> std::string {
    try {
      check_machine_memory(job, bytes);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  constexpr std::uint64_t kGigabyte = 1'000'000'000;
  EXPECT_EQ(machine_refusal(job_on({"cpu"}, 2, 2), 8 * kGigabyte), "");
  JobConfig wide = job_on({"cpu"}, 2, 2);
  wide.model.width = 20'000;
  const std::string why = machine_refusal(wide, 8 * kGigabyte);
  expect_has(why, "the 4 stages on the CPU need ");
  expect_has(why, " GB together, this machine has 8 GB");
  EXPECT_EQ(machine_refusal(job_on({"cuda:0"}, 2, 2), 1), "") << "a GPU has memory of its own";
  // Each replica counts, and the parameter server is a process too.
  JobConfig job = job_on({"cpu"}, 1, 1);
  std::uint64_t enough = 1;
  while (!machine_refusal(job, enough).empty()) enough *= 2;
  job.layout.replicas = 2;
  EXPECT_NE(machine_refusal(job, enough), "");
  job.layout.replicas = 1;
  job.layout.exchange = Exchange::ps_sync;
  job.train.micro_batch = 1;
  JobConfig plain = job;
  plain.layout.exchange = Exchange::allreduce;
  std::uint64_t just = 1 << 20;
  while (!machine_refusal(plain, just).empty()) just += 1 << 20;
  EXPECT_NE(machine_refusal(job, just), "");
}

TEST(DeviceCheck, AGroupWithoutGpusOfItsOwnSumsByMessages) {
  const ReplicaGroup pair{{"stage/r0.s0", "stage/r1.s0"}, 0, 2};
  SentLog sent(SentLog::Keep::nothing);
  const auto is_message = [](const std::unique_ptr<Collective>& collective) {
    return dynamic_cast<GatherCollective*>(collective.get()) == nullptr;
  };
  EXPECT_TRUE(is_message(make_collective(pair, {"cpu", "cpu"}, sent)));
  EXPECT_TRUE(is_message(make_collective(pair, {"cuda:0", "cuda:0"}, sent)));
  EXPECT_TRUE(is_message(make_collective(pair, {"cpu", "cuda:0"}, sent)));
  EXPECT_TRUE(is_message(make_collective({{"stage/r0.s0"}, 0, 2}, {"cuda:0"}, sent)));
  if (!has_nccl()) {
    EXPECT_TRUE(is_message(make_collective(pair, {"cuda:0", "cuda:1"}, sent)));
    EXPECT_THROW((void)make_nccl_communicator(0), std::runtime_error);
  }
}

}  // namespace
}  // namespace troupe::actors
