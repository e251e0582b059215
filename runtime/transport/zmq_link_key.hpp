#pragma once

#include "runtime/result.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace troupe::runtime {

/// The key of a job: who has it may join, and nobody else can read or change what goes over tcp (CURVE of ZeroMQ, RFC
/// 26/CurveZMQ). All processes of a job have the same one. Sockets of one machine (ipc) need none: the folder they are
/// in is private.
struct LinkKey {
  static constexpr std::size_t kLetters = 40;  ///< Z85 (ZeroMQ RFC 32) of 32 bytes
  std::string public_key;                      ///< kLetters letters; anybody may know it
  std::string secret_key;                      ///< kLetters letters; never logged

  bool operator==(const LinkKey&) const = default;
};

/// A new one, from the system's random numbers.
[[nodiscard]] LinkKey make_link_key();

/// From a file as write_link_key() makes it. Failures: no such file, others may read it (mode), not a key; the text
/// says what to do.
///
/// KY-1  What was written is read back; a file that others can read, or that is no pair of keys, is refused.
[[nodiscard]] Result<LinkKey> read_link_key(const std::filesystem::path& path);
/// Makes the file with mode 0600, whole or not at all. Fails when there is one.
[[nodiscard]] Result<Done> write_link_key(const std::filesystem::path& path, const LinkKey& key);

/// The key in the file that the environment variable TROUPE_KEY names; nothing when it is not set.
[[nodiscard]] Result<std::optional<LinkKey>> link_key_of_environment();

}  // namespace troupe::runtime
