#include "runtime/transport/zmq_attention.hpp"

#include <cstring>

namespace troupe::runtime {

Received Attention::receive(std::vector<Frame>& frames) {
  if (!is_due_) {
    frames.clear();
    return Received::nothing;
  }
  const Received received = receive_frames(*socket_, frames);
  is_due_ = received == Received::message;
  return received;
}

bool Attention::send(std::vector<Frame>& frames) {
  is_due_ = true;
  return send_frames(*socket_, frames);
}

bool Attention::has_news() {
  if (is_due_) is_due_ = (socket_->get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
  return is_due_;
}

std::optional<MonitorEvent> monitor_event(const std::vector<Frame>& frames) {
  MonitorEvent event;
  if (frames.empty() || frames[0].size() < sizeof event.what + sizeof event.value) return std::nullopt;
  const auto* const at = static_cast<const std::byte*>(frames[0].data());
  std::memcpy(&event.what, at, sizeof event.what);
  std::memcpy(&event.value, at + sizeof event.what, sizeof event.value);
  return event;
}

bool MonitorEvent::is_about_keys() const {
  return what == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ||
         (what == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL && value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH);
}

}  // namespace troupe::runtime
