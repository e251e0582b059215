#pragma once

#include "runtime/transport/zmq_link_sockets.hpp"
#include "runtime/transport/zmq_listen.hpp"
#include "runtime/transport/zmq_outbox.hpp"

#include <zmq.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::runtime {

/// The sockets of ZeroMQ: one ROUTER for each place listened on, one DEALER with its monitor for each connection.
///
/// Thread-safety: made by any thread, then used by the post office's alone.
/// Ownership:     owns its sockets; shares context and waker.
/// Errors:        as LinkSockets.
/// Restart:       as LinkSockets.
class ZmqSockets final : public LinkSockets {
public:
  ZmqSockets(std::shared_ptr<zmq::context_t> context, std::vector<Listening> listenings, std::shared_ptr<Waker> waker)
      : context_(std::move(context)), listenings_(std::move(listenings)), waker_(std::move(waker)) {}

  [[nodiscard]] Result<std::unique_ptr<DialedConnection>> dial(const std::string& endpoint,
                                                               const std::string& name) override;
  [[nodiscard]] std::size_t listeners() const override { return listenings_.size(); }
  [[nodiscard]] Received receive(std::size_t listener, std::vector<Frame>& frames) override {
    return receive_frames(listenings_[listener].router, frames);
  }
  [[nodiscard]] bool send(std::size_t listener, std::vector<Frame>& frames) override {
    return send_frames(listenings_[listener].router, frames);
  }
  void wait(Duration at_most) override;
  void stop_listening(std::chrono::milliseconds linger) override;

private:
  class Connection;

  const std::shared_ptr<zmq::context_t> context_;  // shared with who made the sockets bound in it
  std::vector<Listening> listenings_;
  const std::shared_ptr<Waker> waker_;
  std::vector<Connection*> connections_;  // each takes itself out when it ends
  std::vector<zmq::pollitem_t> poll_items_;
  std::uint64_t dials_ = 0;
};

}  // namespace troupe::runtime
