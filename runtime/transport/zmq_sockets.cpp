#include "runtime/transport/zmq_sockets.hpp"

#include "runtime/transport/zmq_handshake.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

namespace troupe::runtime {

namespace {

constexpr int kNoReconnect = -1;
constexpr int kWatchedEvents = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |
                               ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

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
    if (sockets.key_ && endpoint.starts_with(kTcp)) {
      socket_.set(zmq::sockopt::curve_serverkey, sockets.key_->public_key);
      socket_.set(zmq::sockopt::curve_publickey, sockets.key_->public_key);
      socket_.set(zmq::sockopt::curve_secretkey, sockets.key_->secret_key);
    }
    const std::string monitor_name = "inproc://link-monitor#" + std::to_string(++sockets_.dials_);
    if (zmq_socket_monitor(socket_.handle(), monitor_name.c_str(), kWatchedEvents) != 0) throw zmq::error_t();
    monitor_ = zmq::socket_t(*sockets_.context_, zmq::socket_type::pair);
    monitor_.connect(monitor_name);
    socket_.connect(endpoint);
    messages_.emplace(socket_);
    events_.emplace(monitor_);
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

  [[nodiscard]] bool send(std::vector<Frame>& frames) override { return messages_->send(frames); }
  [[nodiscard]] Received receive(std::vector<Frame>& frames) override { return messages_->receive(frames); }
  [[nodiscard]] News news() override {
    std::vector<Frame> frames;
    while (events_->receive(frames) == Received::message) {
      const std::optional<MonitorEvent> event = monitor_event(frames);
      if (event && event->what == ZMQ_EVENT_CONNECTED) {
        has_connected_ = true;
        continue;
      }
      if (event && event->what == ZMQ_EVENT_CLOSED && !has_connected_) return News::refused;
      if (event && event->is_about_keys()) return News::locked;
      if (event) return News::broken;
    }
    return News::none;
  }
  void add_watched(std::vector<Attention*>& watched) {
    watched.push_back(&*messages_);
    watched.push_back(&*events_);
  }

private:
  ZmqSockets& sockets_;
  zmq::socket_t socket_;
  zmq::socket_t monitor_;
  std::optional<Attention> messages_;
  std::optional<Attention> events_;
  bool has_connected_ = false;  // who is there may still hang up before the handshake is done
};

ZmqSockets::ZmqSockets(Parts parts)
    : context_(std::move(parts.context)),
      listenings_(std::move(parts.listenings)),
      waker_(std::move(parts.waker)),
      key_(std::move(parts.key)),
      doorkeeper_(std::move(parts.doorkeeper)) {
  for (Listening& listening : listenings_) {
    routers_.emplace_back(listening.router);
    if (doorkeeper_ && listening.socket_file.empty()) doorkeeper_->watch(listening.router);
  }
}

Result<std::unique_ptr<DialedConnection>> ZmqSockets::dial(const std::string& endpoint, const std::string& name) {
  try {
    return std::unique_ptr<DialedConnection>(std::make_unique<Connection>(*this, endpoint, name));
  } catch (const zmq::error_t& error) {
    return Failure{FailureKind::disconnected, "cannot dial " + endpoint + ": " + error.what()};
  }
}

void ZmqSockets::wait(Duration at_most) {
  watched_.clear();
  for (Attention& router : routers_) watched_.push_back(&router);
  if (doorkeeper_) doorkeeper_->add_watched(watched_);
  for (Connection* const connection : connections_) connection->add_watched(watched_);
  if (at_most > Duration(0)) {
    const bool has_news = std::ranges::any_of(watched_, [](Attention* each) { return each->has_news(); });
    if (has_news) at_most = Duration(0);
  }
  descriptors_.clear();
  descriptors_.push_back({waker_->descriptor(), POLLIN, 0});
  for (const Attention* const each : watched_) descriptors_.push_back({each->descriptor(), POLLIN, 0});
  const auto milliseconds = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(at_most).count());
  const int ready = ::poll(descriptors_.data(), descriptors_.size(), milliseconds);
  if (ready < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  if (ready > 0 && descriptors_.front().revents != 0) waker_->drain();
  for (std::size_t i = 0; ready > 0 && i < watched_.size(); ++i) {
    if (descriptors_[i + 1].revents != 0) watched_[i]->note_signal();
  }
  if (doorkeeper_) doorkeeper_->answer();
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
