#pragma once

#include "runtime/simulation/process_loop.hpp"
#include "runtime/simulation/simulated_process.hpp"
#include "runtime/transport/transport.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe::runtime::simulation {

/// The transport of a simulated process: outbox, post office and links as in ZmqTransport, on the simulated network,
/// stepped by events. What goes in and what comes out is told to the ledger.
[[nodiscard]] std::unique_ptr<Transport> make_simulated_transport(World& world, std::uint64_t process,
                                                                  const ProcessOptions& options,
                                                                  std::shared_ptr<ProcessLoop> loop);

/// Where a process of that name listens.
[[nodiscard]] std::string endpoint_of(const std::string& name);

}  // namespace troupe::runtime::simulation
