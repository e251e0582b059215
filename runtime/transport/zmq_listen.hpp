#pragma once

#include "runtime/result.hpp"
#include "runtime/transport/zmq_link_key.hpp"

#include <zmq.hpp>

#include <filesystem>
#include <optional>
#include <string>

namespace troupe::runtime {

/// A bound ROUTER socket and the name under which others reach it.
struct Listening {
  zmq::socket_t router;
  std::string endpoint;               ///< with the real port and a host others can use
  std::filesystem::path socket_file;  ///< of an ipc endpoint; empty for tcp
};

/// Binds "ipc:///dir/name", "tcp://host:port" or "tcp://host:*" ("tcp://*:port" announces the machine's host name).
/// The folder of an ipc socket is made with mode 0700 when missing, and refused when others may write to it.
/// Failures: endpoint in use, no such address, folder not private, path too long; the text says what to do.
///
/// ZS-1  An endpoint somebody else listens on is refused, tcp and ipc alike; the file of a dead process is replaced.
/// A tcp endpoint with a key answers only those who have it (the Doorkeeper of the same context has to be there first).
[[nodiscard]] Result<Listening> listen_on(zmq::context_t& context, const std::string& where,
                                          const std::optional<LinkKey>& key = {});

/// Options every data socket has, whichever side.
void set_link_options(zmq::socket_t& socket);

}  // namespace troupe::runtime
