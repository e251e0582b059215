#include "runtime/observe/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace troupe::runtime {

void log_to_stderr(const std::string& level) {
  const char* wanted = std::getenv("TROUPE_LOG");
  auto logger = std::make_shared<spdlog::logger>("troupe", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e pid=%P level=%l %v");
  logger->set_level(spdlog::level::from_str(wanted != nullptr ? wanted : level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void log_warning(const std::string& line) {
  spdlog::warn("{}", line);
}

}  // namespace troupe::runtime
