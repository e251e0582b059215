#include "runtime/transport/zmq_doorkeeper.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace troupe::runtime {

namespace {

constexpr Duration kBetweenLines = std::chrono::seconds(1);

}  // namespace

Doorkeeper::Doorkeeper(zmq::context_t& context, LinkKey key)
    : context_(context), key_(std::move(key)), questions_(context, zmq::socket_type::rep), attention_(questions_) {
  questions_.set(zmq::sockopt::linger, 0);
  questions_.bind("inproc://zeromq.zap.01");
}

void Doorkeeper::watch(zmq::socket_t& router) {
  const std::string name = "inproc://door-monitor#" + std::to_string(watches_.size());
  constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
  if (zmq_socket_monitor(router.handle(), name.c_str(), kEvents) != 0) throw zmq::error_t();
  zmq::socket_t monitor(context_, zmq::socket_type::pair);
  monitor.set(zmq::sockopt::linger, 0);
  monitor.connect(name);
  watches_.emplace_back(std::move(monitor));
}

void Doorkeeper::add_watched(std::vector<Attention*>& watched) {
  watched.push_back(&attention_);
  for (Watch& watch : watches_) watched.push_back(&watch.events);
}

void Doorkeeper::answer() {
  // Version, request id, domain, address, identity, mechanism, credentials.
  enum : std::size_t { kVersion, kRequest, kDomain, kAddress, kIdentity, kMechanism, kCredentials, kFrames };
  std::vector<Frame> frames;
  while (attention_.receive(frames) == Received::message) {
    std::array<char, LinkKey::kLetters + 1> theirs{};
    constexpr std::size_t kKeyBytes = 32;
    const bool is_curve = frames.size() == kFrames && frames[kMechanism].to_string_view() == "CURVE" &&
                          frames[kCredentials].size() == kKeyBytes;
    if (is_curve) zmq_z85_encode(theirs.data(), frames[kCredentials].data<std::uint8_t>(), kKeyBytes);
    const bool is_ours = is_curve && key_.public_key == theirs.data();
    if (!is_ours) refuse(frames.size() > kAddress ? frames[kAddress].to_string() : "?", "its key is another");
    std::vector<Frame> reply;
    const std::string request = frames.size() > kRequest ? frames[kRequest].to_string() : "";
    for (const std::string_view part :
         {std::string_view("1.0"), std::string_view(request), std::string_view(is_ours ? "200" : "400"),
          std::string_view(is_ours ? "OK" : "not the job's key"), std::string_view(), std::string_view()}) {
      reply.emplace_back(part.data(), part.size());
    }
    (void)attention_.send(reply);  // who asked may be gone
  }
  for (Watch& watch : watches_) {
    while (watch.events.receive(frames) == Received::message) {
      const std::string where = frames.size() > 1 ? frames[1].to_string() : "?";
      if (monitor_event(frames)) refuse("who knocked at " + where, "it has no key, or another, or speaks no ZeroMQ");
    }
  }
}

void Doorkeeper::refuse(const std::string& who, const std::string& why) {
  ++refused_;
  const TimePoint now = SteadyClock().now();
  if (now - last_line_ < kBetweenLines) return;
  last_line_ = now;
  spdlog::error("event=peer_refused who=\"{}\" cause=\"{}\" times={} next=\"start it with this job's key file\"", who,
                why, std::exchange(refused_, 0));
}

}  // namespace troupe::runtime
