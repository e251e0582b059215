#pragma once

#include "actors/collective/collective.hpp"
#include "actors/collective/gather_collective.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

/// Whether this build has NCCL. nccl_collective.cpp is built with ENABLE_CUDA, nccl_absent.cpp without.
[[nodiscard]] bool has_nccl();

/// A communicator of NCCL for the GPU with that index. Non-blocking: a group whose members do not come is left by
/// abort(), and no call waits for another rank. Transfers run in the GPU's current stream, so later work of the same
/// turn sees them. Throws std::runtime_error in a build without CUDA, without that GPU, or with a libnccl of another
/// version than the one it was compiled against.
[[nodiscard]] std::unique_ptr<Communicator> make_nccl_communicator(int gpu);

/// The collective for members on `devices` (by replica): NCCL when every one has a GPU of its own, messages otherwise.
/// NCCL refuses two ranks on one GPU, and a group of one needs neither. Every member chooses alike: all see the same
/// devices.
[[nodiscard]] std::unique_ptr<Collective> make_collective(ReplicaGroup group, const std::vector<std::string>& devices,
                                                          SentLog& sent);
}  // namespace troupe::actors
