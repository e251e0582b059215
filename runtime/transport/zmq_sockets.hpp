#pragma once

#include "runtime/transport/zmq_attention.hpp"
#include "runtime/transport/zmq_doorkeeper.hpp"
#include "runtime/transport/zmq_link_sockets.hpp"
#include "runtime/transport/zmq_listen.hpp"
#include "runtime/transport/zmq_outbox.hpp"

#include <poll.h>
#include <zmq.hpp>

#include <cstdint>
#include <memory>
#include <optional>
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
  struct Parts {
    std::shared_ptr<zmq::context_t> context;
    std::vector<Listening> listenings;
    std::shared_ptr<Waker> waker;
    std::optional<LinkKey> key;
    std::unique_ptr<Doorkeeper> doorkeeper;  ///< there when there is a key
  };
  explicit ZmqSockets(Parts parts);

  [[nodiscard]] Result<std::unique_ptr<DialedConnection>> dial(const std::string& endpoint,
                                                               const std::string& name) override;
  [[nodiscard]] std::size_t listeners() const override { return listenings_.size(); }
  [[nodiscard]] Received receive(std::size_t listener, std::vector<Frame>& frames) override {
    return routers_[listener].receive(frames);
  }
  [[nodiscard]] bool send(std::size_t listener, std::vector<Frame>& frames) override {
    return routers_[listener].send(frames);
  }
  void wait(Duration at_most) override;
  void stop_listening(std::chrono::milliseconds linger) override;

private:
  class Connection;

  const std::shared_ptr<zmq::context_t> context_;  // shared with who made the sockets bound in it
  std::vector<Listening> listenings_;
  std::vector<Attention> routers_;  // of the listenings, in their order
  const std::shared_ptr<Waker> waker_;
  const std::optional<LinkKey> key_;
  const std::unique_ptr<Doorkeeper> doorkeeper_;
  std::vector<Connection*> connections_;  // each takes itself out when it ends
  std::vector<Attention*> watched_;       // of the wait under way
  std::vector<pollfd> descriptors_;
  std::uint64_t dials_ = 0;
};

}  // namespace troupe::runtime
