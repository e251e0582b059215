#pragma once

#include "runtime/transport/zmq_link_sockets.hpp"
#include "runtime/transport/zmq_listen.hpp"
#include "runtime/transport/zmq_outbox.hpp"

#include <poll.h>
#include <zmq.hpp>

#include <cstdint>
#include <memory>
#include <string>
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

/// The sockets of ZeroMQ: one ROUTER for each place listened on, one DEALER with its monitor for each connection.
///
/// Thread-safety: made by any thread, then used by the post office's alone.
/// Ownership:     owns its sockets; shares context and waker.
/// Errors:        as LinkSockets.
/// Restart:       as LinkSockets.
class ZmqSockets final : public LinkSockets {
public:
  ZmqSockets(std::shared_ptr<zmq::context_t> context, std::vector<Listening> listenings, std::shared_ptr<Waker> waker);

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
  std::vector<Connection*> connections_;  // each takes itself out when it ends
  std::vector<Attention*> watched_;       // of the wait under way
  std::vector<pollfd> descriptors_;
  std::uint64_t dials_ = 0;
};

}  // namespace troupe::runtime
