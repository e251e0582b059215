#pragma once

#include <string>

namespace troupe::runtime {

/// Sends this process's log to standard error (standard output is for data), one line an event, from `level` up
/// ("debug", "info", "warn", "err", "off"); the environment variable TROUPE_LOG names another level.
void log_to_stderr(const std::string& level);

/// A warning, "event=... cause=... next=...", for sources that cannot see the logging library (LibTorch brings another
/// version of what it is made of).
void log_warning(const std::string& line);

}  // namespace troupe::runtime
