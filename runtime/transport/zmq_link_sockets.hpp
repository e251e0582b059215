#pragma once

#include "runtime/clock.hpp"
#include "runtime/result.hpp"
#include "runtime/transport/zmq_wire.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace troupe::runtime {

/// A connection this process has dialed. While it lives, what is sent arrives in order; when it breaks, what was on its
/// way is lost, and it never comes back: a new one is dialed. Implementations: of ZmqSockets, and the simulation's.
///
/// Thread-safety: the post office's thread.
/// Ownership:     owned by the link that dialed it; gone before the sockets it came from.
/// Errors:        values; an error of ZeroMQ itself is thrown as zmq::error_t.
/// Restart:       dialed anew.
class DialedConnection {
public:
  /// What became of it, besides the messages it brought.
  enum class News : unsigned char {
    none,
    refused,  ///< it never was: nobody listens there
    broken,   ///< it is over; what came before can still be received
    locked,   ///< somebody is there who has another key, or none, or wants one
  };

  virtual ~DialedConnection() = default;
  /// Sends all frames as one message without waiting; also before the other side has taken up the connection. False
  /// when there is nobody to send to.
  [[nodiscard]] virtual bool send(std::vector<Frame>& frames) = 0;
  /// Reads one message without waiting.
  [[nodiscard]] virtual Received receive(std::vector<Frame>& frames) = 0;
  [[nodiscard]] virtual News news() = 0;
};

/// Every socket of one post office: those it listens on, those it dials, and how it waits for them. What the links do
/// is above this line; below it is ZeroMQ, or the network of a simulation.
///
/// Thread-safety: the post office's thread.
/// Ownership:     owned by the post office; outlives the connections it dialed.
/// Errors:        values; an error of ZeroMQ itself is thrown as zmq::error_t.
/// Restart:       made new with a new transport.
class LinkSockets {
public:
  virtual ~LinkSockets() = default;
  /// `name` tells the connection from all others at the far side; nobody ever uses it again.
  [[nodiscard]] virtual Result<std::unique_ptr<DialedConnection>> dial(const std::string& endpoint,
                                                                       const std::string& name) = 0;
  [[nodiscard]] virtual std::size_t listeners() const = 0;
  /// Reads one message without waiting; its first frame is the name of the connection by which it came.
  [[nodiscard]] virtual Received receive(std::size_t listener, std::vector<Frame>& frames) = 0;
  /// Answers by the connection whose name is the first frame, without waiting. False when that connection is gone, or
  /// its other end has left too many answers unread.
  [[nodiscard]] virtual bool send(std::size_t listener, std::vector<Frame>& frames) = 0;
  /// Until there is something to receive, or news, or the waker is woken.
  virtual void wait(Duration at_most) = 0;
  /// What was answered has `linger` to leave.
  virtual void stop_listening(std::chrono::milliseconds linger) = 0;
};

}  // namespace troupe::runtime
