#include "console/job_key.hpp"

#include "console/exit_codes.hpp"

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace troupe::console {

void use_key(const ParsedCommand& command, MissingKey missing) {
  const std::string given = command.get("key");
  if (given.empty()) return;
  const std::filesystem::path path = std::filesystem::absolute(given);
  if (missing == MissingKey::make && !std::filesystem::exists(path)) {
    const runtime::Result<runtime::Done> made = runtime::write_link_key(path, runtime::make_link_key());
    if (!made && !std::filesystem::exists(path)) throw CommandError(ExitCode::usage, made.failure().text);
    if (made) std::cerr << "made the key " << path.string() << ": copy it to the machines that shall join\n";
  }
  const runtime::Result<runtime::LinkKey> key = runtime::read_link_key(path);
  if (!key) throw CommandError(ExitCode::usage, key.failure().text);
  ::setenv("TROUPE_KEY", path.c_str(), 1);
}

std::string key_file() {
  const char* const path = std::getenv("TROUPE_KEY");
  return path == nullptr ? "" : path;
}

void warn_when_open(const std::string& endpoint) {
  const bool is_local = endpoint.starts_with("tcp://127.") || endpoint.starts_with("tcp://localhost:");
  if (is_local || !key_file().empty()) return;
  std::cerr << "troupe: warning: whoever reaches " << endpoint
            << " may join, and can read what is sent: give head and nodes the same --key FILE\n";
}

std::optional<runtime::LinkKey> key_for(const std::string& endpoint) {
  if (!endpoint.starts_with("tcp://")) return std::nullopt;
  runtime::Result<std::optional<runtime::LinkKey>> key = runtime::link_key_of_environment();
  if (!key) throw CommandError(ExitCode::usage, key.failure().text);
  return std::move(key).value();
}

}  // namespace troupe::console
