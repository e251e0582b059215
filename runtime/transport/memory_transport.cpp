#include "runtime/transport/memory_transport.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace troupe::runtime {
namespace {

/// A node's end of a MemoryNetwork.
///
/// Thread-safety: as Transport.
/// Ownership:     shares the network, or borrows it where the pointer owns nothing.
/// Errors:        as Transport.
/// Restart:       as Transport.
class MemoryTransport final : public Transport {
public:
  MemoryTransport(std::shared_ptr<MemoryNetwork> network, const std::string& name)
      : network_(std::move(network)), origin_(std::make_shared<Origin>("memory://" + name)) {}
  ~MemoryTransport() override { stop(Duration{0}); }

  Result<Done> start(TransportSink& sink) override { return network_->attach(endpoint(), sink); }
  const std::string& endpoint() const override { return origin_->endpoint(); }

  Result<Done> send(const std::string& endpoint, Envelope envelope) override {
    const std::size_t bytes = envelope.bytes();
    envelope.arrival = Arrival(origin_, 0);
    envelope.header.body_bytes = static_cast<std::uint32_t>(envelope.body.size());
    envelope.header.payload_count = static_cast<std::uint16_t>(envelope.payloads.size());
    Result<Done> carried = network_->carry({this->endpoint(), endpoint}, std::move(envelope));
    if (carried) {
      sent_.fetch_add(1);
      bytes_sent_.fetch_add(bytes);
    } else {
      undeliverable_.fetch_add(1);
    }
    return carried;
  }

  void forget(const std::string&, const Failure&) override {}

  TransportCounters counters() const override {
    TransportCounters counters;
    counters.sent = sent_;
    counters.bytes_sent = bytes_sent_;
    counters.undeliverable = undeliverable_;
    const MemoryNetwork::Received received = network_->received(endpoint());
    counters.received = received.envelopes;
    counters.bytes_received = received.bytes;
    return counters;
  }

  void stop(Duration) override { network_->detach(endpoint()); }

private:
  const std::shared_ptr<MemoryNetwork> network_;
  const std::shared_ptr<Origin> origin_;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<std::uint64_t> bytes_sent_ = 0;
  std::atomic<std::uint64_t> undeliverable_ = 0;
};

Failure nobody_at(const std::string& endpoint) {
  return {FailureKind::disconnected, "nobody listens at " + endpoint};
}

}  // namespace

std::shared_ptr<MemoryNetwork::Port> MemoryNetwork::port(const std::string& endpoint) const {
  const std::lock_guard lock(mutex_);
  const auto found = ports_.find(endpoint);
  return found == ports_.end() ? nullptr : found->second;
}

MemoryNetwork::Received MemoryNetwork::received(const std::string& endpoint) const {
  const std::shared_ptr<Port> end = port(endpoint);
  return end ? Received{end->envelopes, end->bytes} : Received{};
}

Result<Done> MemoryNetwork::attach(const std::string& endpoint, TransportSink& sink) {
  const std::lock_guard lock(mutex_);
  auto fresh = std::make_shared<Port>();
  fresh->sink = &sink;
  if (ports_.emplace(endpoint, std::move(fresh)).second) return Done{};
  return Failure{FailureKind::unknown, endpoint + " is taken"};
}

void MemoryNetwork::detach(const std::string& endpoint) {
  std::shared_ptr<Port> gone;
  {
    const std::lock_guard lock(mutex_);
    const auto found = ports_.find(endpoint);
    if (found == ports_.end()) return;
    gone = found->second;
    ports_.erase(found);
  }
  const std::lock_guard lock(gone->mutex);  // waits for a delivery under way
  gone->sink = nullptr;
}

Result<Done> MemoryNetwork::carry(const Link& link, Envelope envelope) {
  const std::shared_ptr<Port> to = port(link.second);
  if (!to) return nobody_at(link.second);
  {
    const std::lock_guard lock(mutex_);
    std::size_t& waiting = waiting_[link];
    if (waiting >= kWindow) {
      return Failure{FailureKind::overloaded, "the link to " + link.second + " has its window full"};
    }
    ++waiting;
    // Held envelopes go first, so that a link keeps its order when holding ends.
    held_.push_back({link, std::move(envelope)});
    if (mode_ == Mode::holding || delivering_) return Done{};
    delivering_ = true;
  }
  while (std::optional<Held> next = take_for_delivery()) arrive(next->link, std::move(next->envelope));
  return Done{};
}

std::optional<MemoryNetwork::Held> MemoryNetwork::take_for_delivery() {
  const std::lock_guard lock(mutex_);
  if (held_.empty() || mode_ == Mode::holding) {
    delivering_ = false;
    return std::nullopt;
  }
  Held next = std::move(held_.front());
  held_.pop_front();
  --waiting_[next.link];
  return next;
}

void MemoryNetwork::arrive(const Link& link, Envelope envelope) {
  const std::shared_ptr<Port> to = port(link.second);
  if (to) {
    const std::lock_guard lock(to->mutex);
    if (to->sink != nullptr) {
      to->envelopes.fetch_add(1);
      to->bytes.fetch_add(envelope.bytes());
      to->sink->on_envelope(std::move(envelope));
      return;
    }
  }
  const std::shared_ptr<Port> from = port(link.first);
  if (!from) return;
  const std::lock_guard lock(from->mutex);
  if (from->sink != nullptr) from->sink->on_undeliverable(std::move(envelope), nobody_at(link.second));
}

void MemoryNetwork::hold() {
  const std::lock_guard lock(mutex_);
  mode_ = Mode::holding;
}

std::size_t MemoryNetwork::held() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

std::optional<MemoryNetwork::Held> MemoryNetwork::take(const Link* link, std::string_view message) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(held_.begin(), held_.end(), [&](const Held& held) {
    return (link == nullptr || held.link == *link) && (message.empty() || held.envelope.message == message);
  });
  if (found == held_.end()) return std::nullopt;
  Held taken = std::move(*found);
  held_.erase(found);
  --waiting_[taken.link];
  return taken;
}

bool MemoryNetwork::release_one(const Link& link, std::string_view message) {
  std::optional<Held> taken = take(&link, message);
  if (taken) arrive(taken->link, std::move(taken->envelope));
  return taken.has_value();
}

bool MemoryNetwork::drop_one(const Link& link, std::string_view message) {
  return take(&link, message).has_value();
}

bool MemoryNetwork::duplicate_one(const Link& link, std::string_view message) {
  std::optional<Held> taken = take(&link, message);
  if (!taken) return false;
  arrive(taken->link, taken->envelope);
  arrive(taken->link, std::move(taken->envelope));
  return true;
}

bool MemoryNetwork::release_next() {
  std::optional<Held> taken = take(nullptr, "");
  if (taken) arrive(taken->link, std::move(taken->envelope));
  return taken.has_value();
}

void MemoryNetwork::cut(const std::string& a, const std::string& b) {
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(held_, [&](const Held& held) { return held.link == Link{a, b} || held.link == Link{b, a}; });
    waiting_[{a, b}] = 0;
    waiting_[{b, a}] = 0;
  }
  const Failure why{FailureKind::disconnected, "the wire was cut"};
  for (const auto& [here, there] : {Link{a, b}, Link{b, a}}) {
    const std::shared_ptr<Port> end = port(here);
    if (!end) continue;
    const std::lock_guard lock(end->mutex);
    if (end->sink != nullptr) end->sink->on_peer_down(there, why);
  }
}

std::unique_ptr<Transport> make_local_transport() {
  return std::make_unique<MemoryTransport>(std::make_shared<MemoryNetwork>(), "local");
}

std::unique_ptr<Transport> make_memory_transport(MemoryNetwork& network, const std::string& name) {
  const std::shared_ptr<MemoryNetwork> borrowed(std::shared_ptr<void>(), &network);
  return std::make_unique<MemoryTransport>(borrowed, name);
}

}  // namespace troupe::runtime
