#pragma once

#include <stdexcept>
#include <string>

namespace troupe::console {

/// What the program's exit status says; docs/commands.md lists them. 75 is EX_TEMPFAIL of sysexits.h: run me again.
enum class ExitCode : int { ok = 0, failed = 1, usage = 2, unreachable = 3, not_found = 4, stopped = 75 };

[[nodiscard]] constexpr int to_int(ExitCode code) {
  return static_cast<int>(code);
}

/// A command cannot do what it was asked: the message for the user and the exit status that goes with it.
class CommandError : public std::runtime_error {
public:
  CommandError(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ExitCode code() const { return code_; }

private:
  ExitCode code_;
};

}  // namespace troupe::console
