# troupe_simulation: the runtime's own code on a virtual clock and a simulated network. Paths are relative to runtime/.
add_module(simulation
  SOURCES
    simulation/event_queue.cpp
    simulation/network.cpp
    simulation/mail_ledger.cpp
    simulation/process_loop.cpp
    simulation/simulated_transport.cpp
    simulation/simulated_process.cpp
    simulation/witness.cpp
    simulation/requests_workload.cpp
    simulation/group_workload.cpp
    simulation/tree_workload.cpp
    simulation/training_workload.cpp
    simulation/fault_schedule.cpp
    simulation/scenario.cpp
    simulation/simulation.cpp
  DEPENDS troupe_runtime)
