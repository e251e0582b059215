#pragma once

#include "actors/config/job_config.hpp"
#include "console/run_setup.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::scheduler {
class ForkServer;
}

namespace troupe::console {

/// How a job is led: alone on this machine, or as the head of nodes that join.
struct JobOptions {
  actors::JobConfig job;
  RunFolder folder;
  std::string listen;  ///< "tcp://host:port" for nodes to join; empty = this machine only
  std::string key;     ///< file of the key that nodes need to join; empty = none
  std::uint32_t nodes_wanted = 1;
  enum class Agent { embedded, remote } agent = Agent::embedded;
  scheduler::ForkServer* server = nullptr;  ///< of the embedded agent; borrowed
  std::vector<std::string> faults;          ///< rules of --inject
  enum class Talk { progress, quiet } talk = Talk::progress;
  enum class Output { text, json } output = Output::text;
};

/// Leads a job to its end in this process: head, trainer and (embedded) node agent. Returns the exit status.
///
/// JR-1  Whatever the end, every process it started is gone, and no socket or shared-memory segment is left.
[[nodiscard]] int run_job(const JobOptions& options);

}  // namespace troupe::console
