#pragma once

#include <cstdint>
#include <string>

namespace troupe::actors {

/// Bytes that the processes of this machine can have together: its memory, or less where a container is allowed less.
[[nodiscard]] std::uint64_t machine_memory();

/// "1.5 GB", as messages show it.
[[nodiscard]] std::string gigabytes(double bytes);

}  // namespace troupe::actors
