#pragma once

#include "runtime/clock.hpp"
#include "runtime/transport/frame_faults.hpp"
#include "runtime/transport/zmq_link_sockets.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace troupe::runtime {

/// Sockets that do to what comes in what FrameFaults say; everything else is left to the sockets within. A process
/// without such rules has no object of this class, and pays nothing.
///
/// Thread-safety: as LinkSockets.
/// Ownership:     owns the sockets within and what it holds back; borrows the clock.
/// Errors:        as the sockets within.
/// Restart:       what was held back is lost with the process, as in a network.
///
/// FX-1  What a rule lets alone comes as it was sent, in the order of its connection.
/// FX-3  The first message of a connection is let alone: it opens the link, and stands for what TCP itself would send
///       again.
/// FX-2  What is held back comes, though nothing else does: wait() ends in time for it.
class ZmqFaultySockets final : public LinkSockets {
public:
  ZmqFaultySockets(std::unique_ptr<LinkSockets> within, FrameFaults faults, const Clock& clock);

  [[nodiscard]] Result<std::unique_ptr<DialedConnection>> dial(const std::string& endpoint,
                                                               const std::string& name) override {
    return within_->dial(endpoint, name);
  }
  [[nodiscard]] std::size_t listeners() const override { return within_->listeners(); }
  [[nodiscard]] Received receive(std::size_t listener, std::vector<Frame>& frames) override;
  [[nodiscard]] bool send(std::size_t listener, std::vector<Frame>& frames) override {
    return within_->send(listener, frames);
  }
  void wait(Duration at_most) override;
  void stop_listening(std::chrono::milliseconds linger) override { within_->stop_listening(linger); }

private:
  using Message = std::vector<Frame>;  // the first names the connection
  struct Held {
    Message frames;
    TimePoint due;
  };
  struct Listener {
    std::deque<Message> next;                      // comes before anything else
    std::map<std::string, std::deque<Held>> late;  // by connection
    std::optional<Held> swapped;                   // waits for the next to overtake it
  };
  struct Struck {
    FrameFaults::Rule rule;
    std::mt19937_64 random;
    std::uint64_t strikes = 0;
  };

  enum class Fate { comes, taken };
  [[nodiscard]] bool strikes(std::size_t rule);
  [[nodiscard]] bool is_first_of(const std::string& connection);
  [[nodiscard]] Fate meet_rules(Listener& listener, Message& frames, TimePoint now);
  [[nodiscard]] Fate apply(Struck& struck, Listener& listener, Message& frames, TimePoint now);
  [[nodiscard]] static bool take_due(Listener& listener, Message& frames, TimePoint now);

  const std::unique_ptr<LinkSockets> within_;
  const FrameFaults faults_;
  const Clock& clock_;
  std::vector<Struck> rules_;
  std::vector<Listener> listeners_;
  std::set<std::string> known_;  // connections that have brought a message
};

}  // namespace troupe::runtime
