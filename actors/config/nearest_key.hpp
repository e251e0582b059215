#pragma once

#include "actors/config/job_config_keys.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors {

/// The known section that is spelled most like `section`; empty when none is close.
[[nodiscard]] std::string nearest_section(const std::vector<JobKey>& keys, std::string_view section);

/// "unknown key model.widht: did you mean model.width?", or the keys that exist when nothing is close.
[[nodiscard]] std::string describe_unknown_key(const std::vector<JobKey>& keys, std::string_view section,
                                               std::string_view name);

}  // namespace troupe::actors
