#include "runtime/failure.hpp"

namespace troupe::runtime {

std::string_view to_string(FailureKind kind) {
  switch (kind) {
    case FailureKind::faulted:
      return "faulted";
    case FailureKind::overloaded:
      return "overloaded";
    case FailureKind::disconnected:
      return "disconnected";
    case FailureKind::unknown:
      return "unknown";
  }
  return "invalid";
}

Failure Failure::within(std::string_view context) const {
  return {kind, std::string(context) + ": " + text};
}

Failure Failure::shortened() const {
  return {kind, text.substr(0, kMaxFailureText)};
}

std::string Failure::describe() const {
  return std::string(to_string(kind)) + ": " + text;
}

}  // namespace troupe::runtime
