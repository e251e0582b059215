#pragma once

#include "actors/fault/fault_rule.hpp"

#include <string>

namespace troupe::actors {

/// Status with which a process ends that a rule says "exit" for.
inline constexpr int kInjectedExitStatus = 3;

/// Does to this process what the rule says, at `where` (for people): does not return where it ends, throws
/// std::runtime_error for "throw" and for an "oom" that would be a danger to others. Nothing for what the caller does.
void carry_out(const FaultRule& rule, const std::string& where);

/// Whether this process is in a memory cgroup (version 1 or 2) whose limit is below the machine's memory: what it takes
/// beyond that is its own end, and nobody else's.
[[nodiscard]] bool has_memory_limit();

}  // namespace troupe::actors
