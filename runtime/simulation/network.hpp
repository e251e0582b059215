#pragma once

#include "runtime/simulation/event_queue.hpp"
#include "runtime/simulation/trace.hpp"
#include "runtime/transport/zmq_link_sockets.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime::simulation {

/// How a connection treats what is sent on it.
enum class WireMode {
  honest,   ///< as TCP: in order and without loss while the connection lives
  hostile,  ///< also loses, doubles and swaps: no real wire does, but then the link's own checks must
  corrupt,  ///< as an honest one, but that bits flip
};

[[nodiscard]] std::string_view to_string(WireMode mode);

/// The network between simulated processes: what LinkSockets promises, and every trouble it allows for.
///
/// Thread-safety: one thread.
/// Ownership:     owns what is on the way; borrows events and trace.
/// Errors:        none of its own.
/// Restart:       one for each simulation.
///
/// SN-1  On an honest wire messages of a connection arrive in the order sent; of a broken one a first part of them.
/// SN-2  Between two places that are cut off from each other nothing arrives until they are joined again.
class SimulatedNetwork {
public:
  SimulatedNetwork(EventQueue& events, Random random, Trace& trace, WireMode mode)
      : events_(events), random_(random), trace_(trace), mode_(mode) {}
  ~SimulatedNetwork();
  SimulatedNetwork(const SimulatedNetwork&) = delete;
  SimulatedNetwork& operator=(const SimulatedNetwork&) = delete;

  /// Sockets of a process that comes up and listens at `endpoint`; `wake` is called when there is something for it.
  [[nodiscard]] std::unique_ptr<LinkSockets> open(const std::string& endpoint, std::function<void()> wake);
  /// That process is gone at once.
  void crash(const std::string& endpoint);
  /// Breaks every connection between the two; both live on.
  void break_connections(const std::string& one, const std::string& other);
  /// From now on nothing gets from one to the other.
  void block(const std::string& from, const std::string& to) { ++blocked_[{from, to}]; }
  void unblock(const std::string& from, const std::string& to);

private:
  class Sockets;
  class Connection;
  struct Message {
    TimePoint due;
    std::vector<Frame> frames;
  };
  struct Lane {
    std::deque<Message> flying;
    TimePoint last_due;
  };
  struct Host;
  struct Wire;
  enum class Way : unsigned char { out, back };

  std::shared_ptr<Wire> dial(const std::shared_ptr<Host>& from, const std::string& to, const std::string& name);
  void connect(const std::shared_ptr<Wire>& wire);
  void flip_a_bit(std::vector<Frame>& frames);
  bool send(const std::shared_ptr<Wire>& wire, Way way, std::vector<Frame>& frames);
  void fly(const std::shared_ptr<Wire>& wire, Way way, std::vector<Frame> frames);
  void pump(const std::shared_ptr<Wire>& wire, Way way);
  static void arrive(const std::shared_ptr<Wire>& wire, Way way, std::vector<Frame> frames);
  void hang_up(const std::shared_ptr<Wire>& wire);
  void cut(const std::shared_ptr<Wire>& wire, Duration heard_within);
  void lose_some(Lane& lane);
  void tell_broken(const std::shared_ptr<Wire>& wire);
  [[nodiscard]] bool is_blocked(const Wire& wire, Way way) const;
  [[nodiscard]] std::vector<std::shared_ptr<Wire>> wires_of(const std::string& endpoint);

  EventQueue& events_;
  Random random_;
  Trace& trace_;
  const WireMode mode_;
  std::map<std::string, std::shared_ptr<Host>> hosts_;          // shared with their sockets and wires
  std::vector<std::weak_ptr<Wire>> wires_;                      // in the order dialed
  std::map<std::pair<std::string, std::string>, int> blocked_;  // how often
};

}  // namespace troupe::runtime::simulation
