#pragma once

#include "runtime/actor.hpp"
#include "runtime/simulation/witness.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::runtime::simulation {

/// What the processes of a simulation have to do.
///
/// Thread-safety: one thread.
/// Ownership:     keeps what survives a crash (disks); borrows the witness.
/// Errors:        tells the witness.
/// Restart:       one for each simulation; actors_of() is called again for a process that is started again.
class Workload {
public:
  struct Placed {
    std::string name;
    std::unique_ptr<Actor> actor;
  };
  virtual ~Workload() = default;
  /// The actors to start in a process; their incarnation is the process's. All other processes hear of them.
  [[nodiscard]] virtual std::vector<Placed> actors_of(SimulatedProcess& process) = 0;
  /// The process is gone.
  virtual void crashed(const SimulatedProcess& process) { (void)process; }
  /// Everybody has caught up with what was done while there were faults: nothing but signs of life is left to send.
  /// Asked once there are no faults any more and all processes live.
  [[nodiscard]] virtual bool is_settled() const { return true; }
  /// All processes live and have come to rest.
  virtual void check_at_end(const std::vector<SimulatedProcess*>& processes) { (void)processes; }
};

/// Every actor asks and tells every other, with answers in time, late, missing, and failures.
[[nodiscard]] std::unique_ptr<Workload> make_requests_workload(Witness& witness, std::vector<std::string> processes);
/// One caller gathers from, and tells, all members of a group.
[[nodiscard]] std::unique_ptr<Workload> make_group_workload(Witness& witness, std::vector<std::string> processes);
/// A tree of supervisors in each process, with children that fail.
[[nodiscard]] std::unique_ptr<Workload> make_tree_workload(Witness& witness, std::vector<std::string> processes);
/// A trainer and two stages with checkpoints on disks: each step is applied once, in order, and none is lost.
[[nodiscard]] std::unique_ptr<Workload> make_training_workload(Witness& witness, std::vector<std::string> processes);

}  // namespace troupe::runtime::simulation
