#pragma once

#include "bench/runtime/measurement.hpp"

namespace troupe::bench {

// Cases of runtime_bench_troupe that are files of their own.

/// Ten thousand actors over four processes: all are asked, all answer. Beside them a million that do nothing.
Figures gather_from_10k();
Figures keep_1m_idle();

/// Actors that are processes, forked by a server that has the program loaded.
Figures spawn_processes();
/// The time from `kill -9` of one of them to the first answer of the next.
Figures restart_process();

/// 4 MiB to four processes at once: with a copy for each, and put once for all.
Figures broadcast_4m();

}  // namespace troupe::bench
