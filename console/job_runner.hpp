#pragma once

#include "actors/config/job_config.hpp"
#include "actors/job_plan.hpp"
#include "actors/trainer_actor.hpp"
#include "console/run_setup.hpp"
#include "gpt2/data/data_order.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace troupe::console {

/// How a job is led: alone on this machine, or as the head of nodes that join.
struct JobOptions {
  actors::JobConfig job;
  RunFolder folder;
  std::string listen;  ///< "tcp://host:port" for nodes to join; empty = this machine only
  std::string key;     ///< file of the key that nodes need to join; empty = none
  std::uint32_t nodes_wanted = 1;
  enum class Agent { embedded, remote } agent = Agent::embedded;
  std::vector<std::string> faults;  ///< rules of --inject
  enum class Talk { progress, quiet } talk = Talk::progress;
  enum class Output { text, json } output = Output::text;
};

/// Runs a job to its end: starts the process of the head (with the trainer), and of the node agent where that is
/// embedded, and starts each again when it was killed. Returns the exit status. Called while there is one thread.
///
/// JR-1  Whatever the end, every process it started is gone, and no socket or shared-memory segment is left.
/// JR-2  A head or an agent that was killed is started again, within the limits of the restart policy: the run goes on.
[[nodiscard]] int run_job(const JobOptions& options);

/// What the head of a job is given by the process that started it.
struct Lead {
  actors::JobPlan plan;
  gpt2::DataOrder order;
  std::uint64_t job = 0;          ///< the same for every head of the job
  std::filesystem::path sockets;  ///< folder of the job's sockets on this machine
  std::uint32_t incarnation = 1;  ///< of the head
};

/// Where the head of a job on one machine listens.
[[nodiscard]] std::string local_head_endpoint(const std::filesystem::path& sockets);

/// The life of a head: head and trainer in this process, until the job is over. The first SIGINT or SIGTERM, which have
/// to be blocked, stops at the next step border; the second at once.
[[nodiscard]] actors::TrainingEnd lead_job(const JobOptions& options, const Lead& lead);

}  // namespace troupe::console
