#include "runtime/simulation/network.hpp"

#include "runtime/transport/zmq_seal.hpp"

#include <algorithm>

namespace troupe::runtime::simulation {

namespace {

constexpr Duration kShortestWay = std::chrono::microseconds(30);
constexpr Duration kLongestWay = std::chrono::microseconds(900);
constexpr Duration kLongestRetry = std::chrono::milliseconds(800);
constexpr Duration kLongWay = std::chrono::milliseconds(30);
constexpr std::uint64_t kLongOneIn = 50;
constexpr std::uint64_t kHostileOneIn = 60;
constexpr std::uint64_t kCorruptOneIn = 60;
constexpr std::size_t kMaxAnswersWaiting = 1000;  // as the ROUTER of ZeroMQ is told
constexpr Duration kBreakHeardWithin = std::chrono::milliseconds(60);
constexpr Duration kCrashHeardWithin = std::chrono::milliseconds(5);

// For who reads along. Mail is most often several messages in one frame.
std::string_view what_is_in(const std::vector<Frame>& frames) {
  const Result<std::span<const std::byte>> bytes = open_frame(bytes_of(frames[0]), {});
  if (!bytes) return "what is damaged";
  const Result<Front> front = is_batch(*bytes) ? Failure{} : decode_front(*bytes);
  if (!front) return "mail";
  switch (front->envelope.header.kind) {
    case EnvelopeKind::hello:
      return "a hello";  // or, on the way back, a welcome
    case EnvelopeKind::credit:
      return "a note";
    case EnvelopeKind::bye:
      return "a goodbye";
    default:
      return "mail";
  }
}

}  // namespace

std::string_view to_string(WireMode mode) {
  switch (mode) {
    case WireMode::honest:
      return "honest";
    case WireMode::hostile:
      return "hostile";
    case WireMode::corrupt:
      return "corrupt";
  }
  return "unknown";
}

/// A process's place in the network.
struct SimulatedNetwork::Host {
  std::string endpoint;
  std::function<void()> wake;
  bool is_up = true;
  std::deque<std::vector<Frame>> arrived = {};  // the first frame is the name of the connection
  std::map<std::string, std::shared_ptr<Wire>> routes = {};
};

/// One connection.
struct SimulatedNetwork::Wire {
  std::string name;
  std::string to;
  std::shared_ptr<Host> dialer;
  std::shared_ptr<Host> listener = nullptr;  // none until connected
  Lane out = {};
  Lane back = {};
  std::deque<std::vector<Frame>> arrived = {};  // for the dialer
  DialedConnection::News news = DialedConnection::News::none;
  bool is_cut = false;   // nothing leaves any more
  bool is_left = false;  // the dialer has hung up
};

/// Thread-safety: as DialedConnection.
/// Ownership:     shares its wire with what is on the way.
/// Errors:        none.
/// Restart:       as DialedConnection.
class SimulatedNetwork::Connection final : public DialedConnection {
public:
  Connection(SimulatedNetwork& network, std::shared_ptr<Wire> wire) : network_(network), wire_(std::move(wire)) {}
  ~Connection() override { network_.hang_up(wire_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool send(std::vector<Frame>& frames) override { return network_.send(wire_, Way::out, frames); }
  Received receive(std::vector<Frame>& frames) override {
    if (wire_->arrived.empty()) return Received::nothing;
    frames = std::move(wire_->arrived.front());
    wire_->arrived.pop_front();
    return Received::message;
  }
  News news() override { return std::exchange(wire_->news, News::none); }

private:
  SimulatedNetwork& network_;
  const std::shared_ptr<Wire> wire_;
};

/// Thread-safety: as LinkSockets.
/// Ownership:     shares its host with the network.
/// Errors:        as LinkSockets.
/// Restart:       as LinkSockets.
class SimulatedNetwork::Sockets final : public LinkSockets {
public:
  Sockets(SimulatedNetwork& network, std::shared_ptr<Host> host) : network_(network), host_(std::move(host)) {}

  Result<std::unique_ptr<DialedConnection>> dial(const std::string& endpoint, const std::string& name) override {
    return std::unique_ptr<DialedConnection>(
        std::make_unique<Connection>(network_, network_.dial(host_, endpoint, name)));
  }
  [[nodiscard]] std::size_t listeners() const override { return 1; }
  Received receive(std::size_t, std::vector<Frame>& frames) override {
    if (host_->arrived.empty()) return Received::nothing;
    frames = std::move(host_->arrived.front());
    host_->arrived.pop_front();
    return Received::message;
  }
  bool send(std::size_t, std::vector<Frame>& frames) override {
    const auto found = host_->routes.find(frames.front().to_string());
    if (found == host_->routes.end()) return false;
    frames.erase(frames.begin());
    return network_.send(found->second, Way::back, frames);
  }
  void wait(Duration) override {}
  void stop_listening(std::chrono::milliseconds) override {}

private:
  SimulatedNetwork& network_;
  const std::shared_ptr<Host> host_;
};

SimulatedNetwork::~SimulatedNetwork() {
  for (const auto& [endpoint, host] : hosts_) host->routes.clear();  // they know their hosts
}

std::unique_ptr<LinkSockets> SimulatedNetwork::open(const std::string& endpoint, std::function<void()> wake) {
  auto host = std::make_shared<Host>(Host{endpoint, std::move(wake)});
  hosts_[endpoint] = host;
  return std::make_unique<Sockets>(*this, std::move(host));
}

std::shared_ptr<SimulatedNetwork::Wire> SimulatedNetwork::dial(const std::shared_ptr<Host>& from, const std::string& to,
                                                               const std::string& name) {
  auto wire = std::make_shared<Wire>(Wire{name, to, from});
  std::erase_if(wires_, [](const std::weak_ptr<Wire>& each) { return each.expired(); });
  wires_.push_back(wire);
  events_.after(random_.between(kShortestWay, kLongestWay), [this, wire] { connect(wire); });
  return wire;
}

void SimulatedNetwork::connect(const std::shared_ptr<Wire>& wire) {
  if (wire->is_left || wire->is_cut || wire->listener) return;
  if (is_blocked(*wire, Way::out) || is_blocked(*wire, Way::back)) return;  // tried again when they are joined
  const auto host = hosts_.find(wire->to);
  if (host == hosts_.end() || !host->second->is_up) {
    wire->is_cut = true;
    wire->news = DialedConnection::News::refused;
    return wire->dialer->wake();
  }
  wire->listener = host->second;
  wire->listener->routes[wire->name] = wire;
  pump(wire, Way::out);
}

bool SimulatedNetwork::is_blocked(const Wire& wire, Way way) const {
  const std::string& dialer = wire.dialer->endpoint;
  const auto found = blocked_.find(way == Way::out ? std::pair{dialer, wire.to} : std::pair{wire.to, dialer});
  return found != blocked_.end() && found->second > 0;
}

// In a copy: the sender keeps what it sent.
void SimulatedNetwork::flip_a_bit(std::vector<Frame>& frames) {
  Frame& frame = frames[random_.below(frames.size())];
  if (frame.size() == 0) return;
  Frame copy(frame.data(), frame.size());
  static_cast<std::byte*>(copy.data())[random_.below(copy.size())] ^= std::byte{1} << random_.below(8);
  frame = std::move(copy);
}

bool SimulatedNetwork::send(const std::shared_ptr<Wire>& wire, Way way, std::vector<Frame>& frames) {
  if (way == Way::back && wire->back.flying.size() >= kMaxAnswersWaiting) return false;
  if (wire->is_cut) return wire->news == DialedConnection::News::none;  // into the void, until the break is known
  const std::uint64_t chance = mode_ == WireMode::hostile ? random_.below(kHostileOneIn) : kHostileOneIn;
  const auto say = [&](const std::string& does) {
    trace_.add(events_.now(), chance, [&] {
      const std::string& dialer = wire->dialer->endpoint;
      const std::string route = way == Way::out ? dialer + " to " + wire->to : wire->to + " back to " + dialer;
      return "the wire " + does + " " + std::string(what_is_in(frames)) + " from " + route;
    });
  };
  if (chance == 0) {
    say("loses");
    return true;
  }
  if (chance == 1) {
    say("doubles");
    std::vector<Frame> again(frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) again[i].copy(frames[i]);
    fly(wire, way, std::move(again));
  }
  if (mode_ == WireMode::corrupt && random_.one_in(kCorruptOneIn)) {
    say("flips a bit of");
    flip_a_bit(frames);
  }
  std::deque<Message>& flying = (way == Way::out ? wire->out : wire->back).flying;
  const bool swaps = chance == 2 && !flying.empty();
  if (swaps) say("lets one be overtaken by");
  fly(wire, way, std::move(frames));
  if (swaps) std::swap(flying.back().frames, flying[flying.size() - 2].frames);
  return true;
}

void SimulatedNetwork::fly(const std::shared_ptr<Wire>& wire, Way way, std::vector<Frame> frames) {
  Lane& lane = way == Way::out ? wire->out : wire->back;
  const Duration delay = random_.between(kShortestWay, random_.one_in(kLongOneIn) ? kLongWay : kLongestWay);
  lane.last_due = std::max(lane.last_due, events_.now() + delay);
  lane.flying.push_back({lane.last_due, std::move(frames)});
  events_.at(lane.last_due, [this, wire, way] { pump(wire, way); });
}

void SimulatedNetwork::pump(const std::shared_ptr<Wire>& wire, Way way) {
  if (!wire->listener || is_blocked(*wire, way)) return;
  Lane& lane = way == Way::out ? wire->out : wire->back;
  while (!lane.flying.empty() && lane.flying.front().due <= events_.now()) {
    std::vector<Frame> frames = std::move(lane.flying.front().frames);
    lane.flying.pop_front();
    arrive(wire, way, std::move(frames));
  }
  const bool is_over = wire->is_left && wire->out.flying.empty();
  if (is_over) wire->listener->routes.erase(wire->name);
}

void SimulatedNetwork::arrive(const std::shared_ptr<Wire>& wire, Way way, std::vector<Frame> frames) {
  if (way == Way::back) {
    if (wire->is_left || !wire->dialer->is_up) return;
    wire->arrived.push_back(std::move(frames));
    return wire->dialer->wake();
  }
  if (!wire->listener->is_up) return;
  frames.emplace(frames.begin(), wire->name.data(), wire->name.size());
  wire->listener->arrived.push_back(std::move(frames));
  wire->listener->wake();
}

// What the kernel holds already still arrives; the rest never left.
void SimulatedNetwork::lose_some(Lane& lane) {
  lane.flying.resize(random_.below(lane.flying.size() + 1));
}

void SimulatedNetwork::hang_up(const std::shared_ptr<Wire>& wire) {
  if (std::exchange(wire->is_left, true)) return;
  lose_some(wire->out);
  wire->back.flying.clear();
  wire->is_cut = true;
  events_.after(random_.between(kShortestWay, kLongestWay), [this, wire] { pump(wire, Way::out); });
}

void SimulatedNetwork::cut(const std::shared_ptr<Wire>& wire, Duration heard_within) {
  if (std::exchange(wire->is_cut, true)) return;
  lose_some(wire->out);
  lose_some(wire->back);
  if (wire->listener) wire->listener->routes.erase(wire->name);
  events_.after(random_.between(kShortestWay, heard_within), [this, wire] { tell_broken(wire); });
}

void SimulatedNetwork::tell_broken(const std::shared_ptr<Wire>& wire) {
  if (wire->is_left || is_blocked(*wire, Way::out) || is_blocked(*wire, Way::back)) return;  // or later, see unblock()
  wire->news = wire->listener ? DialedConnection::News::broken : DialedConnection::News::refused;
  wire->dialer->wake();
}

// Also those the dialer has left: what is under way on them still arrives.
std::vector<std::shared_ptr<SimulatedNetwork::Wire>> SimulatedNetwork::wires_of(const std::string& endpoint) {
  std::vector<std::shared_ptr<Wire>> found;
  for (const std::weak_ptr<Wire>& each : wires_) {
    const std::shared_ptr<Wire> wire = each.lock();
    if (wire && (wire->dialer->endpoint == endpoint || wire->to == endpoint)) found.push_back(wire);
  }
  return found;
}

void SimulatedNetwork::crash(const std::string& endpoint) {
  const std::shared_ptr<Host> host = hosts_.at(endpoint);
  host->is_up = false;
  host->arrived.clear();
  for (const std::shared_ptr<Wire>& wire : wires_of(endpoint)) {
    // One that nobody has taken up yet is not this process's: it may be taken up by the next one.
    if (wire->dialer != host && wire->listener != host) continue;
    if (wire->dialer == host) wire->back.flying.clear();
    cut(wire, kCrashHeardWithin);
  }
  host->routes.clear();
}

void SimulatedNetwork::break_connections(const std::string& one, const std::string& other) {
  for (const std::shared_ptr<Wire>& wire : wires_of(one)) {
    if (wire->dialer->endpoint == other || wire->to == other) cut(wire, kBreakHeardWithin);
  }
}

void SimulatedNetwork::unblock(const std::string& from, const std::string& to) {
  --blocked_[{from, to}];
  for (const std::shared_ptr<Wire>& wire : wires_of(from)) {
    if (wire->dialer->endpoint != to && wire->to != to) continue;
    // Each is tried again at its own time, and those that waited long wait longest between two tries.
    const Duration most = random_.one_in(2) ? kLongestRetry : kLongestWay;
    events_.after(random_.between(kShortestWay, most), [this, wire] {
      connect(wire);
      pump(wire, Way::out);
      pump(wire, Way::back);
      if (wire->is_cut) tell_broken(wire);
    });
  }
}

}  // namespace troupe::runtime::simulation
