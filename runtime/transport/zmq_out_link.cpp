#include "runtime/transport/zmq_out_link.hpp"

#include "runtime/message/message.hpp"

#include <algorithm>
#include <utility>

namespace troupe::runtime {

namespace {

constexpr int kReconnectMs = 10;
constexpr std::uint32_t kRefusalsToDie = 3;  // of a peer that was there: after 0, 20 and 60 ms
constexpr std::uint32_t kHangUpsToDie = 8;   // of a peer that never was: more than a second
constexpr std::uint32_t kDamagesToDie = 8;   // of a wire that loses one message in ten: once in a hundred million
constexpr std::size_t kArenaFrom = 32 * 1024;
constexpr std::uint32_t kMaxBackoffShift = 7;

std::string seconds_text(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + " ms";
}

}  // namespace

ZmqOutLink::ZmqOutLink(std::string endpoint, std::uint64_t id, const LinkParts& parts, TimePoint now)
    : endpoint_(std::move(endpoint)),
      id_(id),
      parts_(parts),
      summed_(summed_on(endpoint_, parts_.options.key.has_value())),
      not_up_since_(now),
      last_heard_(now),
      last_sent_(now) {
  dial(now);
}

void ZmqOutLink::dial(TimePoint now) {
  ++attempt_;
  // Counted over all breaks: names of the connection before may still be held, here and at the peer.
  ++dials_;
  const std::string mark =
      std::to_string(parts_.self.instance) + "#" + std::to_string(id_) + "#" + std::to_string(dials_);
  Result<std::unique_ptr<DialedConnection>> dialed = parts_.sockets.dial(
      endpoint_, parts_.self.node_name + "#" + std::to_string(parts_.self.incarnation) + "#" + mark);
  if (!dialed) return die(dialed.failure());
  connection_ = std::move(dialed).value();
  LinkHello hello;
  hello.job = parts_.self.job;
  hello.node_name = parts_.self.node_name;
  hello.incarnation = parts_.self.incarnation;
  hello.instance = parts_.self.instance;
  hello.link = id_;
  hello.endpoint = endpoint_for(parts_.self, endpoint_);
  hello.machine = parts_.self.machine;
  hello.arena = parts_.self.arena;
  hello.arena_cookie = parts_.self.arena_cookie;
  hello.dialed = endpoint_;
  hello.next_sequence = kept_.empty() ? next_sequence_ : kept_.front().first;
  send_control(EnvelopeKind::hello, encode_message(hello), now);
}

// The connection is gone, the peer perhaps not: a new one begins with a clean queue.
void ZmqOutLink::lose_connection(TimePoint now) {
  if (state_ == State::dead || !connection_) return;
  connection_.reset();
  if (state_ == State::up) {
    state_ = State::redialing;
    not_up_since_ = now;
    refusals_ = 0;
    attempt_ = 0;
    next_dial_ = now;
    return;
  }
  next_dial_ = now + std::chrono::milliseconds(kReconnectMs) * (1U << std::min(attempt_, kMaxBackoffShift));
}

std::size_t ZmqOutLink::Kept::bytes() const {
  std::size_t total = front.size();
  for (const Payload& payload : by_wire) total += payload.size();
  return total;
}

// Asked of each message just before it goes.
bool ZmqOutLink::may_go(Lane lane, std::uint64_t bytes) {
  if (lane == Lane::ordinary) {
    if (kept_bytes_ + batch_.bytes() >= kMaxAheadBytes) return false;
    has_more_ = flushed_bytes_ >= kMaxAheadBytes;  // what goes by shared memory has to be copied there
    if (has_more_) return false;
  }
  const LinkCost flying = in_flight();
  const std::uint64_t windows = lane == Lane::urgent ? kMaxWindowShare : kMaxWindowShare - 1;
  const bool has_room =
      flying.messages == 0 || !parts_.checks.credit ||
      (flying.messages < windows * peer_window_.messages && flying.bytes + bytes <= windows * peer_window_.bytes);
  if (has_room && lane == Lane::ordinary) flushed_bytes_ += bytes;
  return has_room;
}

void ZmqOutLink::flush(TimePoint now) {
  flushed_bytes_ = 0;
  has_more_ = false;
  while (state_ == State::up) {
    const Lane lane = pending(Lane::urgent).empty() ? Lane::ordinary : Lane::urgent;
    Waiting& waiting = pending(lane);
    if (waiting.empty()) break;
    if (auto* const fronts = std::get_if<Fronts>(&waiting.front())) {
      transmit(*fronts, lane, now);
      if (!fronts->is_empty()) break;
    } else {
      auto& envelope = std::get<Envelope>(waiting.front());
      if (!may_go(lane, wire_cost(envelope))) break;
      transmit(std::move(envelope), now);
    }
    waiting.pop_front();
  }
  send_batch(now);
}

void ZmqOutLink::transmit(Fronts& fronts, Lane lane, TimePoint now) {
  while (state_ == State::up && !fronts.is_empty()) {
    const std::span<const std::byte> front = fronts.next();
    const std::uint64_t cost = cost_of_front(front);
    if (!may_go(lane, cost)) return;
    count_sent(cost);
    add_to_batch(front, next_sequence_++, now);
    fronts.take_next();
  }
}

void ZmqOutLink::count_sent(std::uint64_t cost) {
  sent_ += LinkCost{1, cost};
  ++parts_.tally.sent;
  parts_.tally.bytes_sent += cost;
}

void ZmqOutLink::transmit(Envelope envelope, TimePoint now) {
  count_sent(wire_cost(envelope));
  envelope.header.sequence = next_sequence_++;
  Kept kept;
  kept.first = kept.last = envelope.header.sequence;
  std::vector<PayloadPlace> places;
  for (Payload& payload : envelope.payloads) {
    std::optional<BlockRef> block;
    if (arena_open_ && payload.size() >= kArenaFrom) block = parts_.arena->lend(payload, id_);
    if (block) {
      places.push_back({PayloadWay::arena, *block});
      ++parts_.tally.through_arena;
    } else {
      places.push_back(place_by_wire(payload, summed_));
      kept.by_wire.push_back(std::move(payload));
    }
  }
  kept.front = encode_sealed_front(envelope, places);
  const std::size_t front_bytes = kept.front.size() - kSealBytes;
  if (kept.by_wire.empty() && front_bytes <= kMaxSharedBytes) {
    return add_to_batch(bytes_of(kept.front).first(front_bytes), kept.first, now);
  }
  send_batch(now);
  send_and_keep(std::move(kept), now);
}

void ZmqOutLink::add_to_batch(std::span<const std::byte> front, std::uint64_t sequence, TimePoint now) {
  if (batch_.count() == kMaxBatchMessages || batch_.bytes() + front.size() > kMaxBatchBytes) send_batch(now);
  if (batch_.count() == 0) batch_from_ = sequence;
  batch_.add(front);
  batch_.number_last(sequence, acknowledged_);
}

void ZmqOutLink::send_batch(TimePoint now) {
  if (batch_.count() == 0) return;
  Kept kept;
  kept.first = batch_from_;
  kept.last = batch_from_ + batch_.count() - 1;
  kept.front = batch_.to_frame();
  send_and_keep(std::move(kept), now);
}

void ZmqOutLink::send_and_keep(Kept kept, TimePoint now) {
  kept_bytes_ += kept.bytes();
  kept_.push_back(std::move(kept));
  // A connection that was lost meanwhile: it is sent over the next one.
  if (state_ == State::up && !put_on_wire(kept_.back(), now)) lose_connection(now);
}

bool ZmqOutLink::put_on_wire(Kept& kept, TimePoint now) {
  std::vector<Frame> frames(1);
  frames[0].copy(kept.front);  // shares the bytes
  for (const Payload& payload : kept.by_wire) append_payload(payload, frames);
  last_sent_ = now;
  return connection_->send(frames);
}

void ZmqOutLink::send_control(EnvelopeKind kind, Envelope envelope, TimePoint now) {
  envelope.header.kind = kind;
  envelope.header.job = parts_.self.job;
  std::vector<Frame> frames;
  frames.push_back(encode_sealed_front(envelope, {}));
  last_sent_ = now;
  // Of a dial the connection's news say what became of it, and why.
  if (!connection_->send(frames) && state_ == State::up) lose_connection(now);
}

void ZmqOutLink::read(TimePoint now) {
  std::vector<Frame> frames;
  while (state_ != State::dead && connection_ && connection_->receive(frames) == Received::message) {
    if (frames.size() == 1) {
      on_control(bytes_of(frames[0]), now);
    } else {
      ++parts_.tally.malformed;
    }
  }
}

void ZmqOutLink::on_control(std::span<const std::byte> frame, TimePoint now) {
  const Result<std::span<const std::byte>> bytes = open_frame(frame, parts_.checks);
  if (!bytes) {
    ++parts_.tally.malformed;
    return on_damage(now);
  }
  const Result<Front> front = decode_front(*bytes);
  if (!front) {
    ++parts_.tally.malformed;
    return;
  }
  const Envelope& envelope = front->envelope;
  if (const Result<LinkNote> note = decode_message<LinkNote>(envelope); note) return on_note(*note, now);
  if (const Result<LinkWelcome> welcome = decode_message<LinkWelcome>(envelope); welcome) {
    return on_welcome(*welcome, now);
  }
  if (const Result<LinkBye> bye = decode_message<LinkBye>(envelope); bye) return on_bye(*bye, now);
  ++parts_.tally.malformed;
}

void ZmqOutLink::on_welcome(const LinkWelcome& welcome, TimePoint now) {
  if (state_ == State::up || welcome.link != id_ || welcome.instance == 0 || welcome.window_messages == 0 ||
      welcome.window_bytes == 0) {
    ++parts_.tally.malformed;
    return;
  }
  if (was_up() && welcome.instance != peer_instance_) {
    return die({FailureKind::disconnected, "the node at " + endpoint_ + " was restarted"});
  }
  const std::uint64_t oldest = kept_.empty() ? next_sequence_ : kept_.front().first;
  if (welcome.received + 1 < oldest || welcome.received >= next_sequence_) {
    return die({FailureKind::disconnected,
                "the node at " + endpoint_ + " has lost track of the link (it confirms message " +
                    std::to_string(welcome.received) + " of " + std::to_string(next_sequence_ - 1) + ")"});
  }
  peer_instance_ = welcome.instance;
  peer_process_ = welcome.process;
  peer_window_ = {welcome.window_messages, welcome.window_bytes};
  arena_open_ = welcome.arena_open == 1 && parts_.arena != nullptr;
  state_ = State::up;
  attempt_ = 0;
  refusals_ = 0;
  last_heard_ = now;
  confirm(welcome.received);
  for (Kept& kept : kept_) {
    if (!put_on_wire(kept, now)) return lose_connection(now);
  }
  flush(now);
  if (leaving_ && state_ == State::up) say_bye(now);
}

void ZmqOutLink::on_note(const LinkNote& note, TimePoint now) {
  last_heard_ = now;
  const LinkCost told{note.released_messages, note.released_bytes};
  if (note.received >= next_sequence_ || told.messages > sent_.messages || told.bytes > sent_.bytes ||
      told.messages < released_.messages || told.bytes < released_.bytes) {
    ++parts_.tally.malformed;
    return;
  }
  confirm(note.received);
  if (kept_.empty()) damages_ = 0;  // both ways are in order; a welcome alone does not say so of the way back
  released_ = told;
  flush(now);
}

// What the connection brings is not what was sent: what is unconfirmed goes over another one.
void ZmqOutLink::on_damage(TimePoint now) {
  if (++damages_ < kDamagesToDie) return lose_connection(now);
  die({FailureKind::disconnected, "what is sent to or from " + endpoint_ + " is damaged on the way, again and again"});
}

void ZmqOutLink::on_bye(const LinkBye& bye, TimePoint now) {
  if (bye.received < next_sequence_) confirm(bye.received);
  if (bye.refused == kDamaged) return on_damage(now);
  if (leaving_ && kept_.empty() && is_flushed()) {
    drained_ = true;
    return;
  }
  die({bye.refused != 0 ? FailureKind::unknown : FailureKind::disconnected,
       "the node at " + endpoint_ + " said goodbye: " + bye.reason.substr(0, kMaxNameBytes)});
}

void ZmqOutLink::confirm(std::uint64_t received) {
  while (!kept_.empty() && kept_.front().last <= received) {
    kept_bytes_ -= kept_.front().bytes();
    kept_.pop_front();
    damages_ = 0;
  }
}

void ZmqOutLink::read_news(TimePoint now) {
  if (!connection_) return;
  switch (connection_->news()) {
    case DialedConnection::News::none:
      return;
    case DialedConnection::News::refused:
      ++refusals_;
      if (state_ == State::redialing && refusals_ >= kRefusalsToDie) {
        return die({FailureKind::disconnected, "nobody listens at " + endpoint_ + " any more"});
      }
      break;
    case DialedConnection::News::broken:
      read(now);  // a goodbye may have come just before the end
      if (state_ == State::dialing && ++hang_ups_ >= kHangUpsToDie) {
        return die({FailureKind::disconnected,
                    "the node at " + endpoint_ +
                        " hangs up before a word is said: has it a key, and this node the same key?"});
      }
      break;
    case DialedConnection::News::locked:
      return die({FailureKind::disconnected,
                  "the node at " + endpoint_ + " does not have the same key: start both with the same key file"});
  }
  lose_connection(now);
}

void ZmqOutLink::tick(TimePoint now) {
  if (state_ == State::dead) return;
  if (state_ == State::up) {
    if (now - last_heard_ > parts_.options.peer_timeout) {
      return die({FailureKind::disconnected,
                  "no sign of life from " + endpoint_ + " for " + seconds_text(parts_.options.peer_timeout)});
    }
    if (now - last_sent_ >= parts_.options.heartbeat) {
      send_control(EnvelopeKind::credit, encode_message(LinkNote{next_sequence_ - 1, 0, 0}), now);
    }
    return;
  }
  if (now - not_up_since_ > parts_.options.peer_timeout) {
    const std::string what = state_ == State::dialing ? "nobody answered at " : "connection lost to ";
    const std::string why = hang_ups_ == 0 ? "" : "; it hangs up before a word is said";
    return die(
        {FailureKind::disconnected, what + endpoint_ + " for " + seconds_text(parts_.options.peer_timeout) + why});
  }
  if (!connection_ && now >= next_dial_) dial(now);
}

void ZmqOutLink::excuse(Duration lateness) {
  last_heard_ += lateness;
  not_up_since_ += lateness;
}

void ZmqOutLink::die(Failure why) {
  if (state_ == State::dead) return;
  state_ = State::dead;
  why_dead_ = std::move(why);
  connection_.reset();
}

void ZmqOutLink::say_bye(TimePoint now) {
  leaving_ = true;
  if (state_ != State::up) return;
  send_control(EnvelopeKind::bye, encode_message(LinkBye{0, 0, "the node stops"}), now);
}

bool ZmqOutLink::is_flushed() const {
  return state_ == State::dead ||
         std::all_of(pending_.begin(), pending_.end(), [](const Waiting& waiting) { return waiting.empty(); });
}

std::vector<Envelope> ZmqOutLink::unsent() {
  std::vector<Envelope> envelopes;
  for (const Lane lane : {Lane::urgent, Lane::ordinary}) {
    for (auto& waiting : std::exchange(pending(lane), {})) {
      if (auto* const envelope = std::get_if<Envelope>(&waiting)) {
        envelopes.push_back(std::move(*envelope));
      } else {
        for (Envelope& each : envelopes_of(std::get<Fronts>(waiting))) envelopes.push_back(std::move(each));
      }
    }
  }
  return envelopes;
}

LinkCost ZmqOutLink::take_released() {
  LinkCost fresh = released_;
  fresh -= released_reported_;
  released_reported_ = released_;
  return fresh;
}

LinkCost ZmqOutLink::in_flight() const {
  LinkCost flying = sent_;
  flying -= released_;
  return flying;
}

}  // namespace troupe::runtime
