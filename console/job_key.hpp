#pragma once

#include "console/parsed_command.hpp"
#include "runtime/transport/zmq_link_key.hpp"

#include <optional>
#include <string>

namespace troupe::console {

/// What to do when --key names a file that is not there.
enum class MissingKey {
  refuse,  ///< somebody else has it
  make,    ///< this is where it comes from
};

/// Takes --key, when it is given, for this process and all that it starts (TROUPE_KEY). To be called before there are
/// threads. Throws CommandError (usage) when the file is no key, or cannot be made.
void use_key(const ParsedCommand& command, MissingKey missing);

/// The file of this process's key; empty = it has none.
[[nodiscard]] std::string key_file();

/// Says so on stderr when others than this machine's may join without a key.
void warn_when_open(const std::string& endpoint);

/// The key of this process, when it has one and listens on tcp. Throws CommandError (usage) when its file is no key.
[[nodiscard]] std::optional<runtime::LinkKey> key_for(const std::string& endpoint);

}  // namespace troupe::console
