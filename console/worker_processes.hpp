#pragma once

#include "scheduler/fork_server.hpp"

#include <memory>

namespace troupe::console {

/// Workers as forks of this process, which has LibTorch loaded: to be called before the first thread starts. Nothing,
/// with a warning on stderr, where that cannot be; workers are then started by exec(), which takes longer.
[[nodiscard]] std::unique_ptr<scheduler::ForkServer> make_fork_server();

}  // namespace troupe::console
