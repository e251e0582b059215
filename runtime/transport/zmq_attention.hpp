#pragma once

#include "runtime/transport/zmq_wire.hpp"

#include <zmq.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace troupe::runtime {

/// Knows when a socket need not be asked. To ask one that has nothing costs two system calls, to look at the
/// descriptors of all of them together one.
///
/// Thread-safety: the post office's thread.
/// Ownership:     borrows the socket.
/// Errors:        as the socket.
/// Restart:       made with its socket.
class Attention {
public:
  explicit Attention(zmq::socket_t& socket) : socket_(&socket), descriptor_(socket.get(zmq::sockopt::fd)) {}

  [[nodiscard]] Received receive(std::vector<Frame>& frames);
  [[nodiscard]] bool send(std::vector<Frame>& frames);
  /// Whether there is something to receive, also where its descriptor would not say so any more.
  [[nodiscard]] bool has_news();
  [[nodiscard]] int descriptor() const { return descriptor_; }
  void note_signal() { is_due_ = true; }

private:
  zmq::socket_t* socket_;
  int descriptor_ = -1;
  // The descriptor tells of a change once, and only until any call on the socket has seen it: from then on until a
  // receive() found nothing the socket itself has to be asked.
  bool is_due_ = true;
};

/// What a socket's monitor says.
struct MonitorEvent {
  std::uint16_t what = 0;   ///< ZMQ_EVENT_...
  std::uint32_t value = 0;  ///< why, where there is a reason

  /// The other side has another key, or none, or wants one.
  [[nodiscard]] bool is_about_keys() const;
};
[[nodiscard]] std::optional<MonitorEvent> monitor_event(const std::vector<Frame>& frames);

}  // namespace troupe::runtime
