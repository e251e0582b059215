#pragma once

#include "runtime/transport/transport.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::runtime {

/// The wire between nodes of one process. By default an envelope is delivered inside send() by whichever thread is
/// delivering already; when held, a test decides when, and whether, each one arrives.
///
/// Thread-safety: all methods from any thread; deliveries run on the caller's thread, outside the lock.
/// Ownership:     owns held envelopes; borrows the sinks of started transports.
/// Errors:        an endpoint nobody has is disconnected; a link with kWindow envelopes waiting is overloaded.
/// Restart:       a stopped transport's endpoint can be taken again.
class MemoryNetwork final {
public:
  using Link = std::pair<std::string, std::string>;  ///< (from endpoint, to endpoint)
  /// An envelope on its way.
  struct Held {
    Link link;          ///< from where to where
    Envelope envelope;  ///< what arrives when it is released
  };

  static constexpr std::size_t kWindow = 1024;  ///< envelopes a link may have waiting; beyond it send() says overloaded

  /// Envelopes wait until release_one() or drop_one().
  void hold();
  /// How many envelopes wait.
  [[nodiscard]] std::size_t held() const;
  /// The oldest held envelope of a link whose message has this name; empty name = any.
  bool release_one(const Link& link, std::string_view message);
  /// The same, but it is lost; nobody is told.
  bool drop_one(const Link& link, std::string_view message);
  /// Delivers a held envelope twice: what a broken wire may do.
  bool duplicate_one(const Link& link, std::string_view message);
  /// Delivers the oldest of all; false when nothing is held.
  bool release_next();
  /// Both ends hear on_peer_down; what is held between them is lost.
  void cut(const std::string& a, const std::string& b);

  // For MemoryTransport.
  /// What has arrived at an endpoint.
  struct Received {
    std::uint64_t envelopes = 0;  ///< how many
    std::uint64_t bytes = 0;      ///< Envelope::bytes() of all of them
  };
  /// Zeros for an endpoint that nobody has.
  [[nodiscard]] Received received(const std::string& endpoint) const;
  /// A Failure when another transport has that endpoint.
  Result<Done> attach(const std::string& endpoint, TransportSink& sink);
  /// Returns when no delivery to its sink is under way.
  void detach(const std::string& endpoint);
  /// Delivers, or holds; failures as Transport::send().
  Result<Done> carry(const Link& link, Envelope envelope);

private:
  struct Port {
    std::mutex mutex;               // held during a delivery: a sink hears one envelope at a time
    TransportSink* sink = nullptr;  // guarded by mutex
    std::atomic<std::uint64_t> envelopes = 0;
    std::atomic<std::uint64_t> bytes = 0;
  };
  [[nodiscard]] std::shared_ptr<Port> port(const std::string& endpoint) const;
  void arrive(const Link& link, Envelope envelope);
  std::optional<Held> take(const Link* link, std::string_view message);
  std::optional<Held> take_for_delivery();

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Port>> ports_;       // guarded by mutex_; shared with deliveries under way
  std::deque<Held> held_;                                    // guarded by mutex_
  std::map<Link, std::size_t> waiting_;                      // guarded by mutex_: how many of held_ are of a link
  enum class Mode { direct, holding } mode_ = Mode::direct;  // guarded by mutex_
  bool delivering_ = false;                                  // guarded by mutex_: one thread delivers at a time
};

/// A transport without others: for a node that is alone.
[[nodiscard]] std::unique_ptr<Transport> make_local_transport();
/// A transport named "memory://<name>" on `network`, which outlives it.
[[nodiscard]] std::unique_ptr<Transport> make_memory_transport(MemoryNetwork& network, const std::string& name);

}  // namespace troupe::runtime
