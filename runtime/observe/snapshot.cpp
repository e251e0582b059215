#include "runtime/observe/snapshot.hpp"

namespace troupe::runtime {

std::string_view to_string(ActorStatus status) {
  switch (status) {
    case ActorStatus::starting:
      return "starting";
    case ActorStatus::running:
      return "running";
    case ActorStatus::stopping:
      return "stopping";
    case ActorStatus::stopped:
      return "stopped";
    case ActorStatus::failed:
      return "failed";
  }
  return "invalid";
}

}  // namespace troupe::runtime
