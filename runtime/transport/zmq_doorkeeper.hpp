#pragma once

#include "runtime/clock.hpp"
#include "runtime/transport/zmq_attention.hpp"
#include "runtime/transport/zmq_link_key.hpp"

#include <zmq.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// Says who may come in: answers ZeroMQ's question (RFC 27, ZAP) for each connection to a socket with a key.
///
/// Thread-safety: made before the sockets it watches, then used by the post office's thread.
/// Ownership:     owns its sockets.
/// Errors:        the constructor throws zmq::error_t.
/// Restart:       made with the sockets.
///
/// DK-1  Only who has the job's key comes in; refusals are one line of the log at most once a second, and cost nobody
///       else anything.
class Doorkeeper {
public:
  Doorkeeper(zmq::context_t& context, LinkKey key);
  /// Whoever fails to come in at that socket is told of in the log.
  void watch(zmq::socket_t& router);
  void answer();
  void add_watched(std::vector<Attention*>& watched);

private:
  struct Watch {
    explicit Watch(zmq::socket_t socket) : monitor(std::move(socket)), events(monitor) {}
    zmq::socket_t monitor;
    Attention events;
  };
  void refuse(const std::string& who, const std::string& why);

  zmq::context_t& context_;
  const LinkKey key_;
  zmq::socket_t questions_;
  Attention attention_;
  std::deque<Watch> watches_;  // whose places in memory stay
  TimePoint last_line_;
  std::uint64_t refused_ = 0;  // since the last line
};

}  // namespace troupe::runtime
