#include "runtime/transport/zmq_faulty_sockets.hpp"

#include "runtime/transport/zmq_seal.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace troupe::runtime {
namespace {

// Who waits to be overtaken does not wait for ever: the next message may be the answer to this one.
constexpr Duration kSwapPatience = std::chrono::milliseconds(20);
// Of connections, which are dialed anew again and again.
constexpr std::size_t kMostKnown = 10'000;

std::vector<Frame> copy_of(const std::vector<Frame>& frames) {
  std::vector<Frame> copies;
  for (const Frame& frame : frames) copies.emplace_back(frame.data(), frame.size());
  return copies;
}

/// Whether every frame has a checksum, and not only the front: a flip that nobody can see proves nothing.
bool is_summed(const std::vector<Frame>& frames) {
  const Result<std::span<const std::byte>> bytes = open_frame(bytes_of(frames[1]), {});
  const Result<Front> front = bytes ? decode_front(*bytes) : bytes.failure();
  if (!front) return false;
  return std::ranges::all_of(front->places, [](const PayloadPlace& place) {
    return place.way == PayloadWay::wire && place.block.slot == static_cast<std::uint32_t>(Summed::yes);
  });
}

void flip_a_bit(std::vector<Frame>& frames, std::mt19937_64& random) {
  if (frames.size() < 2) return;
  const std::size_t choices = frames.size() > 2 && is_summed(frames) ? frames.size() - 1 : 1;
  Frame& frame = frames[1 + random() % choices];
  if (frame.size() == 0) return;
  const std::uint64_t bit = random() % (frame.size() * 8);
  auto* const bytes = static_cast<unsigned char*>(frame.data());
  bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ (1U << (bit % 8)));
}

}  // namespace

ZmqFaultySockets::ZmqFaultySockets(std::unique_ptr<LinkSockets> within, FrameFaults faults, const Clock& clock)
    : within_(std::move(within)), faults_(std::move(faults)), clock_(clock), listeners_(within_->listeners()) {
  for (const FrameFaults::Rule& rule : faults_.rules) rules_.push_back({rule, std::mt19937_64(rule.seed), 0});
}

bool ZmqFaultySockets::strikes(std::size_t rule) {
  Struck& struck = rules_[rule];
  const double drawn = static_cast<double>(struck.random() >> 11) * 0x1p-53;  // below 1
  if (drawn >= struck.rule.rate) return false;
  if (std::has_single_bit(++struck.strikes) && faults_.told) faults_.told(rule, struck.strikes);
  return true;
}

bool ZmqFaultySockets::is_first_of(const std::string& connection) {
  if (known_.size() >= kMostKnown) known_.clear();
  return known_.insert(connection).second;
}

bool ZmqFaultySockets::take_due(Listener& listener, Message& frames, TimePoint now) {
  if (!listener.next.empty()) {
    frames = std::move(listener.next.front());
    listener.next.pop_front();
    return true;
  }
  for (auto at = listener.late.begin(); at != listener.late.end(); ++at) {
    std::deque<Held>& held = at->second;
    if (held.front().due > now) continue;
    frames = std::move(held.front().frames);
    held.pop_front();
    if (held.empty()) listener.late.erase(at);
    return true;
  }
  if (!listener.swapped || listener.swapped->due > now) return false;
  frames = std::move(listener.swapped->frames);
  listener.swapped.reset();
  return true;
}

ZmqFaultySockets::Fate ZmqFaultySockets::apply(Struck& struck, Listener& listener, Message& frames, TimePoint now) {
  switch (struck.rule.fault) {
    case FrameFault::drop:
      return Fate::taken;
    case FrameFault::duplicate:
      listener.next.push_back(copy_of(frames));
      return Fate::comes;
    case FrameFault::corrupt:
      flip_a_bit(frames, struck.random);
      return Fate::comes;
    case FrameFault::reorder:
      if (listener.swapped) return Fate::comes;  // one at a time
      listener.swapped = Held{std::move(frames), now + kSwapPatience};
      return Fate::taken;
    case FrameFault::delay:
      const std::string connection = frames.front().to_string();
      listener.late[connection].push_back({std::move(frames), now + struck.rule.by});
      return Fate::taken;
  }
  return Fate::comes;
}

ZmqFaultySockets::Fate ZmqFaultySockets::meet_rules(Listener& listener, Message& frames, TimePoint now) {
  const std::string connection = frames.front().to_string();
  if (is_first_of(connection)) return Fate::comes;
  const auto late = listener.late.find(connection);
  if (late != listener.late.end()) {  // behind what is held back, as in a slow network
    const TimePoint due = std::max(now, late->second.back().due);
    late->second.push_back({std::move(frames), due});
    return Fate::taken;
  }
  for (std::size_t rule = 0; rule < rules_.size(); ++rule) {
    if (strikes(rule) && apply(rules_[rule], listener, frames, now) == Fate::taken) return Fate::taken;
  }
  if (!listener.swapped) return Fate::comes;
  listener.next.push_back(std::move(listener.swapped->frames));
  listener.swapped.reset();
  return Fate::comes;
}

Received ZmqFaultySockets::receive(std::size_t listener, std::vector<Frame>& frames) {
  Listener& at = listeners_[listener];
  const TimePoint now = clock_.now();
  while (!take_due(at, frames, now)) {
    if (within_->receive(listener, frames) == Received::nothing) return Received::nothing;
    if (frames.empty() || meet_rules(at, frames, now) == Fate::comes) return Received::message;
  }
  return Received::message;
}

void ZmqFaultySockets::wait(Duration at_most) {
  const TimePoint now = clock_.now();
  TimePoint due = now + at_most;
  for (const Listener& listener : listeners_) {
    if (!listener.next.empty()) due = now;
    for (const auto& [connection, held] : listener.late) due = std::min(due, held.front().due);
    if (listener.swapped) due = std::min(due, listener.swapped->due);
  }
  within_->wait(std::max(due - now, Duration(0)));
}

}  // namespace troupe::runtime
