#include "runtime/transport/zmq_sockets.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace troupe::runtime {

namespace {

constexpr int kNoReconnect = -1;
constexpr int kWatchedEvents = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

}  // namespace

/// Thread-safety: as DialedConnection.
/// Ownership:     owns socket and monitor.
/// Errors:        the constructor throws zmq::error_t.
/// Restart:       as DialedConnection.
class ZmqSockets::Connection final : public DialedConnection {
public:
  Connection(ZmqSockets& sockets, const std::string& endpoint, const std::string& name)
      : sockets_(sockets), socket_(*sockets.context_, zmq::socket_type::dealer) {
    set_link_options(socket_);
    // ZeroMQ's own reconnect would send on without a hello, after a gap, before we hear of the break.
    socket_.set(zmq::sockopt::reconnect_ivl, kNoReconnect);
    // One name per connection: the peer's ROUTER ignores a name it still holds for a broken one.
    socket_.set(zmq::sockopt::routing_id, name);
    const std::string monitor_name = "inproc://link-monitor#" + std::to_string(++sockets_.dials_);
    if (zmq_socket_monitor(socket_.handle(), monitor_name.c_str(), kWatchedEvents) != 0) throw zmq::error_t();
    monitor_ = zmq::socket_t(*sockets_.context_, zmq::socket_type::pair);
    monitor_.connect(monitor_name);
    socket_.connect(endpoint);
    sockets_.connections_.push_back(this);
  }
  ~Connection() override {
    std::erase(sockets_.connections_, this);
    zmq_socket_monitor(socket_.handle(), nullptr, 0);
    monitor_.close();
    socket_.close();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] bool send(std::vector<Frame>& frames) override { return send_frames(socket_, frames); }
  [[nodiscard]] Received receive(std::vector<Frame>& frames) override { return receive_frames(socket_, frames); }
  [[nodiscard]] News news() override {
    std::vector<Frame> frames;
    while (receive_frames(monitor_, frames) == Received::message) {
      std::uint16_t event = 0;
      if (frames[0].size() < sizeof event) continue;
      std::memcpy(&event, frames[0].data(), sizeof event);
      return event == ZMQ_EVENT_CLOSED ? News::refused : News::broken;
    }
    return News::none;
  }
  void add_poll_items(std::vector<zmq::pollitem_t>& items) {
    items.push_back({socket_.handle(), 0, ZMQ_POLLIN, 0});
    items.push_back({monitor_.handle(), 0, ZMQ_POLLIN, 0});
  }

private:
  ZmqSockets& sockets_;
  zmq::socket_t socket_;
  zmq::socket_t monitor_;
};

Result<std::unique_ptr<DialedConnection>> ZmqSockets::dial(const std::string& endpoint, const std::string& name) {
  try {
    return std::unique_ptr<DialedConnection>(std::make_unique<Connection>(*this, endpoint, name));
  } catch (const zmq::error_t& error) {
    return Failure{FailureKind::disconnected, "cannot dial " + endpoint + ": " + error.what()};
  }
}

void ZmqSockets::wait(Duration at_most) {
  poll_items_.clear();
  poll_items_.push_back({nullptr, waker_->descriptor(), ZMQ_POLLIN, 0});
  for (Listening& listening : listenings_) poll_items_.push_back({listening.router.handle(), 0, ZMQ_POLLIN, 0});
  for (Connection* const connection : connections_) connection->add_poll_items(poll_items_);
  try {
    zmq::poll(poll_items_, std::chrono::ceil<std::chrono::milliseconds>(at_most));
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
  }
  if ((poll_items_.front().revents & ZMQ_POLLIN) != 0) waker_->drain();
}

void ZmqSockets::stop_listening(std::chrono::milliseconds linger) {
  for (Listening& listening : listenings_) {
    listening.router.set(zmq::sockopt::linger, static_cast<int>(linger.count()));
    listening.router.close();
    std::error_code ignored;  // ZeroMQ removes the file itself most of the time
    if (!listening.socket_file.empty()) std::filesystem::remove(listening.socket_file, ignored);
  }
}

}  // namespace troupe::runtime
