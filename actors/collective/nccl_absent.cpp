#include "actors/collective/nccl_collective.hpp"

#include <stdexcept>

namespace troupe::actors {

bool has_nccl() {
  return false;
}

std::unique_ptr<Communicator> make_nccl_communicator(int gpu) {
  throw std::runtime_error("cuda:" + std::to_string(gpu) +
                           " was asked for, but this program was built without CUDA; configure with -DENABLE_CUDA=ON");
}

}  // namespace troupe::actors
