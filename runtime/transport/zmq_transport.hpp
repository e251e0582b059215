#pragma once

#include "runtime/transport/frame_faults.hpp"
#include "runtime/transport/shm_directory.hpp"
#include "runtime/transport/transport.hpp"
#include "runtime/transport/zmq_link_key.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace troupe::runtime {

/// How a process is reached, and how much it takes at a time.
struct ZmqTransportOptions {
  std::string listen;              ///< "ipc:///dir/name", "tcp://host:port" or "tcp://host:*"
  std::string also_listen;         ///< a second endpoint (tcp beside ipc); empty = none
  std::string node_name = "node";  ///< for people, at most kMaxNameBytes
  std::uint32_t incarnation = 1;   ///< of this process under that name; for people
  std::uint64_t job = 0;           ///< processes of another job are refused
  std::filesystem::path arena_directory = shared_memory_directory();  ///< the same for all processes of a machine
  std::size_t arena_bytes = 256ULL << 20;  ///< room for payloads to processes of this machine; 0 = none; grows by use
  std::uint32_t window_messages = 1024;    ///< messages of one sender accepted and not yet done with
  std::size_t window_bytes = 64ULL << 20;  ///< the same in bytes; one message larger than it may go alone
  Duration heartbeat = std::chrono::milliseconds(200);  ///< silence after which a link says that it lives
  Duration peer_timeout = std::chrono::seconds(5);  ///< silence after which a link is given up; at least two heartbeats
  std::optional<LinkKey> key;  ///< of the job: tcp endpoints speak with those who have it and nobody else
  FrameFaults faults;          ///< on purpose, for tests; none by default
};

/// A transport between processes and machines over ZeroMQ sockets; docs/transport.md describes the protocol.
[[nodiscard]] std::unique_ptr<Transport> make_zmq_transport(ZmqTransportOptions options);

}  // namespace troupe::runtime
